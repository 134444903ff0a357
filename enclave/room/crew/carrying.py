"""A crew's room between its bench, which has rows and no key, and its host, which carries and reads
nothing (ROOMS §8; T68).

Owns the links to the other members' rooms, and the order in which things are said: the bench is
told of its crew when its links have shown keys, of a member's loss when that one's link broke.
Knows no scheduler and no rows.
"""

import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.types import Height
from strongroom.enclave.room.crew.link import CREW_MEMBERS_MAX, LinkBroken, Place, SealedLink
from strongroom.enclave.room.crew.peers import Peers
from strongroom.enclave.room.crew.way import Frame, ToCrew, ToRoom, Way
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.host import HostFailed
from strongroom.enclave.room.sdk import Refused, Room
from strongroom.enclave.room.turns import Waiting

FOREMAN = 0
SENDS_MAX = 16
"""Questions of sending that the host has not answered yet."""
BATCH_BYTES = 4 << 20
"""Records that go to the host at once."""
READY_SECONDS = 60.0
"""For all members to show who they are; a crew goes on without those that do not."""
BELIEVED_SECONDS = 30.0
CREDIT = 32
"""Parts of rows that the bench has not taken yet."""
LOOK_SECONDS = 0.005


class CrewDoor(Door):
    """The door to the host, which also looks at the bench while a crew is at work: it waits for the
    bench, a moment at a time, and never for the host alone."""

    def __init__(self, door: socket.socket) -> None:
        super().__init__(door)
        self.crossing: Crossing | None = None
        """Who takes what the bench says, once a crew is at work."""

    def _read(self, flags: int = 0) -> bool:
        crossing = self.crossing
        if crossing is None or crossing.bench_ended:
            return super()._read(flags)
        crossing.flush()
        if super()._read(socket.MSG_DONTWAIT):
            return True
        crossing.look()
        return False


