"""The gateway that is Asterisk, or what speaks its REST interface (ARI).

The channel id is ours, but for ARI it is a key only while the channel lives: the same id dials
again afterwards. That an attempt is dialed once is therefore the caller's to keep; what became of
one that was interrupted is found by `lookup`, in the channels and then in the call records.
"""

import asyncio
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from dialer.adapters.ari_events import Interpreter
from dialer.adapters.ari_socket import Answer, AriSocket, Unanswered
from dialer.adapters.call_records import find_ended
from dialer.adapters.retry_after import pause_of
from dialer.domain.signals import CallSignal, ChannelEnded
from dialer.ports import (
    ChannelGone,
    CommandRefused,
    Fate,
    GatewayPaused,
    GatewayUnavailable,
    Origination,
    OriginationRefused,
    OriginationUnknown,
    Sighting,
)

log = structlog.get_logger()

TRUNK = "trunk"
ORIGINATIONS_IN_FLIGHT = 200
"""Fewer than the requests in flight, so that commands for calls that are up never queue behind."""
SETTLED_AFTER_S = 1.0
"""How long a request sent over a connection since lost may still take effect."""
RECORD_WITHIN_S = 0.1
"""How long after the end of a channel its call record may still be missing."""
STATES = {"Ringing": "ringing", "Up": "up"}
NOT_IN_STASIS = {409, 422}
ASK_LATER = {429, 503}
NO_ANSWER_OF_ITS_OWN = {502, 504}
"""Of what stands before the gateway: what it was told, if anything, nobody knows."""


