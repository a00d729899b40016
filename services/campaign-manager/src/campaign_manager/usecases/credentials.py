"""Who may ask: logins and access keys.

The tokens of access keys are kept as SHA-256, and shown once. Nothing is cached: whoever is deleted
is locked out at once.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

import jwt
import structlog
from chassis.outbox import Outbox, Write
from contracts.resources import AccessKey, Agent, AgentStatus, Customer

from campaign_manager.domain.permissions import ALL_PERMISSIONS, CUSTOMER_ADMIN
from campaign_manager.domain.revisions import removed, revise
from campaign_manager.usecases.agents import Agents, Caller, login_key
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Taken
from campaign_manager.usecases.kinds import ACCESS_KEY, AGENT, CUSTOMER, SHARD, Put, new_id, now
from campaign_manager.usecases.passwords import is_password

log = structlog.get_logger()

LOGIN_LASTS = timedelta(days=7)
ALGORITHM = "HS256"


class Unknown(Exception):
    """The credentials are wrong, expired or deleted."""


def token_key(token_hash: str) -> str:
    """Record of the access key that has a token."""
    return f"{{{SHARD}}}:token:{token_hash}"


class Credentials:
    """Agents who log in, and keys that need no login."""

    def __init__(
        self, definitions: Definitions, agents: Agents, outbox: Outbox, secret: str | None
    ) -> None:
        self._definitions = definitions
        self._agents = agents
        self._outbox = outbox
        self._secret = secret or secrets.token_hex(32)
        if secret is None:
            log.warning("no JWT secret is set: logins end with this program")

    async def log_in(self, username: str, password: str) -> str:
        """Return a token for an agent.

        Raises:
            Unknown: There is no such agent, or the password is another.
        """
        record = await self._outbox.read(login_key(username))
        stored = await self._definitions.find(AGENT, record.body.decode()) if record else None
        agent = stored.item if stored and stored.item.deleted_at is None else None
        if not await is_password(password, agent.password_hash if agent else None) or agent is None:
            raise Unknown
        expires = now() + LOGIN_LASTS
        claims = {
            "type": "agent",
            "agent": {
                "id": agent.id,
                "customer_id": agent.customer_id,
                "username": agent.username,
                "permission": agent.permission,
            },
            "exp": int(expires.timestamp()),
            "expire": expires.isoformat(),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    async def by_token(self, token: str) -> Caller:
        """Return who a login's token stands for, with the permission of this moment.

        Raises:
            Unknown: It is not ours, has expired, or the agent is gone.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._secret, algorithms=[ALGORITHM], options={"require": ["exp"]}
            )
            agent_id = str(claims["agent"]["id"])
        except (jwt.InvalidTokenError, KeyError, TypeError) as error:
            raise Unknown from error
        stored = await self._definitions.find(AGENT, agent_id)
        if stored is None or stored.item.deleted_at is not None:
            raise Unknown
        return Caller(stored.item.customer_id, stored.item.permission, agent_id)

    async def by_access_key(self, token: str) -> Caller:
        """Return who an access key stands for: an admin of its customer.

        Raises:
            Unknown: There is no such key, it has expired or was deleted.
        """
        record = await self._outbox.read(token_key(_digest(token)))
        stored = await self._definitions.find(ACCESS_KEY, record.body.decode()) if record else None
        if stored is None or stored.item.deleted_at or stored.item.expires_at <= now():
            raise Unknown
        return Caller(stored.item.customer_id, CUSTOMER_ADMIN)

    async def add_access_key(
        self, customer_id: str, name: str, detail: str, expires_in: timedelta
    ) -> tuple[AccessKey, str]:
        """Return a new access key and its token, which is shown this once."""
        token = f"vb_{secrets.token_urlsafe(24)}"
        at = now()
        key = AccessKey(
            id=new_id(),
            customer_id=customer_id,
            name=name,
            detail=detail,
            created_at=at,
            token_hash=_digest(token),
            token_prefix=token[:11],
            expires_at=at + expires_in,
        )
        index = Write(token_key(key.token_hash), 0, key.id.encode())
        await self._definitions.commit(Put(ACCESS_KEY, key, 0), writes=(index,))
        return key, token

    async def rename_access_key(
        self, key_id: str, customer_id: str, changes: dict[str, str]
    ) -> AccessKey:
        """Change the name or the detail of an access key; nothing else of it ever changes.

        Raises:
            Missing: There is no such key.
        """

        async def decide(key: AccessKey) -> AccessKey:
            return revise(key, changes, now())

        return await self._definitions.change(ACCESS_KEY, key_id, customer_id, decide)

    async def delete_access_key(self, key_id: str, customer_id: str) -> AccessKey:
        """Delete an access key: from now on it opens nothing.

        Raises:
            Missing: There is no such key.
        """

        async def decide(key: AccessKey) -> AccessKey:
            return removed(key, now())

        return await self._definitions.change(ACCESS_KEY, key_id, customer_id, decide)

    async def bootstrap(self, username: str, password: str) -> None:
        """Make a first customer and its administrator, unless the username is there already."""
        if await self._outbox.read(login_key(username)):
            return
        at = now()
        customer_id = new_id()
        customer = Customer(id=customer_id, customer_id=customer_id, name=username, created_at=at)
        agent = Agent(
            id=new_id(),
            customer_id=customer_id,
            name="administrator",
            username=username,
            password_hash="",
            permission=ALL_PERMISSIONS,
            status=AgentStatus.OFFLINE,
            created_at=at,
        )
        try:
            await self._agents.add(agent, password, Put(CUSTOMER, customer, 0))
        except Taken:
            return  # another replica was quicker
        log.info("administrator made", username=username)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
