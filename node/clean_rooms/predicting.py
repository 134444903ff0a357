"""A row's answer from a serving: asked by a transaction, read when a block may have brought it.

Owns the waiting: nobody asks by seconds. Whether an answer counts, the ledger says.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.serving import encode_row
from strongroom.node.client.client import Client
from strongroom.node.client.errors import ProgramFailed

ANSWER_SECONDS_MAX = 20.0
"""The ledger's own bound is half of it; then its word may still be on its way."""
JOBS_LISTED = 500


class NotAnswered(ClientFault):
    """A row has no answer.

    Attributes:
        code: refused (the model tells nothing of it), disputed (executors differ) or unanswered.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


_WORDS = {
    "refused": "the model tells nothing of this row: a value is outside its bounds, or lacks",
    "disputed": "workers do not agree: nothing is told; tell their operators",
    "unanswered": "workers gave no answer in time: it stays counted; ask again",
}


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer."""

    probability: float
    left: int
    """Answers that the caller may still have of this job."""


def row_of(values: Mapping[str, str]) -> bytes:
    """Bytes of a row from texts; an empty one is a gap.

    Raises:
        ClientFault: a value is no number.
    """
    given = sorted((name, text.strip()) for name, text in values.items() if text.strip())
    try:
        return encode_row(tuple(given))
    except NotCanonical as error:
        raise ClientFault(str(error)) from None


class Asker:
    """One client that asks; `asking` opens it."""

    def __init__(self, client: Client, height: int) -> None:
        """`height`: one that was executed before the first question."""
        self._client, self._height = client, height
        self._grown = asyncio.Event()

    async def predict(self, job: bytes, row: bytes) -> Prediction:
        """Ask for one row.

        Raises:
            ProgramFailed: the ledger refuses the question: nothing was counted.
            NotAnswered: it was asked, and has no answer.
        """
        done = await self._client.call("rooms.predict", job=job, row=row)
        number, seen = done.result["number"], done.height
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                while True:
                    seen = await self._above(seen)
                    told = await self._client.query(
                        "rooms.prediction", job=job, number=number, at_least=seen
                    )
                    state = told.value["state"]
                    if state == "answered":
                        return Prediction(float(told.value["answer"]), done.result["left"])
                    if state != "waiting":
                        raise NotAnswered(state, _WORDS[state])
        raise NotAnswered("unanswered", _WORDS["unanswered"])

    async def follow(self) -> None:
        """Note each block, until cancelled."""
        async with aclosing(self._client.blocks(self._height)) as blocks:
            async for block in blocks:
                self._height = max(self._height, block["height"])
                self._grown.set()
                self._grown = asyncio.Event()

    async def _above(self, height: int) -> int:
        while self._height <= height:
            await self._grown.wait()
        return self._height


@asynccontextmanager
async def asking(client: Client) -> AsyncIterator[Asker]:
    """Whoever asks a serving, and follows the chain meanwhile."""
    asker = Asker(client, (await client.request("node_status"))["executed"])
    following = asyncio.create_task(asker.follow())
    try:
        yield asker
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def serving_job(client: Client, id: bytes) -> bytes:
    """The job to ask: itself, or the newest of a contract that serves now.

    Raises:
        ClientFault: the contract has none.
        ProgramFailed: it is neither a job nor a contract of the caller's rooms.
    """
    try:
        told = (await client.query("rooms.contract", contract=id)).value
    except ProgramFailed as fault:
        if fault.code != "no-contract":
            raise
        return id
    room, found, after = Contract.decode(told["text"]).room, b"", 0
    while True:
        page = (await client.query("rooms.jobs", room=room, after=after, limit=JOBS_LISTED)).value
        serving = [
            one["job"] for one in page if one["contract"] == id and one["state"] == "serving"
        ]
        found = serving[-1] if serving else found
        after += len(page)
        if len(page) < JOBS_LISTED:
            break
    if not found:
        raise ClientFault("nothing of this contract serves now: `strongroom rooms run` it first")
    return found