class Crossing:
    """One room's part in one crew."""

    def __init__(self, room: Room, way: Way, job: bytes, own: int, members: int) -> None:
        """A crew whose links have said nothing yet.

        Args:
            room: this one.
            way: to its bench.
            job: that it computes.
            own: this room's number.
            members: the greatest number; the foreman is 0.
        """
        self._room, self._way = room, way
        self.job, self.own = job, own
        self._others = [one for one in range(members + 1) if one != own]
        self._links: dict[int, SealedLink] = {}
        self._early: dict[int, list[bytes]] = {}
        self._out: deque[tuple[int, bytes]] = deque()
        self._more: Waiting[None] = Waiting()
        self.credit = CREDIT
        self.attempt = 0
        """Of giving the rows: one more for each member that is gone."""
        self.made: list[tuple[str, bytes, bytearray]] = []
        self.over: ToRoom | None = None
        """How the job ended: DONE or FAILED."""
        self.ended = False
        """The foreman said that nothing more comes."""
        self.told = self.bench_ended = False
        """The bench knows its crew; it is gone."""

    async def open(self) -> None:
        """Show this room to every other one, and judge them. The foreman waits for all, a member
        for the foreman: what it has for another member waits until that one has shown itself.

        Raises:
            Refused: nobody else is there.
        """
        room = self._room
        policy, time_ms = await room.ledger.believed(BELIEVED_SECONDS)

        def show(over: Any) -> bytes:
            return room.boot.evidence(Height(0), over)

        chain = room.boot.place.chain
        peers = Peers(
            chain, show, roots=policy.roots, revoked=policy.revoked, now_ms=lambda: time_ms
        )
        room.turns.spawn(self._send())
        for peer in self._others:
            place = Place(chain=chain, job=self.job, own=self.own, peer=peer)
            self._links[peer] = SealedLink(place, room.boot.seal_key, show, peers.judge)
            self._put(peer, self._links[peer].start())
        room.turns.spawn(self._listen())
        until = room.turns.now() + READY_SECONDS
        while waited := self._waited_for():
            if room.turns.now() > until:
                for peer in waited:
                    self._lost(peer, "silent")
            await room.rest(LOOK_SECONDS)
        if not self._links or (self.own != FOREMAN and FOREMAN not in self._links):
            raise Refused("crew", "nobody else of the crew is there: others are asked")
        self._tell(ToCrew.MEMBER, self.own, bytes(sorted(self._links)))
        self.told = True

    def _waited_for(self) -> list[int]:
        wanted = self._links if self.own == FOREMAN else (FOREMAN,)
        return [one for one in wanted if one in self._links and not self._links[one].ready]

    def begin(self, contract: bytes, parameters: bytes, seed: bytes, inputs: Any) -> None:
        """A job, for the foreman's bench: see BenchLink.begin."""
        self._tell(ToCrew.JOB, 0, codec.encode((contract, parameters, seed, tuple(inputs))))

    async def part(self, place: bytes, data: bytes, until: float) -> bool:
        """The next bytes of a segment, once the bench takes them; False: there is no use."""
        attempt = self.attempt
        while not self.credit and attempt == self.attempt and self.over is None:
            if self._room.turns.now() > until:
                return False
            await self._room.rest(LOOK_SECONDS)
        if attempt != self.attempt or self.over is not None:
            return False
        self.credit -= 1
        self._tell(ToCrew.PART, attempt, place + data)
        return True

    def run(self) -> None:
        """All rows are there."""
        self._tell(ToCrew.RUN, self.attempt)

    def flush(self) -> None:
        """Hand the bench what was said to it, as far as it takes it now."""
        self._way.flush()

    def look(self) -> None:
        """Wait for the bench, a moment; take what it says."""
        try:
            frame = self._way.receive()
            while frame is not None:
                self.take(frame)
                frame = self._way.receive(wait=False)
        except DoorClosed:
            self._bench_has_ended()
        self.flush()

    def _bench_has_ended(self) -> None:
        """By itself when its part is done; else it was stopped, and its job fails."""
        self.bench_ended = True
        if self.over is None:
            self.over = ToRoom.FAILED

    def take(self, frame: Frame) -> None:
        """What the bench says.

        Raises:
            DoorClosed: nothing that a bench says.
        """
        kind, member, data = frame
        match kind:
            case ToRoom.CARRY:
                self._seal(member, data)
            case ToRoom.TAKEN:
                self.credit += 1
            case ToRoom.AGAIN:
                self.attempt, self.credit = member, CREDIT
            case ToRoom.OUT:
                self._add(data)
            case ToRoom.DONE | ToRoom.FAILED if self.own == FOREMAN:
                self.over = ToRoom(kind)
            case _:
                raise DoorClosed

    async def close(self) -> None:
        """Let the others go: nothing more comes."""
        for peer, link in self._links.items():
            if link.ready:
                self._put(peer, link.finish())
        while self._out:
            await self._room.rest(LOOK_SECONDS)

    def _seal(self, member: int, data: bytes) -> None:
        link = self._links.get(member)
        if link is None:
            return  # gone meanwhile
        if link.ready:
            self._put(member, link.seal(data))
        else:  # at most a window of each channel
            self._early.setdefault(member, []).append(data)

    def _add(self, data: bytes) -> None:
        size = int.from_bytes(data[:2], "big")
        told = codec.decode(data[4 : 4 + size])
        entry, output, recipient = codec.fields(told, int, str, bytes, name="output")
        if entry == len(self.made):
            self.made.append((output, recipient, bytearray()))
        elif entry != len(self.made) - 1:
            raise DoorClosed
        self.made[-1][2].extend(data[4 + size :])

    def _tell(self, kind: ToCrew, member: int = 0, data: bytes = b"") -> None:
        if not self.bench_ended:
            self._way.put(kind, member, data)
            self.flush()

    def _put(self, peer: int, data: bytes) -> None:
        self._out.append((peer, data))
        self._more.set(None)

    async def _send(self) -> None:
        """Hand the host what is sealed, in order."""
        under_way: deque[Waiting[Any]] = deque()
        while True:
            if not self._out:
                self._more = Waiting()
                await self._more
            peer, size = self._out[0][0], 0
            batch = []
            while self._out and self._out[0][0] == peer and size < BATCH_BYTES:
                batch.append(self._out.popleft()[1])
                size += len(batch[-1])
            asked = self._room.host.begin("crew_send", member=peer, records=tuple(batch))
            under_way.append(asked)
            while len(under_way) >= SENDS_MAX:
                await self._answered(under_way.popleft())

    async def _answered(self, asked: Waiting[Any]) -> None:
        with suppress(HostFailed):  # the member is gone; its link says so
            await asked

    async def _listen(self) -> None:
        """Take what other members' rooms say."""
        while self._links and not self.ended:
            try:
                told = await self._room.host.ask("crew_next")
            except HostFailed as fault:
                for peer in list(self._links):
                    self._lost(peer, str(fault))
                return
            for peer, data in _records(told):
                if peer in self._links:
                    self._heard(peer, self._links[peer], data)

    def _heard(self, peer: int, link: SealedLink, data: bytes) -> None:
        try:
            if not data:
                link.cut()
                self._gone(peer)
                return
            replies, opened = link.receive(data)
        except LinkBroken as broken:
            self._lost(peer, broken.reason)
            return
        for one in replies:
            self._put(peer, one)
        if link.ready:
            for one in self._early.pop(peer, []):
                self._put(peer, link.seal(one))
        for one in opened:
            self._tell(ToCrew.CARRIED, peer, one)
        if link.ended:
            self._gone(peer)

    def _lost(self, peer: int, reason: str) -> None:
        self._room.tell("member-lost", member=peer, reason=reason[:100])
        self._gone(peer)

    def _gone(self, peer: int) -> None:
        self._links.pop(peer, None)
        self._early.pop(peer, None)
        if self.told:
            self._tell(ToCrew.GONE, peer)
        if peer == FOREMAN:
            self.ended = True


def _records(told: Any) -> list[tuple[int, bytes]]:
    """(member, record) of each, as a host says them; of one that is gone, an empty record."""
    made = []
    for one in told if isinstance(told, list | tuple) else ():
        match one:
            case [int(member), bytes(data)] | (int(member), bytes(data)):
                made.append((member, data))
            case _:
                raise DoorClosed
    return made


def began(told: Any) -> Mapping[str, Any]:
    """What a host says of a crew that begins: unchecked, but for its form.

    Raises:
        DoorClosed: it is none.
    """
    match told:
        case {"job": bytes(job), "own": int(own), "members": int(members)} if (
            0 <= own <= members <= CREW_MEMBERS_MAX
        ):
            return {"job": job, "own": own, "members": members}
        case _:
            raise DoorClosed
