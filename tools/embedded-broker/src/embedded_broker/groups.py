"""The coordinator of consumer groups: the classic protocol, one rebalance at a time.

A group is empty, preparing (members are asked to join again), completing (the leader says who gets
what) or stable. A member that is not heard of within its session is dropped.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING = 22, 25, 27
FIRST_JOIN_S = 0.05
ALL_HERE_S = 0.005
REAP_S = 0.25


class State(StrEnum):
    """Where a group is."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


@dataclass(slots=True)
class Member:
    """One consumer of a group."""

    id: str
    instance: str | None
    session_s: float
    rebalance_s: float
    protocols: dict[str, bytes]
    assignment: bytes = b""
    heard_at: float = field(default_factory=time.monotonic)
    joining: "asyncio.Future[tuple[Any, ...]] | None" = None
    syncing: "asyncio.Future[tuple[int, bytes]] | None" = None


class Group:
    """One consumer group."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = State.EMPTY
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.leader = ""
        self.protocol = ""
        self._timer: asyncio.TimerHandle | None = None

    # ---- joining

    async def join(self, request: Any, client: str) -> tuple[Any, ...]:
        """Return the fields of the answer to JoinGroup, once all members are here."""
        returned = self._returned(request)
        if returned:
            return returned
        member = self._member(request, client)
        if member is None:
            return (UNKNOWN_MEMBER, -1, "", "", request.member_id, [])
        member.protocols = dict(request.group_protocols)
        member.session_s = request.session_timeout / 1000
        member.heard_at = time.monotonic()
        member.joining = asyncio.get_running_loop().create_future()
        waiting = member.joining
        self._prepare()
        return await waiting

    def _member(self, request: Any, client: str) -> Member | None:
        instance = getattr(request, "group_instance_id", None)
        if request.member_id:
            return self.members.get(request.member_id)
        id_ = _new_id(instance or client)
        member = Member(
            id_, instance, request.session_timeout / 1000, request.rebalance_timeout / 1000, {}
        )
        self.members[id_] = member
        return member

    def _returned(self, request: Any) -> tuple[Any, ...] | None:
        """Have a static member that comes again take the place of its former self.

        Returns:
            The answer, if it goes on with what it had and nobody else need join again.
        """
        instance = getattr(request, "group_instance_id", None)
        if request.member_id or not instance:
            return None
        former = next((m for m in self.members.values() if m.instance == instance), None)
        if former is None:
            return None
        del self.members[former.id]
        if self.state is not State.STABLE or former.protocols != dict(request.group_protocols):
            return None
        led_by = self.leader
        former.id, former.heard_at = _new_id(instance), time.monotonic()
        self.members[former.id] = former
        if led_by not in self.members:
            self.leader = former.id
        return (0, self.generation, self.protocol, led_by, former.id, [])

    def _prepare(self) -> None:
        if self.state is not State.PREPARING:
            if self.state is State.COMPLETING:
                self._refuse_syncs()
            longest = max((member.rebalance_s for member in self.members.values()), default=1.0)
            self._arm(FIRST_JOIN_S if self.state is State.EMPTY else longest)
            self.state = State.PREPARING
        if self.generation > 0 and all(member.joining for member in self.members.values()):
            self._arm(ALL_HERE_S)

    def _arm(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._complete)

    def _refuse_syncs(self) -> None:
        for member in self.members.values():
            if member.syncing and not member.syncing.done():
                member.syncing.set_result((REBALANCING, b""))
            member.syncing = None

    def _complete(self) -> None:
        if self.state is not State.PREPARING:
            return
        for id_ in [member.id for member in self.members.values() if member.joining is None]:
            del self.members[id_]
        self.generation += 1
        if not self.members:
            self.state = State.EMPTY
            return
        self.state = State.COMPLETING
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        common = set.intersection(*(set(member.protocols) for member in self.members.values()))
        preferred = self.members[self.leader].protocols
        self.protocol = next((name for name in preferred if name in common), "")
        for member in list(self.members.values()):
            joining, member.joining = member.joining, None
            everyone = (
                [(m.id, m.instance, m.protocols[self.protocol]) for m in self.members.values()]
                if member.id == self.leader
                else []
            )
            member.heard_at = time.monotonic()
            if joining and not joining.done():
                joining.set_result(
                    (0, self.generation, self.protocol, self.leader, member.id, everyone)
                )

    # ---- afterwards

    async def sync(self, request: Any) -> tuple[int, bytes]:
        """Return error and assignment of a member, once the leader has decided."""
        member = self.members.get(request.member_id)
        error = self._refusal(member, request.generation_id)
        if member is None or error:
            return (error, b"")
        if self.state is State.STABLE:
            return (0, member.assignment)
        if request.member_id != self.leader:
            member.syncing = asyncio.get_running_loop().create_future()
            return await member.syncing
        decided = dict(request.group_assignment)
        self.state = State.STABLE
        for one in self.members.values():
            one.assignment = decided.get(one.id, b"")
            if one.syncing and not one.syncing.done():
                one.syncing.set_result((0, one.assignment))
            one.syncing = None
        return (0, member.assignment)

    def _refusal(self, member: Member | None, generation: int) -> int:
        if member is None:
            return UNKNOWN_MEMBER
        if generation != self.generation:
            return ILLEGAL_GENERATION
        member.heard_at = time.monotonic()
        return REBALANCING if self.state is State.PREPARING else 0

    def heartbeat(self, member_id: str, generation: int) -> int:
        """Take a sign of life and return the error, 0 for none."""
        return self._refusal(self.members.get(member_id), generation)

    def may_commit(self, member_id: str, generation: int) -> int:
        """Return the error of a commit; one while members join again is accepted, as in Kafka."""
        if generation < 0:
            return 0
        member = self.members.get(member_id)
        if member is None:
            return UNKNOWN_MEMBER
        if generation != self.generation:
            return ILLEGAL_GENERATION
        return REBALANCING if self.state is State.COMPLETING else 0

    def leave(self, member_id: str) -> None:
        """Let a member go; the others share what it had."""
        if self.members.pop(member_id, None):
            self._shrunk()

    def reap(self) -> None:
        """Drop members that were not heard of within their session."""
        now = time.monotonic()
        gone = [
            member.id
            for member in self.members.values()
            if member.joining is None and now - member.heard_at > member.session_s
        ]
        for id_ in gone:
            del self.members[id_]
        if gone:
            self._shrunk()

    def _shrunk(self) -> None:
        if self.members:
            self._prepare()
        else:
            self.state = State.EMPTY


def _new_id(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"
