"""Our values in the API's words: destination_0 ... destination_4, nil UUIDs, its timestamps."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from contracts.actions import NIL_ID, Action
from contracts.call import Attempt
from contracts.campaign import Campaign
from contracts.resources import (
    AccessKey,
    Address,
    Agent,
    AgentStatus,
    DoNotCall,
    Flow,
    Outdial,
    Outplan,
    Owned,
    Queue,
    Skill,
)
from contracts.target import Destination, Target

from campaign_manager.api.hours import shown_rules
from campaign_manager.domain.campaigncalls import CallStatus, CampaignCall

NEVER = "9999-01-01 00:00:00.000000"
SLOTS = range(5)

Shown = dict[str, Any]
NO_SLOTS: Shown = {f"destination_{slot}": None for slot in SLOTS} | {
    f"try_count_{slot}": 0 for slot in SLOTS
}
Created = Owned | Campaign | Target | Attempt


class Border:
    """Renders values for clients; `style` is `seed` or `iso`."""

    def __init__(self, style: str) -> None:
        self._is_seed = style == "seed"

    def instant(self, at: datetime | None) -> str | None:
        """Return a timestamp; what has not happened is the year 9999, or null."""
        if at is None:
            return NEVER if self._is_seed else None
        if self._is_seed:
            return at.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")
        text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
        return f"{text}Z"

    def page(self, shown: list[Shown], rows: Sequence[Created]) -> Shown:
        """Return a list answer; the token is the creation of its last row, always in six digits."""
        token = ""
        if rows:
            style = "%Y-%m-%d %H:%M:%S.%f" if self._is_seed else "%Y-%m-%dT%H:%M:%S.%fZ"
            token = rows[-1].created_at.astimezone(UTC).strftime(style)
        return {"result": shown, "next_page_token": token}

    def _times(self, item: Owned | Campaign | Target) -> Shown:
        return {
            "tm_create": self.instant(item.created_at),
            "tm_update": self.instant(item.updated_at),
            "tm_delete": self.instant(item.deleted_at),
        }

    def _head(self, item: Owned) -> Shown:
        return {
            "id": item.id,
            "customer_id": item.customer_id,
            "name": item.name,
            "detail": item.detail,
        }

    def campaign(self, campaign: Campaign) -> Shown:
        """Return a campaign; the hidden queue_join is not shown."""
        return {
            "id": campaign.campaign_id,
            "customer_id": campaign.customer_id,
            "type": campaign.kind.value,
            "name": campaign.name,
            "detail": campaign.detail,
            "status": campaign.status.value,
            "service_level": campaign.dial_ratio_percent,
            "end_handle": campaign.end_handle.value,
            "actions": self._actions(campaign.actions),
            "outplan_id": campaign.outplan_id or NIL_ID,
            "outdial_id": campaign.outdial_id or NIL_ID,
            "queue_id": campaign.queue_id or NIL_ID,
            "next_campaign_id": campaign.next_campaign_id or NIL_ID,
            "max_concurrent_calls": campaign.limits.max_concurrent_calls,
            "calls_per_second": campaign.limits.calls_per_second,
            **shown_rules(campaign),
            **self._times(campaign),
        }

    def _actions(self, actions: tuple[Action, ...] | None) -> list[Shown] | None:
        if actions is None:
            return None
        shown = []
        for action in actions:
            row: Shown = {"id": action.id, "next_id": action.next_id, "type": action.type}
            if action.option:
                row["option"] = action.option
            shown.append(row if self._is_seed else row | {"tm_execute": None})
        return shown

    def outplan(self, outplan: Outplan) -> Shown:
        """Return an outplan; `dial_timeout` as it was sent."""
        return {
            **self._head(outplan),
            "source": _address(outplan.source),
            "dial_timeout": outplan.dial_timeout,
            "try_interval": outplan.try_interval_ms,
            **{f"max_try_count_{slot}": outplan.max_attempts[slot] for slot in SLOTS},
            **_if_set("source_calls_per_second", outplan.source_calls_per_second),
            **self._times(outplan),
        }

    def outdial(self, outdial: Outdial) -> Shown:
        """Return an outdial."""
        return {
            **self._head(outdial),
            "campaign_id": outdial.campaign_id or NIL_ID,
            "data": outdial.data,
            **self._times(outdial),
        }

    def target(self, target: Target) -> Shown:
        """Return a target; absent slots are null."""
        slots = NO_SLOTS.copy()
        for destination in target.destinations:
            slots[f"destination_{destination.slot}"] = _destination(destination)
            slots[f"try_count_{destination.slot}"] = destination.attempt_count
        return {
            "id": target.target_id,
            "outdial_id": target.outdial_id,
            "name": target.name,
            "detail": target.detail,
            "data": target.data,
            "status": target.status.value,
            **slots,
            **self._times(target),
        }

    def campaigncall(self, call: CampaignCall) -> Shown:
        """Return a campaigncall. Its call and its activeflow have ids that follow from its own."""
        attempt = call.attempt
        if attempt is None:
            raise ValueError("an attempt that has not been told cannot be shown")
        success = {True: "success", False: "fail", None: ""}[call.is_success]
        return {
            "id": call.attempt_id,
            "customer_id": attempt.customer_id,
            "campaign_id": call.campaign_id,
            "outplan_id": attempt.outplan_id,
            "outdial_id": attempt.outdial_id,
            "outdial_target_id": attempt.target_id,
            "queue_id": attempt.queue_id or NIL_ID,
            "activeflow_id": str(uuid5(NAMESPACE_URL, f"{call.attempt_id}/flow")),
            "flow_id": str(uuid5(NAMESPACE_URL, f"{call.campaign_id}/flow")),
            "reference_type": "flow" if attempt.is_flow_only else "call",
            "reference_id": NIL_ID if attempt.is_flow_only else call.attempt_id,
            "status": call.status.value,
            "result": success if call.status is CallStatus.DONE else "",
            "source": _address(attempt.source),
            "destination": _destination(attempt.destination),
            "destination_index": attempt.destination.slot,
            "try_count": attempt.attempt_number,
            "tm_create": self.instant(attempt.created_at),
            "tm_update": self.instant(call.updated_at),
            "tm_delete": self.instant(call.deleted_at),
        }

    def queue(self, queue: Queue) -> Shown:
        """Return a queue."""
        return {
            **self._head(queue),
            "routing_method": queue.routing_method,
            "tag_ids": list(queue.tag_ids),
            "wait_flow_id": queue.wait_flow_id or NIL_ID,
            "wait_timeout": queue.wait_timeout_ms,
            "service_timeout": queue.service_timeout_ms,
            "wait_queuecall_ids": [],
            "service_queuecall_ids": [],
            "total_incoming_count": 0,
            "total_serviced_count": 0,
            "total_abandoned_count": 0,
            "direct_hash": "",
            **self._times(queue),
        }

    def flow(self, flow: Flow) -> Shown:
        """Return a flow."""
        return {
            **self._head(flow),
            "type": "flow",
            "actions": self._actions(flow.actions),
            "direct_hash": "",
            "on_complete_flow_id": flow.on_complete_flow_id or NIL_ID,
            **self._times(flow),
        }

    def tag(self, tag: Skill) -> Shown:
        """Return a tag."""
        return {**self._head(tag), **self._times(tag)}

    def donotcall(self, donotcall: DoNotCall) -> Shown:
        """Return a do-not-call list, without its numbers."""
        return {**self._head(donotcall), **self._times(donotcall)}

    def agent(self, agent: Agent, *, is_engaged: bool) -> Shown:
        """Return an agent without the password; one in a call is busy."""
        is_busy = is_engaged and agent.status is AgentStatus.AVAILABLE
        return {
            **self._head(agent),
            "username": agent.username,
            "ring_method": agent.ring_method,
            "status": AgentStatus.BUSY.value if is_busy else agent.status.value,
            "permission": agent.permission,
            "tag_ids": list(agent.tag_ids),
            "addresses": [_address(address) for address in agent.addresses],
            "direct_hash": "",
            **self._times(agent),
        }

    def access_key(self, key: AccessKey, token: str = "") -> Shown:
        """Return an access key; its token only when it is made."""
        shown = {
            **self._head(key),
            "token_prefix": key.token_prefix,
            "tm_expire": self.instant(key.expires_at),
            **self._times(key),
        }
        return shown | {"token": token} if token else shown


def _if_set(name: str, value: Any) -> Shown:
    return {} if value is None else {name: value}


def _address(address: Address | None) -> Shown | None:
    return {name: value for name, value in address if value} if address else None


def _destination(destination: Destination) -> Shown:
    shown = {
        "type": destination.kind,
        "target": destination.address,
        "target_name": destination.target_name,
        "name": destination.name,
        "detail": destination.detail,
    }
    return {name: value for name, value in shown.items() if value}


def parse_token(token: str) -> datetime | None:
    """Return the instant of a page token in any spelling; None without one.

    Raises:
        ValueError: It is no timestamp.
    """
    if not token:
        return None
    at = datetime.fromisoformat(token.strip().replace(" ", "T").replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)
