"""One life of a worker: wait for a job, take it, give its rows to the bench, report sealed results,
end (ROOMS §2, §4; T65).

Owns the order, and what is said when. A result is told when the job's duration is over, not before,
so that time tells nothing. A lease that ends wipes its key and ends the worker, and with it the
bench. Nothing is said of why a program failed.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from time import time
from typing import Any

from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import Height
from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.formats.clean_rooms.result_keys import noise_seed, output_key, result_name
from strongroom.enclave.outside.chunks import DataPlace
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.door import DoorClosed
from strongroom.enclave.room.leases import ENDED, LEDGER, LeaseEnded, LeaseKeeper
from strongroom.enclave.room.ledger import AnswerLost, Executed, Refused
from strongroom.enclave.room.sdk import Room
from strongroom.enclave.room.worker.chunks import Chunks
from strongroom.enclave.room.worker.link import BenchLink, TooLate

ROOMS = "rooms"
CALL_SECONDS = 30.0
WAIT_SECONDS = 30.0
"""Between two words that this worker waits: it counts for a minute."""
EVIDENCE_SECONDS = 540.0
"""Fresh evidence goes with such a word after so long: the ledger refuses what is 10 minutes old."""
POLL_SECONDS = 0.5
AGAIN_SECONDS = 5.0
"""After a refusal to take a job: its data's machine may be busy with another."""
WORK_MAX = 16
MILLISECONDS = 1000.0


async def work_once(link: BenchLink, memory_mb: int, answering: "type[Job]", room: Room) -> None:
    """A worker's program; `answering`: a job that answers rows (serving.py).

    Raises:
        LeaseEnded: an owner withdrew, or the ledger is silent.
        Refused: the ledger takes neither this worker nor its report.
    """
    taken, sent = await Idle(room).until_taken()
    serves = Contract.decode(taken.value["contract"]).serves
    job = (answering if serves else Job)(room, link, taken, sent)
    if job.contract.memory_mb > memory_mb:
        raise Refused("memory", f"the job may take {job.contract.memory_mb} MiB: others are asked")
    try:
        await job.run()
    except TooLate:
        raise Refused("late", "the job's time is over: others are asked") from None


class Idle:
    """A worker until it has a job."""

    def __init__(self, room: Room) -> None:
        self._room, self._ledger, self._now = room, room.ledger, room.turns.now
        self._said = self._shown = float("-inf")
        self._not_before: dict[bytes, float] = {}

    async def until_taken(self) -> tuple[Executed, float]:
        """What the ledger gave with the job, and when it was asked for it.

        Raises:
            Refused, Silent: the ledger does not know this worker, or does not answer.
        """
        try:
            while True:
                if self._now() - self._said >= WAIT_SECONDS:
                    await self._wait()
                for one in await self._work():
                    taken = await self._look(one)
                    if taken is not None:
                        return taken
                await self._room.rest(POLL_SECONDS)
        finally:  # one job, one life: whether it has one or was stopped, no further one is for it
            if self._said > float("-inf"):
                with suppress(ClientFault):  # then its word lapses by itself
                    await self._call("leave")

    async def _wait(self) -> None:
        sent = self._now()
        shown = sent - self._shown >= EVIDENCE_SECONDS
        evidence = await self._room.evidence() if shown else b""
        told = (await self._call("wait", evidence)).value
        first = self._shown == float("-inf")
        self._said, self._shown = sent, sent if shown else self._shown
        if first:
            self._room.tell("waiting", operator=str(told["operator"]), region=str(told["region"]))

    async def _work(self) -> list[dict[str, Any]]:
        until = self._now() + CALL_SECONDS
        told = await self._ledger.query(ROOMS, "work", WORK_MAX, at_least=Height(0), until=until)
        if type(told) is not list:
            raise NotCanonical("the ledger's answer is no list")
        return told

    async def _look(self, one: dict[str, Any]) -> tuple[Executed, float] | None:
        """Take a job, or see to it that the next executors are asked; None: nothing was taken."""
        job = one["job"]
        if self._not_before.get(job, 0.0) > self._now():
            return None
        self._not_before[job] = self._now() + AGAIN_SECONDS
        try:
            if not one["asked"]:  # by the host's clock, which decides nothing here
                if time() * MILLISECONDS > one["deadline_ms"]:
                    await self._call("advance", job)
                return None
            evidence = await self._room.evidence()
            sent = self._now()
            return await self._call("take", job, evidence), sent
        except (Refused, AnswerLost) as refused:
            code = refused.code if isinstance(refused, Refused) else refused.reason
            self._room.tell("not-taken", job=job, code=code)
            return None

    async def _call(self, operation: str, *arguments: Any) -> Executed:
        until = self._now() + CALL_SECONDS
        return await self._ledger.call(ROOMS, operation, *arguments, until=until)


