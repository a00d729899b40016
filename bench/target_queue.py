"""The queue of targets: what a claim costs, how fast a list is imported, what it weighs.

    make bench-target-queue

See `bench.claims` and `bench.importing` for what is measured, and how.
"""

import argparse

from campaignctl.infrastructure import find_redis, standing_ground
from campaignctl.stack import StackOptions, running_stack
from dialer.domain.pacing import LARGEST_CLAIM

from bench import claims, importing
from bench.page import write_section

PROGRAMS = ("CAMPAIGN_MANAGER", "DIALER", "FLOW_RUNNER")


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    parser.add_argument("--claims", type=int, default=50_000, help="Targets claimed per length.")
    parser.add_argument("--targets", type=int, default=1_000_000, help="Imported through the API.")
    parser.add_argument("--trial", type=int, default=50_000, help="Imported to find the best way.")
    parser.add_argument("--no-file", action="store_true", help="Print the section only.")
    asked = parser.parse_args()
    with standing_ground() as ground:
        redis = find_redis(ground)
        if redis.child is None:
            raise SystemExit("claims are measured on a Redis that this program starts itself")
        pid = ground.supervisor.pid(redis.child)
        rows = claims.run(redis.address, pid, asked.waiting, asked.claims)
    settings = {f"{name}_LOG_LEVEL": "warning" for name in PROGRAMS}
    with running_stack(StackOptions(settings=settings)) as stack:
        trials, long = importing.run(stack, asked.targets, asked.trial)
        words = f"Kafka {stack.kafka.title}, {stack.redis.title}"
    text = f"""`make bench-target-queue`. {words}; 2 cores shared by everything.

### Claims

One client claims {LARGEST_CLAIM} targets at a time, as a dialer does, {asked.claims:,} for each
length of the list; CPU is in microseconds per claimed target. Raw: ZPOPMIN, GET and SET of the same
records in one script, with no logic and no fence, and a client that does not look into the answer.

{claims.table(rows)}

### Import

{importing.tables(trials, long)}"""
    print(text)
    if not asked.no_file:
        write_section("target queue", text)


if __name__ == "__main__":
    main()
