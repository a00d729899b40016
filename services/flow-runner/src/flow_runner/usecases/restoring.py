"""What the flow-runner keeps in Redis, as Kafka tells it: the runs that are not over, and queues.

A run is restored at the action that it was at, and its first timer lets it begin that action again:
what the party was just hearing is heard anew, and what was told before is not told differently.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.restoring import Command, record, version_of
from chassis.shards import shard_of
from contracts.actions import QueueJoin, UnknownAction, ValidationError, parse_option
from contracts.call import (
    CallAnswered,
    CallBridge,
    CallBridged,
    CallDigitPressed,
    CallHungUp,
    CallUnbridged,
)
from contracts.envelope import Envelope
from contracts.flow import ActionFinished, ActionStarted, FlowFinished, FlowStart, VariablesSet
from contracts.queue import QueueLoadChanged
from contracts.topics import CALL_COMMANDS, CALL_EVENTS, FLOW_COMMANDS, FLOW_EVENTS, QUEUE_EVENTS

from flow_runner.domain.pieces import HANG_UP, RESUME, noted
from flow_runner.domain.queueing import Assignment, Line, Lines
from flow_runner.domain.runs import ForAgent, Run, run_of
from flow_runner.usecases.flows import MESSAGES_PER_COMMIT, NAMESPACE, due_key, run_key
from flow_runner.usecases.lines import CUSTOMERS, lines_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class _Told:
    """What Kafka tells of a run that is not over; of two topics, either may tell first."""

    run: Run | None = None
    position: int = 0
    executed_count: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    heard: int = -1
    sequence: int = -1
    started: int = -1
    finished: int = -1
    typed: list[tuple[datetime, str]] = field(default_factory=list)
    named_at: datetime = EPOCH
    answered_at: datetime = EPOCH
    bridge: CallBridge | None = None
    is_talking: bool = False
    is_hung_up: bool = False


class FlowsFold:
    """Restores flow runs and queues."""

    topics = (CALL_EVENTS, FLOW_COMMANDS, FLOW_EVENTS, CALL_COMMANDS, QUEUE_EVENTS)
    types = frozenset({
        "call.answered", "call.digit_pressed", "call.bridged", "call.unbridged", "call.hung_up",
        *FLOW_COMMANDS.types, *FLOW_EVENTS.types, *CALL_COMMANDS.types, *QUEUE_EVENTS.types,
    })  # fmt: skip

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime.now(UTC)
        self._told: defaultdict[str, _Told] = defaultdict(_Told)
        self._over: set[str] = set()
        self._loads: dict[str, tuple[int, QueueLoadChanged]] = {}
        self._tries = 0

    def take(self, envelope: Envelope[Any]) -> None:
        """Take a message; a repeated or older one changes nothing."""
        body = envelope.body
        if isinstance(body, QueueLoadChanged):
            if envelope.sequence > self._loads.get(body.queue_id, (-1,))[0]:
                self._loads[body.queue_id] = envelope.sequence, body
            return
        if isinstance(body, CallBridge):
            self._tries = max(self._tries, _tries_of(body.leg_id))
        if body.attempt_id in self._over:
            return
        told = self._told[body.attempt_id]
        if envelope.source == "flow-runner":
            self._say(told, envelope)
        elif envelope.sequence > told.heard:
            told.heard = envelope.sequence
            _hear(told, envelope)

    def _say(self, told: _Told, envelope: Envelope[Any]) -> None:
        """Take what the run itself has told."""
        sequence = envelope.sequence
        told.sequence = max(told.sequence, sequence)
        match envelope.body:
            case FlowFinished(attempt_id=attempt_id):
                self._over.add(attempt_id)
                del self._told[attempt_id]
            case ActionStarted(position=position) if sequence > told.started:
                told.started = sequence
                told.position, told.executed_count = position, told.executed_count + 1
            case ActionFinished() if sequence > told.finished:
                told.finished = sequence
            case VariablesSet(variables=variables):
                told.variables |= variables
                told.named_at = envelope.time
            case CallBridge() as bridge:
                told.bridge = bridge
            case _:
                pass

    # ---- what is restored

    def run(self, attempt_id: str) -> Run | None:
        """Return the run of an attempt as it is to go on, if it can."""
        told = self._told.get(attempt_id)
        return restored(told) if told else None

    def commands(self) -> Iterator[Command]:
        """Return the commands that restore runs, timers and queues."""
        for attempt_id, told in self._told.items():
            run = restored(told)
            if run is None:
                continue
            shard = shard_of(NAMESPACE, attempt_id)
            version = version_of(max(told.sequence, 0), MESSAGES_PER_COMMIT)
            timer = HANG_UP if told.is_hung_up else RESUME
            due = (self._now - EPOCH) // MICROSECOND
            yield record(run_key(attempt_id), version, run.model_dump_json().encode())
            yield ("ZADD", due_key(shard), due, f"{attempt_id}|{timer}")
        yield from self._queues()

    def _queues(self) -> Iterator[Command]:
        by_customer: defaultdict[str, list[tuple[int, QueueLoadChanged]]] = defaultdict(list)
        for sequence, load in self._loads.values():
            by_customer[load.customer_id].append((sequence, load))
        for customer_id, loads in by_customer.items():
            version = version_of(max(sequence for sequence, _ in loads), MESSAGES_PER_COMMIT)
            lines = self._lines(customer_id, [load for _, load in loads])
            yield record(lines_key(customer_id), version, lines.model_dump_json().encode())
            yield ("SADD", CUSTOMERS, customer_id)

    def _lines(self, customer_id: str, loads: list[QueueLoadChanged]) -> Lines:
        """Return a customer's queues; whoever was engaged without a call to the agent waits."""
        lines: dict[str, Line] = {}
        assignments: dict[str, Assignment] = {}
        arrivals: list[tuple[datetime, str]] = []
        for load in loads:
            for agent_id, attempt_id in load.engaged.items():
                bridge = self._told[attempt_id].bridge if attempt_id in self._told else None
                if bridge is not None and bridge.agent_id == agent_id:
                    assignments[attempt_id] = Assignment(
                        attempt_id=attempt_id,
                        queue_id=load.queue_id,
                        agent_id=agent_id,
                        leg_id=bridge.leg_id,
                        address=bridge.address,
                    )
            unassigned = [id_ for id_ in load.engaged.values() if id_ not in assignments]
            line = Line(
                waiting=(*unassigned, *load.waiting),
                engaged={a: id_ for a, id_ in load.engaged.items() if id_ in assignments},
            )
            lines[load.queue_id] = line
            arrivals += self._arrivals((*line.engaged.values(), *line.waiting))
        tickets = {id_: place for place, (_, id_) in enumerate(sorted(arrivals), 1)}
        return Lines(
            customer_id=customer_id,
            lines=lines,
            tickets=tickets,
            assignments=assignments,
            last_ticket=len(tickets),
            tries=self._tries,
        )

    def _arrivals(self, parties: tuple[str, ...]) -> Iterator[tuple[datetime, str]]:
        """Yield who came when; nobody came before whoever stands before him."""
        latest = EPOCH
        for attempt_id in parties:
            told = self._told.get(attempt_id)
            latest = max(latest, told.answered_at if told else EPOCH)
            yield latest, attempt_id


