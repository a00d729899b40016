"""Rules of the house that no linter knows."""

import ast
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib.metadata import packages_distributions
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

import grimp
import pytest
from chassis.broker import build_broker
from chassis.lifecycle import Parts
from chassis.outbox import Outbox
from chassis.probes import Readiness
from chassis.store import connect
from contracts.topics import CATALOGUE, Topic, every_message
from faststream import AckPolicy

ROOT = Path(__file__).parents[2]
SERVICES = ("campaign_manager", "dialer", "flow_runner")
MEMBERS = {
    next(path.parent.glob("src/*/__init__.py")).parent.name: path.parent
    for path in sorted(ROOT.glob("*/*/pyproject.toml"))
    if path.parent.parent.name in {"libs", "services", "tools"}
}
LONGEST = 400
BANNED = frozenset({
    "manager", "handler", "helper", "util", "utils", "common", "misc", "base", "data", "info",
    "process", "impl", "lead", "contact", "phone", "job", "task", "disposition", "result", "reason",
})  # fmt: skip
ALLOWED = {
    "campaign_manager": "the user's name for the program",
    "contracts.base": "what every message is; named so in the style",
    "chassis.lifecycle.Service": "one program: the word itself, no suffix",
}
# What these document to be imported by their users comes along with them.
FACES = {"pydantic_core": "pydantic", "starlette": "fastapi"}

each_service = pytest.mark.parametrize("service", SERVICES)
each_member = pytest.mark.parametrize("member", MEMBERS)
each_topic = pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)


def modules_of(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith(".__main__"):
            yield importlib.import_module(found.name)


def files_of(member: str) -> Iterator[tuple[str, Path]]:
    """The modules of a member as (dotted name, file)."""
    source = MEMBERS[member] / "src"
    for path in sorted(source.rglob("*.py")):
        yield ".".join(path.relative_to(source).with_suffix("").parts), path


# ---- tables


def tables() -> list[tuple[str, dict[Enum, dict[Enum, Any]], type[Enum], type[Enum]]]:
    """Every constant annotated as a table from an enumeration by an enumeration."""
    found = []
    for package in MEMBERS:
        for module in modules_of(package):
            for name, hint in get_type_hints(module).items():
                inner = get_args(hint)[1] if len(get_args(hint)) == 2 else None
                if get_origin(hint) is dict and get_origin(inner) is dict:
                    status, trigger = get_args(hint)[0], get_args(inner)[0]
                    if isinstance(status, type) and issubclass(status, Enum):
                        table = getattr(module, name)
                        found.append((f"{module.__name__}.{name}", table, status, trigger))
    return found


@pytest.mark.parametrize(
    ("table", "status", "trigger"),
    [pytest.param(*rest, id=name) for name, *rest in tables()],
)
def test_every_status_answers_every_trigger(
    table: dict[Enum, dict[Enum, Any]], status: type[Enum], trigger: type[Enum]
) -> None:
    cells = {(row, column) for row, columns in table.items() for column in columns}
    assert cells == set(product(status, trigger))


def test_the_tables_are_found() -> None:
    names = {name.partition(".domain.")[0] for name, *_ in tables()}
    assert {"dialer", "campaign_manager"} <= names


def test_a_table_of_transitions_says_so_in_its_annotation() -> None:
    """Otherwise the rule above would not see it."""
    known = [table for _, table, *_ in tables()]
    for package in MEMBERS:
        for module in modules_of(package):
            for name, value in vars(module).items():
                if name.endswith("TRANSITIONS"):
                    assert any(value is table for table in known), f"{module.__name__}.{name}"


# ---- subscribers


@cache
def subscribers_of(service: str) -> tuple[Any, ...]:
    """What a service reads, as it is wired; nothing is connected."""
    settings = importlib.import_module(f"{service}.settings").Settings()
    built = importlib.import_module(f"{service}.app").build(settings)
    broker = build_broker(settings, service)
    built.wire(Parts("test", broker, Outbox(connect(settings.redis_url)), Readiness()))
    return tuple(broker.subscribers)


def names_of(subscriber: Any) -> set[str]:
    topics = {topic if isinstance(topic, str) else topic.name for topic in subscriber.topics}
    return topics | {partition.topic for partition in subscriber.partitions}


@each_service
def test_every_subscriber_commits_after_its_work(service: str) -> None:
    for subscriber in subscribers_of(service):
        assert subscriber.ack_policy is AckPolicy.MANUAL


@each_service
def test_every_subscriber_goes_through_the_batches(service: str) -> None:
    for subscriber in subscribers_of(service):
        for call in subscriber.calls:
            assert call.handler._original_call.__module__ == "chassis.batches"


@each_service
def test_consumers_are_those_of_the_catalogue(service: str) -> None:
    """Groups by their name; who reads without a group stands in brackets."""
    program = service.replace("_", "-")
    groups, readers = set(), set()
    for subscriber in subscribers_of(service):
        for topic in names_of(subscriber):
            if subscriber.group_id:
                groups.add((topic, subscriber.group_id))
            else:
                readers.add(topic)
    declared = {
        (topic.name, consumer)
        for topic in CATALOGUE
        for consumer in topic.consumers
        if consumer.partition(".")[0] == program
    }
    assert groups == {(topic, name) for topic, name in declared if not name.endswith("]")}
    assert readers == {topic for topic, name in declared if name.endswith("]")}


# ---- messages


def test_every_message_is_in_one_topic_and_has_an_example() -> None:
    types = [message.model_fields["type"].default for _, message in every_message()]
    assert len(types) == len(set(types))
    for topic, message in every_message():
        name = f"{message.model_fields['type'].default}.json"
        assert (ROOT / "libs/contracts/examples" / topic.name / name).is_file()


@each_topic
def test_every_topic_says_who_answers_for_it(topic: Topic) -> None:
    programs = {"campaign-manager", "dialer", "flow-runner"}
    assert topic.owner in programs
    assert topic.producers
    assert set(topic.producers) <= programs | {"anyone"}
    assert {consumer.partition(".")[0] for consumer in topic.consumers} <= programs
    assert topic.dead_letter == f"{topic.name}.dead-letter"
    assert topic.about.endswith(".")
    assert topic.key


def test_events_are_past_and_commands_imperative() -> None:
    for topic, message in every_message():
        assert topic.name.rpartition(".")[2] in {"events", "commands"}
        noun, _, verb = message.model_fields["type"].default.partition(".")
        assert noun
        assert verb
        if topic.name.endswith(".commands"):
            assert not verb.endswith("ed"), message


# ---- modules


@each_member
def test_no_module_is_long(member: str) -> None:
    for name, path in files_of(member):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST, name


def words(name: str) -> set[str]:
    """The words of a name in snake_case or CamelCase, in small letters."""
    spaced = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)
    return set(spaced.lower().split("_"))


