"""Play seeds: `python -m tests.simulation FIRST COUNT`; one alone tells its story."""

import sys
import time
from collections import Counter

from tests.simulation.story import Broken, play


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began, broken = time.perf_counter(), 0
    calls, deaths, outcomes = 0, 0, Counter[str]()
    for seed in range(first, first + count):
        try:
            ended = play(seed)
        except Broken as promise:
            broken += 1
            print(f"seed {seed}: {promise}", flush=True)  # noqa: T201
            continue
        calls, deaths = calls + ended.calls, deaths + ended.deaths
        outcomes += ended.outcomes
        if count == 1:
            print(ended)  # noqa: T201
    per_minute = count / (time.perf_counter() - began) * 60
    print(  # noqa: T201
        f"{count} seeds, {broken} broken, {calls} calls, {deaths} deaths, {dict(outcomes)}, "
        f"{per_minute:.0f} seeds a minute"
    )
    return min(1, broken)


if __name__ == "__main__":
    sys.exit(main())
