"""The dialing core in a world of its own, where all goes wrong that can: thousands of times."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.store import Store
from tests.simulation.story import Broken, play

ROOT = Path(__file__).parents[2]
SEEDS = 250
"""Of each of two processes."""


def test_no_promise_is_broken_whatever_goes_wrong(seed: int) -> None:
    """Each run of the tests plays other seeds; `--seed N` the same again."""
    firsts = [seed * 10_000 + part * SEEDS for part in range(2)]
    playing = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", str(first), str(SEEDS)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in firsts
    ]
    told = [process.communicate(timeout=600)[0] for process in playing]
    assert [process.returncode for process in playing] == [0, 0], "\n".join(told)


@pytest.mark.parametrize("chosen", [3, 22, 120])
def test_the_same_seed_tells_the_same_story(chosen: int) -> None:
    assert play(chosen) == play(chosen)


def broken_within(seeds: range) -> str:
    for chosen in seeds:
        try:
            play(chosen, is_hard=True)
        except Broken as promise:
            return str(promise)
    return ""


@pytest.mark.parametrize(
    ("line", "instead", "first"),
    [
        ("if has ~= version then return 'lost' end", "", 0),
        ("if not is_open then return 'closed' end", "", 10),
        ("if free <= 0 then", "if false then", 0),
        ("if by and by ~= id then return 'in_call', 0 end", "", 290),
        ("elseif version ~= expected then", "elseif false then", 0),
    ],
    ids=["permit without fence", "permit of a closed gate", "permit without rate",
         "number without hold", "commit without version"],
)  # fmt: skip
def test_a_script_that_forgets_what_it_must_look_at_is_found(
    line: str, instead: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`first` is close to a story that finds it: all of them are as good, and take longer."""
    run = Store.run

    def forgetful(self: Store, text: str, keys: Any, args: Any) -> Any:
        return run(self, text.replace(line, instead), keys, args)

    monkeypatch.setattr(Store, "run", forgetful)
    assert broken_within(range(first, first + 500))