def restored_run(messages: Iterable[Envelope[Any]]) -> Run | None:
    """Return what a rebuild has made of a run, from what had been told of its attempt by then."""
    fold, attempt_id = FlowsFold(), ""
    for message in messages:
        if message.type in fold.types:
            fold.take(message)
            attempt_id = message.body.attempt_id
    return fold.run(attempt_id)


def _hear(told: _Told, envelope: Envelope[Any]) -> None:
    """Take what the run has heard of its call."""
    match envelope.body:
        case CallAnswered() | FlowStart() as start:
            told.answered_at = envelope.time
            told.run = run_of(start, envelope.customer_id)
        case CallDigitPressed(digit=digit):
            told.typed.append((envelope.time, digit))
        case CallBridged():
            told.is_talking = True
        case CallUnbridged():
            told.is_talking = False
        case CallHungUp():
            told.is_hung_up = True
        case _:
            pass


def restored(told: _Told) -> Run | None:
    """Return a run as it is to go on; None if it has not begun, or nobody knows how it began."""
    if told.run is None:
        return None
    run = told.run.with_variables(told.variables).model_copy(
        update={"position": told.position, "executed_count": told.executed_count}
    )
    for at, digit in told.typed:
        run = noted(run, digit) if at > told.named_at else run
    if told.finished > told.started and run.position < len(run.actions):
        run = run.model_copy(update={"position": run.next_position})
    return run.model_copy(update={"seen": told.heard, "waiting": _waiting(told, run)})


def _waiting(told: _Told, run: Run) -> ForAgent | None:
    """Return how a run stands in a queue, if it does: its place must not be given away."""
    if told.started < 0 or run.position >= len(run.actions):
        return None
    try:
        option = parse_option(run.current)
    except (UnknownAction, ValidationError):
        return None
    if not isinstance(option, QueueJoin):
        return None
    bridge = told.bridge if told.is_talking else None
    return ForAgent(
        queue_id=option.queue_id,
        is_found=True,
        agent_id=bridge.agent_id if bridge else "",
        leg_id=bridge.leg_id if bridge else "",
        is_talking=bridge is not None,
    )


def _tries_of(leg_id: str) -> int:
    number = leg_id.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
