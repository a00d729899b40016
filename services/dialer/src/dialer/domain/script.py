"""What a party who answers will hear: the campaign's actions, and the variables of the attempt."""

from contracts.actions import NIL_ID, Action
from contracts.call import Attempt
from contracts.campaign import Campaign
from contracts.resources import Address
from contracts.target import Target

from dialer.domain.story import Script


def script_of(campaign: Campaign, attempt: Attempt, target: Target | None) -> Script:
    """Return the script of an attempt; a campaign with a queue ends in joining it."""
    actions = campaign.actions or ()
    if campaign.queue_id:
        joining = Action(id=NIL_ID, type="queue_join", option={"queue_id": campaign.queue_id})
        actions = (*actions, joining)
    return Script(actions=actions, variables=_variables(campaign, attempt, target))


def _variables(campaign: Campaign, attempt: Attempt, target: Target | None) -> dict[str, str]:
    destination = attempt.destination
    variables = {
        "voipbin.activeflow.id": attempt.attempt_id,
        "voipbin.activeflow.reference_id": attempt.attempt_id,
        "voipbin.activeflow.reference_type": "campaign" if attempt.is_flow_only else "call",
        "campaign.id": campaign.campaign_id,
        "campaign.name": campaign.name,
        "attempt.id": attempt.attempt_id,
        "attempt.number": str(attempt.attempt_number),
        "attempt.destination": destination.address,
    }
    if not attempt.is_flow_only:
        variables["voipbin.call.id"] = attempt.attempt_id
        variables["voipbin.call.direction"] = "outgoing"
        variables["voipbin.call.digits"] = ""
        variables |= _address("voipbin.call.source", attempt.source or Address())
        called = Address(
            type=destination.kind,
            target=destination.address,
            target_name=destination.target_name,
            name=destination.name,
            detail=destination.detail,
        )
        variables |= _address("voipbin.call.destination", called)
    if target is not None:
        variables |= {
            "target.id": target.target_id,
            "target.name": target.name,
            "target.detail": target.detail,
            "target.data": target.data,
        }
    return variables


def _address(prefix: str, address: Address) -> dict[str, str]:
    return {f"{prefix}.{name}": value for name, value in address if value}
