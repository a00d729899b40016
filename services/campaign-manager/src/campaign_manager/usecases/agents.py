"""Agents: who takes calls, and who may log in. A username is one agent's in the whole engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.outbox import Outbox, StaleWrite, Write
from contracts.resources import Agent

from campaign_manager.domain.permissions import may_give, may_manage
from campaign_manager.domain.revisions import removed, revise
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Forbidden, Taken
from campaign_manager.usecases.kinds import AGENT, SHARD, TAG, Put, now
from campaign_manager.usecases.passwords import hash_password

OWN = {"status"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what he may do. An access key is no agent."""

    customer_id: str
    permission: int
    agent_id: str | None = None


def login_key(username: str) -> str:
    """Record of the agent that has a username."""
    return f"{{{SHARD}}}:login:{username}"


class Agents:
    """The agents of all customers."""

    def __init__(self, definitions: Definitions, outbox: Outbox) -> None:
        self._definitions = definitions
        self._outbox = outbox

    async def create(self, caller: Caller, agent: Agent, password: str) -> Agent:
        """Store an agent with a password.

        Raises:
            Forbidden: The caller has not got the permission that the agent is to have.
            Invalid: One of the tags does not exist.
            Taken: Someone has the username already.
        """
        _check_rank(caller, agent.permission)
        await self._check_tags(agent)
        return await self.add(agent, password)

    async def add(self, agent: Agent, password: str, *others: Put) -> Agent:
        """Store an agent, with other definitions in the same step.

        Raises:
            Taken: Someone has the username already.
        """
        agent = agent.model_copy(update={"password_hash": await hash_password(password)})
        login = Write(login_key(agent.username), 0, agent.id.encode())
        try:
            await self._definitions.commit(Put(AGENT, agent, 0), *others, writes=(login,))
        except StaleWrite as stale:
            raise Taken(f"the username {agent.username} is taken") from stale
        return agent

    async def update(
        self, caller: Caller, agent_id: str, changes: Mapping[str, Any], password: str | None
    ) -> Agent:
        """Change an agent; everyone may declare the own status.

        Raises:
            Missing: There is no such agent.
            Forbidden: The agent stands above the caller, or would.
            Invalid: One of the tags does not exist.
        """
        if password is not None:
            changes = {**changes, "password_hash": await hash_password(password)}
        if not (caller.agent_id == agent_id and set(changes) <= OWN):
            _check_may_manage(caller)

        async def decide(agent: Agent) -> Agent:
            after = revise(agent, changes, now())
            if set(changes) - OWN:
                _check_rank(caller, agent.permission)
                _check_rank(caller, after.permission)
            if after.tag_ids != agent.tag_ids:
                await self._check_tags(after)
            return after

        return await self._definitions.change(AGENT, agent_id, caller.customer_id, decide)

    async def delete(self, caller: Caller, agent_id: str) -> Agent:
        """Delete an agent; the username is free again.

        Raises:
            Missing: There is no such agent.
            Forbidden: The agent stands above the caller.
        """
        while True:
            stored = await self._definitions.get(AGENT, agent_id, caller.customer_id)
            _check_rank(caller, stored.item.permission)
            after = removed(stored.item, now())
            key = login_key(after.username)
            login = await self._outbox.read(key)
            is_its = login is not None and login.body.decode() == agent_id
            writes = (Write(key, login.version, None),) if login and is_its else ()
            try:
                await self._definitions.commit(Put(AGENT, after, stored.version), writes=writes)
            except StaleWrite:
                continue
            return after

    async def page(
        self,
        customer_id: str,
        before: datetime | None,
        size: int,
        is_wanted: Callable[[Agent], bool],
    ) -> list[Agent]:
        """Return wanted agents, newest first; an empty page is the end."""
        found: list[Agent] = []
        while len(found) < size:
            rows = await self._definitions.page(AGENT, customer_id, before, size)
            found += [row for row in rows if is_wanted(row)]
            if len(rows) < size:
                break
            before = rows[-1].created_at
        return found

    async def _check_tags(self, agent: Agent) -> None:
        for tag_id in agent.tag_ids:
            await self._definitions.require(TAG, tag_id, agent.customer_id, "tag_ids")


def _check_may_manage(caller: Caller) -> None:
    if not may_manage(caller.permission):
        raise Forbidden("the agent may change nothing but the own status")


def _check_rank(caller: Caller, permission: int) -> None:
    if not may_give(caller.permission, permission):
        raise Forbidden(f"permission {permission} is above the caller's own")
