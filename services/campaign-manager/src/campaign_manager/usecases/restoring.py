"""What the campaign-manager keeps in Redis, as Kafka tells it: definitions and campaigncalls."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from chassis.restoring import Command, record, version_of
from contracts.base import Message
from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.resources import AccessKey, Agent, CampaignCallDeleted, CampaignCallForgotten
from contracts.topics import CALL_EVENTS, CAMPAIGN_EVENTS, RESOURCE_EVENTS

from campaign_manager.domain.campaigncalls import CampaignCall, attempt_of, fold, forgotten
from campaign_manager.usecases.agents import login_key
from campaign_manager.usecases.campaigncalls import call_key
from campaign_manager.usecases.campaigncalls import index_key as calls_key
from campaign_manager.usecases.credentials import token_key
from campaign_manager.usecases.kinds import (
    KINDS,
    MESSAGES_PER_COMMIT,
    Kind,
    id_of,
    index_key,
    key_of,
    micros,
    users_key,
)
from campaign_manager.usecases.references import USED

OF_CALLS = frozenset({"campaigncall.deleted", "campaigncall.forgotten"})
FIRST = version_of(0, MESSAGES_PER_COMMIT)


class DefinitionsFold:
    """Restores resources and campaigns, and all that finds them."""

    topics = (RESOURCE_EVENTS, CAMPAIGN_EVENTS)
    types = frozenset((*RESOURCE_EVENTS.types, *CAMPAIGN_EVENTS.types)) - OF_CALLS

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[int, Kind[Any], Any]] = {}

    def take(self, envelope: Envelope[Any]) -> None:
        """Take a definition as it was told; an older one changes nothing."""
        kind, item = told(envelope.body)
        place = kind.name, id_of(item)
        if envelope.sequence > self._kept.get(place, (-1,))[0]:
            self._kept[place] = envelope.sequence, kind, item

    def commands(self) -> Iterator[Command]:
        """Return the commands that restore the definitions."""
        users: defaultdict[str, list[str]] = defaultdict(list)
        for sequence, kind, item in self._kept.values():
            version = version_of(sequence, MESSAGES_PER_COMMIT)
            id_ = id_of(item)
            yield record(key_of(kind, id_), version, item.model_dump_json().encode())
            if isinstance(item, AccessKey):
                yield record(token_key(item.token_hash), FIRST, id_.encode())
            if item.deleted_at is not None:
                continue
            yield ("ZADD", index_key(item.customer_id, kind), micros(item.created_at), id_)
            if isinstance(item, Agent):
                yield record(login_key(item.username), FIRST, id_.encode())
            elif isinstance(item, Campaign):
                for key in _named(item):
                    users[key].append(id_)
        for key, ids in users.items():
            yield record(key, FIRST, json.dumps(ids).encode())


def _named(campaign: Campaign) -> Iterator[str]:
    """Yield the records of what a campaign names, where its id belongs."""
    for field, kind in USED:
        if id_ := getattr(campaign, field):
            yield users_key(kind, id_)


def told(body: Message) -> tuple[Kind[Any], Any]:
    """Return what a message tells of, and its kind."""
    (field,) = (name for name in type(body).model_fields if name in KINDS)
    return KINDS[field], getattr(body, field)


class CampaignCallsFold:
    """Restores the attempts as the API shows them, as far back as Kafka keeps their story."""

    topics = (CALL_EVENTS, RESOURCE_EVENTS)
    types = frozenset({"call.dialing", "call.answered", "call.settled"}) | OF_CALLS

    def __init__(self) -> None:
        self._calls: dict[str, CampaignCall] = {}
        self._deleted: dict[str, CampaignCallDeleted] = {}
        self._forgotten: set[str] = set()

    def take(self, envelope: Envelope[Any]) -> None:
        """Take a fact; a repeated one changes nothing."""
        if isinstance(envelope.body, CampaignCallDeleted):
            self._deleted[envelope.body.attempt_id] = envelope.body
            return
        if isinstance(envelope.body, CampaignCallForgotten):
            self._forgotten.add(envelope.body.attempt_id)
            return
        attempt_id, _ = attempt_of(envelope.body)
        before = self._calls.get(attempt_id)
        self._calls[attempt_id] = fold(before, envelope.body, envelope.sequence, envelope.time)

    def commands(self) -> Iterator[Command]:
        """Return the commands that restore the campaigncalls."""
        for id_, folded in self._calls.items():
            deleted = self._deleted.get(id_)
            known = forgotten(folded) if id_ in self._forgotten else folded
            call = known.model_copy(update={"deleted_at": deleted.at if deleted else None})
            yield record(call_key(id_), FIRST, call.model_dump_json(exclude_none=True).encode())
            if call.attempt and not deleted:
                created = micros(call.attempt.created_at)
                for owner_id in (call.attempt.campaign_id, call.attempt.customer_id):
                    yield ("ZADD", calls_key(owner_id), created, id_)