class AriGateway:
    """The dialer's `Gateway`. Signals and connection changes are told in the order of arrival."""

    def __init__(
        self,
        *,
        url: str,
        username: str,
        password: str,
        application: str,
        call_records: Path | None,
        on_signal: Callable[[CallSignal], None],
        on_connection: Callable[[bool], None],
    ) -> None:
        self._application = application
        self._call_records = call_records
        self._on_signal = on_signal
        self._interpreter = Interpreter()
        self._originating = asyncio.Semaphore(ORIGINATIONS_IN_FLIGHT)
        self._bridged: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._as_worker = partial(
            AriSocket, url=url, username=username, password=password, on_event=self._hear
        )
        self._socket = self._as_worker(application=application, on_connection=on_connection)
        self._stand_ins: dict[str, asyncio.Task[None]] = {}

    @property
    def is_connected(self) -> bool:
        """Whether the gateway can be commanded and its signals are heard."""
        return self._socket.is_connected

    @property
    def run_id(self) -> str:
        """When the gateway was started, in its own words, as told on the last connection."""
        return self._socket.gateway_run

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, until closed."""
        await self._socket.run()

    @property
    def stood_in_for(self) -> frozenset[str]:
        """The workers whose calls are heard in their place."""
        return frozenset(self._stand_ins)

    def stand_in(self, worker: str) -> None:
        """Hear the calls of a worker that is no more, as it would: Asterisk tells an application.

        If it lives after all it takes its name back, and we hear its adopted calls by subscription.
        """
        if worker not in self._stand_ins and worker != self._application:
            socket = self._as_worker(
                application=worker, on_connection=lambda _is_up: None, is_stand_in=True
            )
            self._stand_ins[worker] = asyncio.create_task(socket.run())

    def stand_down(self, worker: str) -> None:
        """Hear them no more."""
        task = self._stand_ins.pop(worker, None)
        if task is not None:
            task.cancel()

    async def aclose(self) -> None:
        """Give the connection up; channels that are up stay up."""
        for worker in list(self._stand_ins):
            self.stand_down(worker)
        await self._socket.aclose()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def originate(self, origination: Origination) -> None:
        """Have a channel call an address."""
        body = {
            "endpoint": endpoint_of(origination),
            "app": self._application,
            "channelId": origination.channel_id,
            "timeout": _whole_seconds(origination.ring_timeout),
            "variables": {
                # Ends the call of a dialer that never comes back.
                "TIMEOUT(absolute)": str(_whole_seconds(origination.absolute_timeout))
            },
        }
        if origination.caller_id:
            body["callerId"] = origination.caller_id
        try:
            async with self._originating:
                answer = await self._socket.request(
                    "POST", "channels", body, not_after=origination.not_after
                )
        except Unanswered as error:
            raise OriginationUnknown from error
        if answer.status == 409:
            answer = await self._resolve_conflict(origination.channel_id, answer)
        if answer.status in ASK_LATER:
            pause = pause_of(answer.retry_after, datetime.now(UTC))
            raise GatewayPaused(answer.status, answer.why, pause)
        if answer.status in NO_ANSWER_OF_ITS_OWN:
            await self._resolve_silence(origination.channel_id)
        if answer.status >= 300:
            raise OriginationRefused(answer.status, answer.why)

    async def play(self, channel_id: str, media: str, playback_id: str) -> None:
        """Play media on a channel, after what plays there already."""
        answer = await self._command(
            "POST", f"channels/{channel_id}/play", media=media, playbackId=playback_id
        )
        _require(answer, gone={404, *NOT_IN_STASIS})

    async def stop_playback(self, playback_id: str) -> None:
        """End a playback before its time; one that has ended needs no stopping."""
        answer = await self._command("DELETE", f"playbacks/{playback_id}")
        if answer.status != 404:
            _require(answer, gone=set())

    async def connect(self, bridge_id: str, channel_ids: tuple[str, ...]) -> None:
        """Let channels hear each other; the bridge goes with the last of them."""
        created = await self._command("POST", "bridges", bridgeId=bridge_id, type="mixing")
        if created.status != 409:
            _require(created, gone=set())
        self._bridged |= dict.fromkeys(channel_ids, bridge_id)
        answer = await self._command(
            "POST", f"bridges/{bridge_id}/addChannel", channel=",".join(channel_ids)
        )
        if answer.status >= 300:
            for channel_id in channel_ids:
                self._leave_bridge(channel_id)
        _require(answer, gone={400, 404, *NOT_IN_STASIS})

    async def hang_up(self, channel_id: str, cause: int = 16) -> None:
        """End a channel; one that is gone needs no ending."""
        answer = await self._command("DELETE", f"channels/{channel_id}", reason_code=str(cause))
        if answer.status != 404:
            _require(answer, gone=set())

    async def lookup(self, channel_id: str) -> Sighting:
        """Find out what the gateway knows of a channel; the signals of a live one come to us."""
        answer = await self._command("GET", f"channels/{channel_id}")
        if answer.status == 404:
            return await self._look_back(channel_id)
        _require(answer, gone=set())
        # It may be the channel of another application, whose dialer is no more.
        await self._command(
            "POST",
            f"applications/{self._application}/subscription",
            eventSource=f"channel:{channel_id}",
        )
        state = str(json.loads(answer.text).get("state", ""))
        return Sighting(Fate.LIVE, state=STATES.get(state, "dialing"))

    # ---- what became of a channel

    async def _look_back(self, channel_id: str) -> Sighting:
        """Tell a channel that has ended from one that never was: doubt is no absence."""
        found = await self._find_ended(channel_id)
        if found is not None:
            return found
        settled_at = self._socket.connected_at + SETTLED_AFTER_S
        pause_s = max(RECORD_WITHIN_S, settled_at - asyncio.get_running_loop().time())
        await asyncio.sleep(pause_s)
        answer = await self._command("GET", f"channels/{channel_id}")
        if answer.status != 404:
            return await self.lookup(channel_id)
        never = Sighting(Fate.NEVER_SEEN, gateway_run=self.run_id)
        return await self._find_ended(channel_id) or never

    async def _find_ended(self, channel_id: str) -> Sighting | None:
        if self._call_records is None:
            return Sighting(Fate.UNKNOWN)
        try:
            return await asyncio.to_thread(find_ended, self._call_records, channel_id)
        except OSError as error:
            log.warning("call records cannot be read", why=repr(error))
            return Sighting(Fate.UNKNOWN)

    async def _resolve_conflict(self, channel_id: str, conflict: Answer) -> Answer:
        """Tell an id that is taken from an endpoint that is unknown: ARI says 409 to both."""
        try:
            shown = await self._socket.request("GET", f"channels/{channel_id}")
        except (Unanswered, GatewayUnavailable) as error:
            raise OriginationUnknown from error
        if shown.status != 404:
            return shown  # it lives: it has been asked for before
        found = await self._find_ended(channel_id)
        if found is not None and found.fate is Fate.ENDED:
            raise OriginationUnknown  # it lived, and ended between the two requests
        return conflict

    async def _resolve_silence(self, channel_id: str) -> None:
        """Return if a call positively was never placed: whoever said no had passed it on."""
        run_id = self.run_id
        await asyncio.sleep(SETTLED_AFTER_S)
        try:
            sighting = await self.lookup(channel_id)
        except (GatewayUnavailable, CommandRefused) as error:
            raise OriginationUnknown from error
        if sighting != Sighting(Fate.NEVER_SEEN, gateway_run=run_id):
            raise OriginationUnknown

    # ---- requests and events

    async def _command(self, method: str, uri: str, **query: str) -> Answer:
        """Send a request that may be repeated: one not answered counts as not carried out."""
        try:
            return await self._socket.request(method, uri, query=query)
        except Unanswered as error:
            raise GatewayUnavailable from error

    def _hear(self, event: dict[str, Any]) -> None:
        signal = self._interpreter.interpret(event)
        if isinstance(signal, ChannelEnded):
            self._leave_bridge(signal.channel_id)
        if signal is not None:
            self._on_signal(signal)

    def _leave_bridge(self, channel_id: str) -> None:
        bridge_id = self._bridged.pop(channel_id, None)
        if bridge_id is not None and bridge_id not in self._bridged.values():
            task = asyncio.create_task(self._destroy_bridge(bridge_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _destroy_bridge(self, bridge_id: str) -> None:
        try:
            await self._command("DELETE", f"bridges/{bridge_id}")
        except GatewayUnavailable:
            log.info("empty bridge left behind", bridge_id=bridge_id)


def endpoint_of(origination: Origination) -> str:
    """Return the address in Asterisk's words: a number by the trunk, or a SIP URI through it."""
    if origination.kind == "tel":
        return f"PJSIP/{origination.address}@{TRUNK}"
    uri = origination.address.removeprefix("sip:")
    return f"PJSIP/{TRUNK}/sip:{uri}"


def _whole_seconds(duration: timedelta) -> int:
    """Round up: Asterisk reads a fraction as no limit at all."""
    return max(1, math.ceil(duration.total_seconds()))


def _require(answer: Answer, *, gone: set[int]) -> None:
    if answer.status in gone:
        raise ChannelGone
    if answer.status >= 300:
        raise CommandRefused(answer.status, answer.why)
