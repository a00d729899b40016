"""Passwords are kept as scrypt hashes with a salt each, made off the event loop."""

import asyncio
import hashlib
import hmac
import secrets


def _hash(password: str, salt: bytes) -> str:
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return f"scrypt${salt.hex()}${digest.hex()}"


async def hash_password(password: str) -> str:
    """Return a password's hash with a fresh salt, for storing."""
    return await asyncio.to_thread(_hash, password, secrets.token_bytes(16))


async def is_password(password: str, stored: str | None) -> bool:
    """Whether a password is the stored one; without a stored one it takes as long to say no."""
    salt = bytes.fromhex(stored.split("$")[1]) if stored else b"as much effort.."
    hashed = await asyncio.to_thread(_hash, password, salt)
    return stored is not None and hmac.compare_digest(hashed, stored)
