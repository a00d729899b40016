"""What a flow asks of its call, carried out at the gateway."""

from datetime import timedelta

import structlog
from chassis.errors import Transient
from chassis.outbox import Outbox, StaleWrite
from contracts.call import CallBridge, CallHangUp, CallPlay, CallStopPlayback
from contracts.envelope import Envelope
from target_queue import Pauses

from dialer.domain.calls import CallStatus, Leg
from dialer.domain.signals import PlaybackFinished
from dialer.ports import (
    ChannelGone,
    CommandRefused,
    Gateway,
    GatewayPaused,
    GatewayUnavailable,
    Origination,
    OriginationRefused,
    OriginationUnknown,
)
from dialer.usecases.attempts import LONGEST_CALL, Attempts, Live
from dialer.usecases.commits import progress
from dialer.usecases.pausing import leave_alone

log = structlog.get_logger()

Command = CallPlay | CallStopPlayback | CallBridge | CallHangUp


class Commands:
    """Carries out commands once each, as far as this worker remembers."""

    def __init__(
        self, *, outbox: Outbox, attempts: Attempts, gateway: Gateway, pauses: Pauses
    ) -> None:
        self._outbox = outbox
        self._attempts = attempts
        self._gateway = gateway
        self._pauses = pauses

    async def carry_out(self, envelope: Envelope[Command]) -> None:
        """Do what the command says; a call that is gone needs nothing any more.

        Raises:
            Transient: There is no connection to the gateway: do it again later.
        """
        live = self._attempts.live.get(envelope.body.attempt_id)
        if live is not None:
            if envelope.sequence <= live.last_command:
                return
            live.last_command = envelope.sequence
        try:
            await self._do(envelope.body)
        except CommandRefused as refusal:
            log.warning("command refused", type=envelope.type, why=str(refusal))
            await self._tell_failure(envelope.body)
        except ChannelGone:
            log.debug("command for a call that is gone", attempt_id=envelope.body.attempt_id)
        except GatewayUnavailable as away:
            if live is not None:
                live.last_command = envelope.sequence - 1
            raise Transient("the gateway is away") from away

    async def _tell_failure(self, command: Command) -> None:
        """A prompt that cannot be played has ended: the flow must not wait for it."""
        if isinstance(command, CallPlay):
            await self._attempts.hear_for(
                PlaybackFinished(
                    command.attempt_id, self._attempts.now(), command.playback_id, is_failed=True
                )
            )

    async def _do(self, command: Command) -> None:
        match command:
            case CallPlay(attempt_id=channel_id, playback_id=playback_id, media_url=url):
                await self._gateway.play(channel_id, f"sound:{url}", playback_id)
            case CallStopPlayback(playback_id=playback_id):
                await self._gateway.stop_playback(playback_id)
            case CallHangUp(attempt_id=channel_id, hangup_cause=cause):
                await self._gateway.hang_up(channel_id, cause)
            case CallBridge():
                await self._bridge(command)

    async def _bridge(self, command: CallBridge) -> None:
        """Call the agent; what happens to the leg is folded like any signal of the attempt."""
        live = self._attempts.live.get(command.attempt_id) or self._attempts.guests.get(
            command.attempt_id
        )
        if live is None:
            live = await self._attempts.load(command.attempt_id)
            if live is None:
                return
            self._attempts.guests[command.attempt_id] = live
        if not await self._note_leg(live, command):
            return
        attempt = live.held.attempt
        origination = Origination(
            channel_id=command.leg_id,
            address=command.address.target,
            kind=command.address.type or "tel",
            caller_id=attempt.source.target if attempt.source else None,
            ring_timeout=timedelta(milliseconds=command.ring_timeout_ms),
            absolute_timeout=LONGEST_CALL,
        )
        try:
            await self._gateway.originate(origination)
        except (OriginationRefused, OriginationUnknown) as failure:
            log.info("agent not called", attempt_id=command.attempt_id, why=str(failure))
            if isinstance(failure, GatewayPaused):
                await leave_alone(self._pauses, failure)
            self._attempts.hear_end(command.leg_id, 38)

    async def _note_leg(self, live: Live, command: CallBridge) -> bool:
        """Remember the leg before it is dialed, so that its signals find their attempt."""
        while True:
            call = live.held.call
            if call.status is CallStatus.ENDED:
                return False
            if call.leg and call.leg.leg_id == command.leg_id:
                return False  # the command came twice
            noted = call.model_copy(
                update={"leg": Leg(leg_id=command.leg_id, agent_id=command.agent_id)}
            )
            at = live.held.attempt.created_at
            try:
                await self._outbox.commit(progress(live.held, noted, (), at, command.leg_id[-12:]))
            except StaleWrite:
                if not await self._attempts.reload(live):
                    return False
                continue
            live.held.call, live.held.version = noted, live.held.version + 1
            self._attempts.legs[command.leg_id] = command.attempt_id
            return True
