"""What people see: lines and tables, with colour and movement on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


def a_console(*, to_stderr: bool = False) -> Console:
    """Return a console that leaves what it prints as it is: no guessed colours, no wrapping."""
    return Console(highlight=False, soft_wrap=True, stderr=to_stderr)


@contextmanager
def announcing(console: Console, title: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that prints a line; on a terminal, the title moves below the lines."""

    def announce(line: str) -> None:
        console.print(escape(line))

    if console.is_terminal:
        with console.status(title):
            yield announce
    else:
        yield announce
