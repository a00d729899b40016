"""All policies: what every manifest has to keep to."""

from tests.deploy import policies_of_fleets as fleets
from tests.deploy import policies_of_links as links
from tests.deploy import policies_of_pods as pods
from tests.deploy.manifests import Policy

POLICIES: tuple[Policy, ...] = (
    pods.pod_security_is_restricted,
    pods.root_is_read_only,
    pods.nobody_has_a_token,
    pods.images_are_pinned,
    pods.resources_are_set,
    pods.probes_are_set,
    pods.no_secret_is_in_clear,
    pods.services_do_not_inherit_links,
    fleets.pods_may_end_in_peace,
    fleets.evictions_go_one_by_one,
    fleets.replicas_are_spread,
    fleets.updates_take_nothing_away,
    fleets.one_decides_how_many,
    links.selectors_find_something,
    links.what_is_mounted_is_there,
    links.names_are_taken_once,
    links.everything_is_denied_first,
    links.what_goes_out_is_named,
)
