"""What a broken connection to Redis is told as."""

from typing import Any

import pytest
from chassis.errors import TRANSIENT
from chassis.store import PackingConnection


class ClosedWriter:
    """Answers as uvloop does on a connection that was reset a moment ago."""

    def writelines(self, _: Any) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    def close(self) -> None:
        return

    async def wait_closed(self) -> None:
        return


async def test_a_connection_that_uvloop_has_closed_is_transient() -> None:
    connection: Any = PackingConnection()
    connection._reader = connection._writer = ClosedWriter()
    with pytest.raises(TRANSIENT):
        await connection.send_command("PING", check_health=False)