class Job:
    """A job that was taken."""

    def __init__(self, room: Room, link: BenchLink, taken: Executed, sent: float) -> None:
        """Begin to beat for its leases.

        Raises:
            NotCanonical, KeyError, TypeError: the ledger's answer cannot be read.
        """
        told = taken.value
        self._room, self._link, self._sent = room, link, sent
        self._told, self.id = told, told["job"]
        self.contract = Contract.decode(told["contract"])
        self._until = sent + self.contract.duration_ms / MILLISECONDS
        left = (told["deadline_ms"] - told["taken_ms"]) / MILLISECONDS
        self._report_until = sent + left
        self._inputs: list[dict[str, Any]] = told["inputs"]
        self._taken = taken
        self._keepers = [self._kept(one) for one in self._inputs]
        room.tell("taken", job=self.id)

    async def run(self) -> None:
        """Compute it, and report.

        Raises:
            TooLate: nothing is reported.
            LeaseEnded, Refused: as `work_once`.
        """
        made = await self._computed()
        entries = []
        await self._until_told()
        if made is not None:
            entries = await self._sealed(made)
        await self._report(entries, failed=made is None)

    async def _computed(self) -> list[tuple[str, bytes, bytes]] | None:
        told, room = self._told, self._room
        chunks = Chunks(room.host, room.turns, self._until)
        columns = [DataTerms.decode(one["terms"]).columns for one in self._inputs]
        job = told["contract"], told["parameters"], noise_seed(told["result"])
        inputs = [
            (
                *(one["alias"], one["owner"], one["data"], said),
                self._origin(one["batches"]),
                _chunks(one["segments"]),
            )
            for one, said in zip(self._inputs, columns, strict=True)
        ]
        gone = False
        try:
            await self._link.begin(room.turns, self._until, job, inputs)
        except DoorClosed:
            gone = True
        for index in range(len(self._inputs)):
            gone = await self._give(index, chunks, gone)
        return None if gone else await self._link.outputs(room.turns, self._until)

    def _origin(self, batches: bytes) -> bytes:
        """What the bench checks devices' batches by; nothing of rows that no device signed."""
        return self._room.boot.place.chain + batches if batches else b""

    async def _give(self, index: int, chunks: Chunks, gone: bool) -> bool:
        """Every row of one input, to the bench; is it gone? It may have had no memory for them; the
        host sees every chunk asked for all the same."""
        async for at, part in self._parts(index, chunks):
            try:
                if not gone:
                    self._link.part((index, at), part)
            except DoorClosed:
                gone = True
        return gone

    async def _parts(self, index: int, chunks: Chunks) -> AsyncIterator[tuple[int, bytes]]:
        """(segment, bytes) of one input, in order; its key is opened first, once."""
        one, keeper = self._inputs[index], self._keepers[index]
        if keeper.custody != LEDGER and keeper.opened is None:
            await self._room.open_granted(keeper, one)
        segments = one["segments"]
        names = await chunks.names(one["root"], segments[-1][1])
        start = 0
        for at, (version, end) in enumerate(segments):
            place = DataPlace(self._room.boot.place.chain, one["owner"], one["place"], version)
            async for part in chunks.read(names[start:end], keeper.whole_key(), place, start):
                yield at, part
            start = end

    async def _until_told(self) -> None:
        """Wait until the job's duration is over, beating meanwhile."""
        while (left := self._until - self._room.turns.now()) > 0:
            await self._room.rest(min(left, 1.0))

    async def _sealed(
        self, made: list[tuple[str, bytes, bytes]]
    ) -> list[tuple[str, bytes, bytes, int, int]]:
        """Entries of the report: each output sealed under its own key, and kept by nodes."""
        chunks = Chunks(self._room.host, self._room.turns, self._report_until)
        entries = []
        for output, recipient, data in made:
            key = Secret(output_key(self._told["result"], output, recipient))
            name = result_name(self.id, output, recipient)
            place = DataPlace(self._room.boot.place.chain, self.contract.room, name, 1)
            entries.append((output, recipient, *await chunks.store(data, key, place)))
        return entries

    async def _report(
        self, entries: list[tuple[str, bytes, bytes, int, int]], *, failed: bool
    ) -> None:
        room = self._room
        until = self._report_until
        told = await room.ledger.call(ROOMS, "report", self.id, tuple(entries), failed, until=until)
        for keeper in self._keepers:  # the report gave their leases back
            keeper.finish(LeaseEnded(ENDED, "the job is reported"))
        room.tell("reported", job=self.id, state=str(told.value["state"]))

    def _kept(self, one: dict[str, Any]) -> LeaseKeeper:
        """One lease of the answer, with beats."""
        room, taken = self._room, self._taken
        keeper = LeaseKeeper(
            room.ledger,
            room.turns,
            room.evidence,
            KeyVersion(owner=one["owner"], name=one["key"], version=one["key_version"]),
            replace(taken, value={**one, "pieces": 0, "allotment": 0, "digest": b""}),
            sent=self._sent,
            opened_ms=self._told["taken_ms"],
        )
        room.keep(keeper)
        return keeper


def _chunks(segments: list[tuple[int, int]]) -> tuple[int, ...]:
    """How many chunks each segment has."""
    ends = [end for _, end in segments]
    return tuple(end - start for start, end in zip([0, *ends], ends, strict=False))
