"""Who may ask: passwords, logins and access keys.

Passwords are kept as scrypt hashes, tokens of access keys as SHA-256. Neither is ever shown again.
"""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import structlog
from chassis.outbox import Outbox, StaleWrite, Write
from contracts.resources import AccessKey, Agent, AgentStatus, Customer

from campaign_manager.usecases.definitions import (
    ACCESS_KEY,
    AGENT,
    CUSTOMER,
    SHARD,
    Definitions,
    Put,
    new_id,
    now,
)
from campaign_manager.usecases.errors import Taken

log = structlog.get_logger()

LOGIN_LASTS = timedelta(days=7)
ALGORITHM = "HS256"
ALL_PERMISSIONS = 65535
CUSTOMER_ADMIN = 32
CUSTOMER_MANAGER = 64


class Unknown(Exception):
    """The credentials are wrong, expired or deleted."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what he may do."""

    customer_id: str
    permission: int


def _login_key(username: str) -> str:
    return f"{{{SHARD}}}:login:{username}"


def _token_key(token_hash: str) -> str:
    return f"{{{SHARD}}}:token:{token_hash}"


def hash_password(password: str, salt: bytes) -> str:
    """Return a password's hash with its salt, for storing."""
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return f"scrypt${salt.hex()}${digest.hex()}"


def _is_password(password: str, stored: str) -> bool:
    _, salt, _ = stored.split("$")
    return hmac.compare_digest(hash_password(password, bytes.fromhex(salt)), stored)


async def set_password(password: str) -> str:
    """Return a password's hash with a fresh salt, made off the event loop."""
    return await asyncio.to_thread(hash_password, password, secrets.token_bytes(16))


class Credentials:
    """Agents who log in, and keys that need no login."""

    def __init__(self, definitions: Definitions, outbox: Outbox, secret: str | None) -> None:
        self._definitions = definitions
        self._outbox = outbox
        self._secret = secret or secrets.token_hex(32)
        if secret is None:
            log.warning("no JWT secret is set: logins end with this program")

    async def log_in(self, username: str, password: str) -> str:
        """Return a token for an agent.

        Raises:
            Unknown: There is no such agent, or the password is another.
        """
        record = await self._outbox.read(_login_key(username))
        stored = await self._definitions.find(AGENT, record.body.decode()) if record else None
        if stored is None or stored.item.deleted_at is not None:
            await asyncio.to_thread(hash_password, password, b"same effort")
            raise Unknown
        if not await asyncio.to_thread(_is_password, password, stored.item.password_hash):
            raise Unknown
        expires = now() + LOGIN_LASTS
        claims = {
            "type": "agent",
            "agent_id": stored.item.id,
            "exp": int(expires.timestamp()),
            "expire": expires.isoformat(),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    async def by_token(self, token: str) -> Caller:
        """Return who a login's token stands for.

        Raises:
            Unknown: It is not ours, has expired, or the agent is gone.
        """
        try:
            claims: dict[str, Any] = jwt.decode(token, self._secret, algorithms=[ALGORITHM])
        except jwt.InvalidTokenError as error:
            raise Unknown from error
        stored = await self._definitions.find(AGENT, str(claims.get("agent_id")))
        if stored is None or stored.item.deleted_at is not None:
            raise Unknown
        return Caller(stored.item.customer_id, stored.item.permission)

    async def by_access_key(self, token: str) -> Caller:
        """Return who an access key stands for: an admin of its customer.

        Raises:
            Unknown: There is no such key, it has expired or was deleted.
        """
        record = await self._outbox.read(_token_key(_digest(token)))
        stored = await self._definitions.find(ACCESS_KEY, record.body.decode()) if record else None
        if stored is None or stored.item.deleted_at or stored.item.expires_at <= now():
            raise Unknown
        return Caller(stored.item.customer_id, CUSTOMER_ADMIN)

    async def add_agent(self, agent: Agent, password: str, *others: Put) -> Agent:
        """Store an agent with a password.

        Raises:
            Taken: Someone has the username already.
        """
        agent = agent.model_copy(update={"password_hash": await set_password(password)})
        login = Write(_login_key(agent.username), 0, agent.id.encode())
        try:
            await self._definitions.commit(Put(AGENT, agent, 0), *others, writes=(login,))
        except StaleWrite as stale:
            raise Taken(f"the username {agent.username} is taken") from stale
        return agent

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
        index = Write(_token_key(key.token_hash), 0, key.id.encode())
        await self._definitions.commit(Put(ACCESS_KEY, key, 0), writes=(index,))
        return key, token

    async def bootstrap(self, username: str, password: str) -> None:
        """Make a first customer and its administrator, unless the username is there already."""
        if await self._outbox.read(_login_key(username)):
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
            await self.add_agent(agent, password, Put(CUSTOMER, customer, 0))
        except Taken:
            return  # another replica was quicker
        log.info("administrator made", username=username)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
