"""What a message says, in a few words; what a hang-up cause means."""

from collections.abc import Callable, Mapping
from typing import Any

Body = Mapping[str, Any]

HANGUP_CAUSES = {
    0: "no cause given",
    1: "unassigned number",
    3: "no route to the destination",
    16: "normal clearing",
    17: "busy",
    18: "no user responding",
    19: "no answer",
    20: "subscriber absent",
    21: "call rejected",
    22: "number changed",
    26: "answered elsewhere",
    27: "destination out of order",
    28: "invalid number format",
    31: "normal, unspecified",
    34: "no circuit available",
    38: "network out of order",
    41: "temporary failure",
    42: "switching equipment congestion",
    44: "requested channel not available",
    58: "bearer capability not available",
    127: "interworking, unspecified",
}
"""Q.850 causes by number. Source: ITU-T Q.850, table 1."""


def hangup_words(cause: int, tech_cause: int | None) -> str:
    """Return a hang-up cause in words, with the SIP status if one was given."""
    words = f"{HANGUP_CAUSES.get(cause, 'a cause of no name')} (Q.850 {cause})"
    return f"{words}, SIP {tech_cause}" if tech_cause else words


def _target(body: Body) -> str:
    target = body["target"]
    due = f", due again at {target['due_at']}" if target.get("due_at") else ""
    why = f" ({target['outcome']})" if target.get("outcome") else ""
    return f"the target is {target['status']}{why}{due}"


def _campaign(body: Body) -> str:
    campaign = body["campaign"]
    tries = (campaign.get("outplan") or {}).get("max_attempts")
    return f"the campaign is {campaign['status']}; attempts per destination: {tries}"


def _dialing(body: Body) -> str:
    attempt = body["attempt"]
    where = attempt["destination"]
    said = f"attempt {attempt['attempt_number']} at {where['address']} by {attempt['worker']}"
    pacing = body.get("pacing")
    if pacing:
        said += f"; {pacing['available_agents']} agents free, {pacing['waiting']} callers waiting"
    return said


def _settled(body: Body) -> str:
    due = f", due again at {body['due_at']}" if body.get("due_at") else ""
    known = {
        "ambiguous": "nobody can say whether it rang: it counts, and is not dialed on a guess",
        "cancelled": "cancelled: it was not dialed, or ended before an answer",
    }
    outcome = known.get(body["outcome"], body["outcome"])
    return f"{outcome}; the target is {body['target_status']}{due}"


def _heard(body: Body) -> str:
    heard = body["heard"]
    match heard["kind"]:
        case "timer":
            return f"the time {heard['timer']} has come"
        case "prompt":
            return "the text is spoken" if heard.get("media_url") else "the text cannot be spoken"
        case "queue":
            return "the queue is there" if heard["is_found"] else "there is no such queue"
        case _:
            return f"agent {heard['agent_id']} is there for the party"


def _bridged(body: Body) -> str:
    return f"agent {body['agent_id']}"


WORDS: dict[str, Callable[[Body], str]] = {
    "call.dialing": _dialing,
    "call.digit_pressed": lambda body: f"key {body['digit']}",
    "call.playback_finished": lambda body: "it failed" if body.get("is_failed") else "to its end",
    "call.bridge": _bridged,
    "call.bridged": _bridged,
    "call.bridge_failed": _bridged,
    "call.unbridged": _bridged,
    "call.hung_up": lambda body: hangup_words(body["hangup_cause"], body.get("tech_cause")),
    "call.adopted": lambda body: (
        f"by {body['worker']}: its worker had died or left"
        + ("; the former one may have asked the network for it" if body.get("is_doubtful") else "")
    ),
    "call.settled": _settled,
    "call.hang_up": lambda body: hangup_words(body["hangup_cause"], None),
    "flow.action_started": lambda body: f"{body['action_type']}, place {body['position']}",
    "flow.action_finished": lambda body: f"{body['action_type']}: {body['how']}",
    "flow.variables_set": lambda body: ", ".join(
        f"{name}={value!r}" for name, value in body["variables"].items()
    ),
    "flow.heard": _heard,
    "flow.finished": lambda body: str(body["how"]),
    "target.added": _target,
    "target.changed": _target,
    "target.deleted": _target,
    "campaign.created": _campaign,
    "campaign.updated": _campaign,
    "campaign.status_changed": lambda body: (
        f"{body['before']} -> {body['campaign']['status']}, {body['cause']}"
    ),
}


def words_of(type_: str, body: Body) -> str:
    """Return what a message says, in words; of an unknown type, its fields."""
    say = WORDS.get(type_)
    try:
        return say(body) if say else ""
    except (KeyError, TypeError):
        return str(dict(body))
