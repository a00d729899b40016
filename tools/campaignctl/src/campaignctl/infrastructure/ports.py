"""Free ports for servers that cannot tell which one they took."""

import random
import socket

# Below the range from which systems give ports to outgoing connections: what is free now stays so.
FIRST, LAST = 20_000, 32_000
_given: set[int] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens, another one each time.

    Raises:
        OSError: None was found in a hundred tries.
    """
    for _ in range(100):
        port = random.randint(FIRST, LAST)  # noqa: S311  nothing secret hangs on it
        if port in _given:  # whoever was told it may not listen yet
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise OSError(f"no free port between {FIRST} and {LAST}")
