"""Values that make no sense are refused, with a sentence that says which and what to do."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.helm import make_manifests
from deploy.helm.make_manifests import Refused

CONTRADICTIONS: list[tuple[dict[str, Any], list[str]]] = [
    (
        {
            "image": {"tag": "latest"},
            "kafka": {"bootstrap": "nowhere", "protocol": "SASL_SSL"},
            "redis": {"url": "http://redis", "username": "engine", "ca": {"secret": "a"}},
            "topics": {"provision": "strimzi"},
            "dialer": {"replicas": 7, "settings": {"ARI_PASSWORD": "a", "PACE": "fast"}},
            "campaignManager": {
                "replicas": 2,
                "bootstrap": {"username": "admin@example.com", "password": {"secret": ""}},
            },
            "flowRunner": {"replicas": 2, "speech": {"publicUrl": "speech.example.com"}},
            "gateway": {"url": "asterisk:8088"},
            "traces": {"endpoint": "http://user:word@collector"},
            "monitoring": {"rules": {"docs": "docs.example.com"}},
        },
        [
            "image.tag: latest is another image each day; name a version",
            'kafka.bootstrap: "nowhere" names no brokers; write host:port',
            "kafka.protocol: SASL_SSL needs kafka.username, and kafka.password.secret",
            'redis.url: "http://redis" is no address of Redis; write redis://host:port/0',
            "redis.username: needs redis.password.secret",
            "redis.ca: means nothing unless redis.url begins with rediss://",
            "topics.provision: strimzi makes topics only with strimzi.enabled",
            "dialer.replicas: 7 are more than the 6 partitions",
            "dialer.settings.ARI_PASSWORD: is a secret, and values are no place for it",
            "dialer.settings.PACE: is unknown, or has a value of its own; what can be set here is",
            "campaignManager.jwt.secret: 2 replicas must sign logins with the same",
            "campaignManager.bootstrap.username: needs bootstrap.password.secret",
            "flowRunner.speech.publicUrl: 2 replicas behind one address must share",
            'flowRunner.speech.publicUrl: "speech.example.com" is no address; write http://host:port',
            'gateway.url: "asterisk:8088" is no address; write http://host:port',
            'traces.endpoint: "http://user:word@collector" is no address; write http://host:port',
            'monitoring.rules.docs: "docs.example.com" is put before docs/how-to/alerts.md',
        ],
    ),
    (
        {
            "kafka": {"username": "engine", "ca": {"secret": "a"}},
            "redis": {"url": "redis://engine:open@redis:6379/0"},
            "autoscaling": {"by": "keda"},
            "dialer": {"autoscaling": {"min": 4, "max": 3}},
            "flowRunner": {"autoscaling": {"min": 1, "max": 12}},
            "simulator": {"enabled": True},
            "campaignManager": {"jwt": {"secret": "a"}},
            "gateway": {"password": {"secret": ""}, "callRecords": {"volumeClaim": "a"}},
        },
        [
            "kafka.username and kafka.password mean nothing with PLAINTEXT: set kafka.protocol",
            "kafka.ca and kafka.certificate mean nothing with PLAINTEXT: set kafka.protocol",
            "redis.url: has a login in it, in clear; set redis.username, and redis.password.secret",
            "autoscaling.prometheusUrl: KEDA asks Prometheus for the dial debt; give its address",
            "dialer.autoscaling: min is 4 and max is 3; raise max or lower min",
            "flowRunner.autoscaling.max: 12 are more than the 6 partitions",
            "simulator.enabled: needs gateway.password.secret",
            "gateway.callRecords: are of a real gateway",
        ],
    ),
    (
        {
            "strimzi": {"enabled": True},
            "kafka": {"username": "engine"},
            "trial": {"kafka": {"enabled": True}, "redis": {"enabled": True}},
            "redis": {"password": {"secret": "a"}},
        },
        [
            "strimzi.cluster: name the Kafka object that topics and users belong to",
            "kafka.username, password and certificate: Strimzi's users have their own",
            "trial.kafka: is one broker that asks for nothing",
            "trial.redis: asks for nothing",
        ],
    ),
]

IMPOSSIBLE: dict[str, Any] = {
    "image": {"pullPolicy": "Sometimes", "digests": {"dialer": "md5:1"}},
    "logLevel": "loud",
    "kafka": {"protocol": "TELNET", "replicationFactor": 0, "hosts": "kafka"},
    "gateway": {"callsPerSecond": 0},
    "topics": {"provision": "by hand"},
    "dialer": {"replicas": 0, "drainSeconds": -1, "resources": {"limits": {"cpu": "much"}}},
    "flowRunner": {"settings": {"agent_rest_s": "1"}},
    "networkPolicy": {"kafka": {"to": [{"cidr": "10.0.0.0/8"}]}},
    "spread": {"zones": "Perhaps"},
    "autoscaling": {"by": "moon"},
    "replicas": 3,
}
OF_THE_SCHEMA = [
    "image.pullPolicy", "image.digests.dialer", "logLevel", "kafka.protocol",
    "kafka.replicationFactor", "kafka: Additional property hosts", "gateway.callsPerSecond",
    "topics.provision", "dialer.replicas", "dialer.drainSeconds", "dialer.resources.limits.cpu",
    "flowRunner.settings", "networkPolicy.kafka.to.0", "spread.zones", "autoscaling.by",
    "Additional property replicas",
]  # fmt: skip


def refusal(given: dict[str, Any], folder: Path) -> str:
    """What is said about values."""
    (folder / "given.yaml").write_text(yaml.safe_dump(given))
    with pytest.raises(Refused) as refused:
        make_manifests.render("values", "--values", str(folder / "given.yaml"))
    return str(refused.value)


@pytest.mark.parametrize(("given", "sentences"), CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_all_at_once(
    given: dict[str, Any], sentences: list[str], tmp_path: Path
) -> None:
    said = refusal(given, tmp_path)
    assert [sentence for sentence in sentences if sentence not in said] == []
    assert len([line for line in said.splitlines() if ": " in line]) == len(sentences) + 1


def test_what_is_no_value_at_all_is_refused_by_the_schema(tmp_path: Path) -> None:
    said = refusal(IMPOSSIBLE, tmp_path)
    assert [place for place in OF_THE_SCHEMA if place not in said] == []


def test_each_sentence_of_the_chart_is_tried() -> None:
    """As many as the template has."""
    template = (make_manifests.CHART / "templates" / "refusals.yaml").read_text("utf-8")
    tried = sum(len(sentences) for _, sentences in CONTRADICTIONS)
    twice = 3  # there is one for all addresses (of which three are tried), one for two of replicas
    assert template.count("$wrong = append") == tried - twice
