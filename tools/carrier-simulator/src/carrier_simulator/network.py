"""The telephone network: channels, bridges and playbacks, as far as ARI lets us command them.

Of a channel that has ended nothing is kept but its call record, so its id may be used again.
"""

import asyncio
import uuid
from collections import OrderedDict
from datetime import UTC, datetime

from carrier_simulator.applications import Applications
from carrier_simulator.behaviours import BUSY, Behaviour, Delivery, behaviour_of
from carrier_simulator.causes import CALL_RECORD_BY_DIAL_STATUS, Ending, hung_up_by_us
from carrier_simulator.channel import Channel, Order
from carrier_simulator.journal import CallRecords, Journal
from carrier_simulator.playbacks import Playback, Playlist
from carrier_simulator.sounds import Sounds

COUNTED_NUMBERS = 100_000
"""How many numbers that are busy or refused at first have their attempts counted."""


class Refused(Exception):
    """A request that ARI answers with an error status."""

    def __init__(self, status: int, message: str, *, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


class Bridge:
    """Channels that hear each other."""

    def __init__(self, bridge_id: str) -> None:
        self.id = bridge_id
        self.channel_ids: list[str] = []

    def snapshot(self) -> dict[str, object]:
        """Return the bridge as ARI shows it."""
        return {
            "id": self.id,
            "technology": "simple_bridge",
            "bridge_type": "mixing",
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": "",
            "channels": list(self.channel_ids),
            "video_mode": "none",
        }


class Network:
    """All that is up at the moment."""

    def __init__(
        self,
        *,
        applications: Applications,
        journal: Journal,
        call_records: CallRecords,
        sounds: Sounds,
        seed: int,
        speed: float,
    ) -> None:
        self.applications = applications
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Bridge] = {}
        self.playbacks: dict[str, tuple[Playback, Playlist]] = {}
        self.originated_count = 0
        self._playlists: dict[str, Playlist] = {}
        self._journal = journal
        self._call_records = call_records
        self._sounds = sounds
        self._seed = seed
        self._speed = speed
        self._attempts: OrderedDict[str, int] = OrderedDict()

    # ---- channels

    async def originate(self, order: Order) -> Channel:
        """Write the origination to the journal, then let it ring.

        Raises:
            Refused: 409 for the id of a channel that lives; 500 if the journal cannot be written;
                503 if it is to be asked again later, and it then rings.
        """
        if order.channel_id in self.channels:
            raise Refused(409, "Channel with given unique ID already exists")
        behaviour = self._behaviour(order.number)
        self.originated_count += 1
        channel = Channel(
            order,
            behaviour,
            serial=self.originated_count,
            applications=self.applications,
            speed=self._speed,
            on_end=self._ended,
        )
        self.channels[order.channel_id] = channel
        try:
            await self._journal.append(
                {
                    "at": datetime.now(UTC).isoformat(timespec="microseconds"),
                    "channel_id": order.channel_id,
                    "number": order.number,
                    "caller_id": order.caller_id,
                    "application": order.application,
                    "app_args": order.app_args,
                }
            )
        except OSError as error:
            del self.channels[order.channel_id]
            raise Refused(500, f"Journal: {error.strerror}") from error
        if channel.behaviour.delivery is Delivery.REORDERED:
            channel.dial()  # its first events overtake the response
        else:
            asyncio.get_running_loop().call_soon(channel.dial)
        return channel

    def channel(self, channel_id: str) -> Channel:
        """Return a channel that lives.

        Raises:
            Refused: 404, there is none.
        """
        try:
            return self.channels[channel_id]
        except KeyError:
            raise Refused(404, "Channel not found") from None

    def hang_up(self, channel_id: str, reason_code: int) -> None:
        """End a channel."""
        self.channel(channel_id).end(hung_up_by_us(reason_code))

    def _behaviour(self, number: str) -> Behaviour:
        behaviour = behaviour_of(number, seed=self._seed)
        if not (behaviour.busy_before or behaviour.pause_s):
            return behaviour
        attempts = self._attempts.pop(number, 0)
        self._attempts[number] = attempts + 1
        if len(self._attempts) > COUNTED_NUMBERS:
            self._attempts.popitem(last=False)
        if attempts == 0 and behaviour.pause_s:
            raise Refused(503, "Too many calls", retry_after_s=behaviour.pause_s)
        return BUSY if attempts < behaviour.busy_before else behaviour

    def _ended(self, channel: Channel, ending: Ending) -> None:
        """Write the call record first: who finds no channel any more must find the record."""
        answered_at = channel.answered_at
        unanswered = CALL_RECORD_BY_DIAL_STATUS.get(ending.dial_status, "NO ANSWER")
        self._call_records.append(
            channel_id=channel.id,
            number=channel.order.number,
            started_at=channel.started_at,
            answered_at=answered_at,
            ended_at=datetime.now(UTC),
            disposition="ANSWERED" if answered_at else unanswered,
            channel_name=channel.name,
        )
        self.remove_from_bridge(channel)
        self._playlists.pop(channel.id, None)
        if self.channels.get(channel.id) is channel:
            del self.channels[channel.id]

    # ---- playbacks

    def play(self, channel_id: str, media: str, playback_id: str) -> Playback:
        """Play media on a channel, after what plays there already.

        Raises:
            Refused: 404, there is no such channel; 409, it is not answered, or not ours.
        """
        channel = self.channel(channel_id)
        if not channel.is_in_stasis:
            raise Refused(409, "Channel not in Stasis application")
        playlist = self._playlists.get(channel_id)
        if playlist is None:
            playlist = Playlist(
                channel, self._sounds, speed=self._speed, on_finished=self._finished
            )
            self._playlists[channel_id] = channel.ears = playlist
        playback = Playback(playback_id or str(uuid.uuid4()), media, channel_id)
        self.playbacks[playback.id] = (playback, playlist)
        playlist.add(playback)
        return playback

    def stop_playback(self, playback_id: str) -> None:
        """End a playback before its time.

        Raises:
            Refused: 404, there is none.
        """
        if playback_id not in self.playbacks:
            raise Refused(404, "Playback not found")
        playback, playlist = self.playbacks[playback_id]
        playlist.stop(playback)

    def _finished(self, playback: Playback) -> None:
        if playback.id in self.playbacks and self.playbacks[playback.id][0] is playback:
            del self.playbacks[playback.id]

    # ---- bridges

    def create_bridge(self, bridge_id: str) -> Bridge:
        """Make a bridge.

        Raises:
            Refused: 409, there is one with this id.
        """
        bridge_id = bridge_id or str(uuid.uuid4())
        if bridge_id in self.bridges:
            raise Refused(409, "Bridge with the same bridgeId already exists")
        self.bridges[bridge_id] = Bridge(bridge_id)
        return self.bridges[bridge_id]

    def bridge(self, bridge_id: str) -> Bridge:
        """Return a bridge.

        Raises:
            Refused: 404, there is none.
        """
        try:
            return self.bridges[bridge_id]
        except KeyError:
            raise Refused(404, "Bridge not found") from None

    def add_to_bridge(self, bridge_id: str, channel_ids: list[str]) -> None:
        """Put channels into a bridge, or none of them.

        Raises:
            Refused: 404 without the bridge, 400 without a channel, 422 for one not in Stasis.
        """
        bridge = self.bridge(bridge_id)
        for channel_id in channel_ids:
            if channel_id not in self.channels:
                raise Refused(400, "Channel not found")
            if not self.channels[channel_id].is_in_stasis:
                raise Refused(422, "Channel not in Stasis application")
        for channel_id in channel_ids:
            channel = self.channels[channel_id]
            if channel.bridge_id == bridge_id:
                continue
            self.remove_from_bridge(channel)
            bridge.channel_ids.append(channel_id)
            channel.bridge_id = bridge_id
            channel.notice_sound()
            channel.tell("ChannelEnteredBridge", bridge=bridge.snapshot())

    def remove_from_bridge(self, channel: Channel) -> None:
        """Take a channel out of the bridge it is in, if any."""
        bridge = self.bridges.get(channel.bridge_id or "")
        channel.bridge_id = None
        if bridge is not None and channel.id in bridge.channel_ids:
            bridge.channel_ids.remove(channel.id)
            channel.tell("ChannelLeftBridge", bridge=bridge.snapshot())
            channel.notice_silence()

    def destroy_bridge(self, bridge_id: str) -> None:
        """Take all channels out of a bridge and forget it."""
        bridge = self.bridge(bridge_id)
        for channel_id in list(bridge.channel_ids):
            self.remove_from_bridge(self.channels[channel_id])
        del self.bridges[bridge_id]
