"""Every log that a test has made is replayed: its decisions must be those of the code."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from campaignctl.history import Range, read
from campaignctl.replaying import TOPICS, Gap, Replay, differences, plain
from campaignctl.stack import Stack, StackOptions, running_stack

NOT_OURS = frozenset({Gap.UNREADABLE, Gap.UNKNOWN_TYPE})
"""What a test may have put there on purpose."""


def replayed(which: Range) -> Replay:
    """Return the replay of a log."""
    replaying = Replay()
    for record in read(which):
        replaying.take(record)
    replaying.finish()
    return replaying


def assert_replays(stack: Stack) -> Replay:
    """Replay all that an engine has told: nothing differs, and nothing is unknown."""
    replaying = replayed(Range(bootstrap=stack.kafka_bootstrap, topics=TOPICS))
    assert_same(replaying)
    return replaying


def assert_same(replaying: Replay) -> None:
    """Demand that nothing differs, and nothing is unknown."""
    first = replaying.first
    told = json.dumps(first.as_json(), indent=1) if first else ""
    where = differences(plain(first.logged), plain(first.decided)) if first else []
    assert first is None, f"{len(replaying.differing)} decisions differ, first in {where}: {told}"
    unknown = {gap: found for gap, found in replaying.gaps.items() if gap not in NOT_OURS}
    assert not unknown


@contextmanager
def replayed_stack(
    options: StackOptions, *, announce: Callable[[str], None] = lambda _: None
) -> Iterator[Stack]:
    """Run an engine; all that it has told by the end must replay."""
    with running_stack(options, announce=announce) as stack:
        yield stack
        assert_replays(stack)