def named(member: str) -> Iterator[tuple[str, str]]:
    """Every module, class and function of a member as (where, name)."""
    for module, path in files_of(member):
        yield module, module.rpartition(".")[2]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", node.name


@each_member
def test_no_banned_word_in_a_name(member: str) -> None:
    for where, name in named(member):
        if where not in ALLOWED and where.removesuffix(".__init__") not in ALLOWED:
            assert not words(name) & BANNED, where
            assert not name.endswith("Service"), where


def test_every_exception_from_the_banned_words_is_needed() -> None:
    names = {where.removesuffix(".__init__") for member in MEMBERS for where, _ in named(member)}
    assert ALLOWED.keys() <= names


WATCH = """
import importlib, json, pkgutil, sys, threading
seen = []
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.mkdir", "os.remove")):
        seen.append(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"open {args[0]}")
sys.dont_write_bytecode = True
for name in json.loads(sys.argv[2]):
    try:
        importlib.import_module(name)  # what others do when they are imported is not ours
    except ImportError:
        pass
before = threading.active_count()
sys.addaudithook(hook)
root = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(root.__path__, sys.argv[1] + "."):
    importlib.import_module(found.name) if not found.name.endswith("__main__") else None
print(json.dumps([seen, threading.active_count() - before]))
"""


@each_member
def test_importing_does_nothing(member: str) -> None:
    """No socket, no program, no thread, no file written."""
    external = json.dumps(sorted(externals(member)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCH, member, external],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[], 0]


# ---- members


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*MEMBERS, include_external_packages=True, cache_dir=None)


def externals(member: str) -> set[str]:
    """The packages that a member imports, other than members and the standard library."""
    imported = {
        name.partition(".")[0]
        for module in graph().modules
        if module.partition(".")[0] == member
        for name in graph().find_modules_directly_imported_by(module)
    }
    return imported - MEMBERS.keys() - sys.stdlib_module_names


def declared(member: str) -> set[str]:
    """The distributions that a member asks for."""
    project = tomllib.loads((MEMBERS[member] / "pyproject.toml").read_text("utf-8"))["project"]
    return {plain(requirement) for requirement in project["dependencies"]}


def plain(requirement: str) -> str:
    name = "".join(letter if letter.isalnum() or letter in "-_." else " " for letter in requirement)
    return name.split()[0].lower().replace("_", "-")


def with_members(member: str) -> set[str]:
    """What is installed when a member is installed alone: its own wishes and its members'."""
    wanted = declared(member)
    for other, folder in MEMBERS.items():
        if f"campaign-engine-{folder.name}" in wanted:
            wanted |= with_members(other)
    return wanted


@each_member
def test_a_member_declares_what_it_imports(member: str) -> None:
    """Members share one environment here: what one forgets, another one's wish would hide."""
    dists = packages_distributions()
    available = with_members(member)
    for name in externals(member):
        by = {plain(dist) for dist in dists[name]} | {FACES.get(name, name)}
        assert by & available, name
    for other in MEMBERS.keys() - {member}:
        if graph().find_shortest_chain(member, other, as_packages=True):
            assert f"campaign-engine-{MEMBERS[other].name}" in available, other


def test_the_contracts_need_pydantic_alone() -> None:
    assert externals("contracts") == {"pydantic"}


@pytest.mark.parametrize(
    "page",
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:bench|deploy|docs|libs|services|tests|tools)/[\w./-]+)`", text)
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [name for name in linked if not (page.parent / name).exists()]
    assert not missing
