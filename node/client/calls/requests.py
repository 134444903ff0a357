"""Everything that a client asks beside its calls: sealed queries, receipts, single envelopes, plain
methods.

Owns how a question is asked again elsewhere when a node cannot answer. Answers that can be checked
are checked here.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    ReceiptInvalid,
    StrongroomError,
)
from strongroom.consensus.types import Digest, Height, TransactionId
from strongroom.enclave.formats.envelope import Call, Query, transaction_id
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.outside.client_sessions import (
    AnswerKey,
    ClientSession,
    Identity,
    seal_query,
)
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import VerifiedReceipt, check_result, verify_receipt
from strongroom.enclave.outside.trust import Trust, TrustedEpoch
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.in_flight import Pipeline
from strongroom.node.client.calls.letting_in import LettingIn, is_shut
from strongroom.node.client.calls.nodes import Nodes, retry_seconds
from strongroom.node.client.calls.replies import number_in
from strongroom.node.client.calls.waiting import receipt_once_there
from strongroom.node.client.errors import (
    Disconnected,
    NoCredential,
    NotTrusted,
    ProgramFailed,
    Unreachable,
)
from strongroom.node.faults import (
    NotFound,
    NotReady,
    NotYet,
    Overloaded,
    Refused,
    RpcFault,
    WrongChainOrEpoch,
)

TURNS_MAX = 3
"""Times that one question is sealed again because an epoch was over."""
CONFIRM_ROUNDS_MAX = 5
"""Times that all nodes are asked about one height: some may not have executed it yet."""
RECEIPTS_AWAITED_MAX = 16
"""Receipts that a node is asked to wait for at a time: each holds one of the connection's 64
unanswered frames, and submissions need theirs."""
CONFIRM_SECONDS = 0.1
"""After the first of them; each further pause is longer by as much."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The opened answer to a query, and the state that it was given on."""

    value: Any = field(repr=False)
    """What the program returned."""
    height: int
    root: Digest
    """History root over 0..height of the enclave that answered."""
    node: str
    """Which node answered."""


class Requests:
    """Requests of one identity."""

    def __init__(
        self,
        identity: Identity,
        trust: Trust,
        nodes: Nodes,
        pipeline: Pipeline,
        letting_in: LettingIn,
    ) -> None:
        self._identity, self._trust, self._nodes, self._pipeline = identity, trust, nodes, pipeline
        self._letting_in = letting_in
        self._receipts = asyncio.Semaphore(RECEIPTS_AWAITED_MAX)
        self.height = 0
        """The newest height of any answer here."""

    async def ask(self, method: str, **params: Any) -> Any:
        """Ask one node after another until one answers or refuses for good; waits as long as it
        takes."""
        while True:
            connection = await self._nodes.connection()
            try:
                answer = await connection.ask(method, **params)
            except (Disconnected, NotReady) as fault:
                await self._nodes.leave(connection, fault)
            except Overloaded as fault:
                self._nodes.busy = fault
                await asyncio.sleep(retry_seconds(fault))
            except Refused as fault:
                await self._shut_out(connection, fault)
            else:
                self._nodes.served()
                return answer

    async def submit(
        self,
        program: str,
        operation: str,
        arguments: tuple[Any, ...],
        on_sent: Callable[[TransactionId], None],
    ) -> TransactionId:
        """Seal one call in an envelope of its own, and have a node take it.

        Args:
            program: whose operation is called.
            operation: its name.
            arguments: in the order of its schema.
            on_sent: told the id before an envelope leaves; all before it are proven to be of no
                effect.

        Raises:
            WrongChainOrEpoch: epochs end faster than it is taken; it was never ordered.
            RpcFault: f+1 nodes, hence an honest one, refuse it.
            NoCredential: no node's door is open to this client.
            Unreachable: its fate is open; with its id.
        """
        for _ in range(TURNS_MAX):
            await self._nodes.connection()
            epoch = self._epoch()
            call = Call(program, epoch.measurement, operation, arguments)
            _, envelope = ClientSession.open(
                epoch.key, epoch.chain, epoch.epoch, self._identity, call, close=True
            )
            id = transaction_id(envelope)
            self._pipeline.sealer.tell(id)
            on_sent(id)
            try:
                await self._give(envelope, id)
            except WrongChainOrEpoch as fault:  # one node's word; it, or another, may have it
                over = fault
            else:
                return id
            await self._turn(self._nodes.current)
            if not await self._never_ordered(id, epoch):
                why = "a node says that the epoch is over, and too few others do"
                raise Unreachable(f"{why}: it may still be ordered", id=id)
        raise over

    async def _give(self, envelope: bytes, id: TransactionId) -> None:
        """Have a node take it, as long as that takes; errors as of `submit`."""
        elsewhere, seen = False, set[str]()
        refusing: dict[str, RpcFault] = {}
        while True:
            try:
                connection = await self._nodes.connection()
            except (NotTrusted, AttestationError) as fault:
                if not seen:
                    raise
                why = f"it was sent, and no node that answers now verifies ({fault})"
                raise Unreachable(f"{why}: it may still be ordered", id=id) from None
            at = connection.endpoint
            try:
                await self._letting_in.ask(connection)
                seen.add(at)
                await connection.ask("ledger_submit", envelope=envelope, wait="none")
            except (Disconnected, NotReady, Overloaded) as fault:
                elsewhere = elsewhere or at in seen
                await self._nodes.leave(connection, fault)
            except WrongChainOrEpoch:
                raise
            except RpcFault as fault:  # one node's word: it may lie
                await self._nodes.leave(connection, fault)
                refusing[at] = fault
                told = self._told(refusing, at, id if seen else None)
                if told is not None and not elsewhere:
                    raise told from None
                if told is not None:
                    why = f"nodes refuse it ({told}), another may have taken it before"
                    raise Unreachable(f"{why}: it may still be ordered", id=id) from None
            else:
                self._nodes.served()
                self._letting_in.taken()
                return

    def _told(
        self, refusing: dict[str, RpcFault], at: str, id: TransactionId | None
    ) -> ClientFault | None:
        """What the newest of these refusals of one envelope comes to; None: others are to be
        asked."""
        never = self._letting_in.shut(at, refusing[at])
        if never is not None:
            return NoCredential(str(never), id=id)
        open_doors = [one for one in refusing.values() if not is_shut(one)]
        enough = len(open_doors) > self._epoch().description.quorum.faults
        if enough or len(refusing) == len(self._nodes.endpoints):
            return open_doors[-1] if open_doors else refusing[at]
        return None

    async def _shut_out(self, connection: Connection, fault: RpcFault) -> None:
        """This node's door may be shut to this client, and another one's open.

        Raises:
            RpcFault: it refuses for another reason.
            NoCredential: no door is open.
        """
        if not is_shut(fault):
            raise fault
        never = self._letting_in.shut(connection.endpoint, fault)
        await self._nodes.leave(connection, fault)
        if never is not None:
            raise never from None

    async def _never_ordered(self, id: TransactionId, epoch: TrustedEpoch) -> bool:
        """Do f+1 nodes, hence an honest one, know the epoch as over, and the opening as not
        executed in it?"""
        epochs = (epoch, self._epoch())  # who is asked is of the newest
        faults = max(one.description.quorum.faults for one in epochs)
        for attempt in range(CONFIRM_ROUNDS_MAX):
            said = await self._nodes.opinions("ledger_transaction", id=id)
            if any(
                one.get("status") == "final" and one.get("code") == Code.EXECUTED for one in said
            ):
                return False
            past = [one for one in said if type(at := one.get("epoch")) is int and at > epoch.epoch]
            if len(past) > faults:
                return True
            await asyncio.sleep(CONFIRM_SECONDS * (attempt + 1))
        return False

    async def public(self, envelope: bytes) -> dict[str, Any]:
        """Have a signed public transaction ordered and executed: its place and its plain result."""
        shown: dict[str, Any] = await self.ask("governance_submit", envelope=envelope)
        return shown

    async def query(
        self,
        program: str,
        operation: str,
        arguments: tuple[Any, ...],
        at_least: int,
        linearizable: bool,
    ) -> QueryResult:
        """Ask until a node has executed `at_least`; each node is asked once.

        A height that was only named by the node that answered a call is proven before anyone is
        believed to be behind it: else one lie would make every later query wait for a height that
        never comes.
        """
        behind = turns = 0
        alone = False
        while True:
            connection = await self._nodes.connection()
            call = Call(program, self._epoch().measurement, operation, arguments)
            key, envelope = self._seal(Query(call, Height(at_least), linearizable), alone=alone)
            try:
                shown = await connection.ask("ledger_query", envelope=envelope)
            except (Disconnected, NotReady) as fault:
                await self._nodes.leave(connection, fault)
            except Overloaded as fault:
                self._nodes.busy = fault
                await asyncio.sleep(retry_seconds(fault))
            except NotYet as fault:
                at_least = await self._believed(at_least)
                behind += 1
                if behind >= len(self._nodes.endpoints) or await self._none_has(at_least):
                    raise
                await self._nodes.leave(connection, fault)
            except (Refused, WrongChainOrEpoch) as fault:
                if turns < TURNS_MAX and _is_of_an_epoch(fault):
                    turns += 1
                    await self._turn(connection)
                elif alone or is_shut(fault):
                    await self._shut_out(connection, fault)
                alone = True
            else:
                return await self._opened(connection, key, shown, at_least)

    async def _none_has(self, height: int) -> bool:
        """Do q nodes answer, and none of those who do has executed so far? Then asking each of them
        in turn would only wait as often."""
        said = await self._nodes.opinions("node_status")
        executed = [one.get("executed") for one in said]
        return len(said) >= self._epoch().description.quorum.size and all(
            type(one) is int and one < height for one in executed
        )

    async def _believed(self, at_least: int) -> int:
        """What may be demanded instead of a height that only one node has named; at most
        `at_least`."""
        if at_least != self._pipeline.height or at_least <= self.height:
            return at_least
        believed = await believed_height(self._trust, self._nodes, self._pipeline)
        self._pipeline.height = believed
        return min(at_least, max(believed, self.height))

    async def receipt(
        self, id: TransactionId, *, executed: bool = False
    ) -> tuple[Receipt, VerifiedReceipt]:
        """Wait for a receipt and verify it against the pin; `executed`: it is known to be, if not
        yet at every node.

        Raises:
            NotFound: no such transaction is final.
            ReceiptInvalid: it does not verify, or is of another transaction.
        """
        missing = (NotFound,) if executed else ()
        async with self._receipts:
            document = await receipt_once_there(
                partial(self.ask, "ledger_receipt", id=id, wait="receipt"), missing=missing
            )
        receipt = Receipt.from_json(document)
        verified = verify_receipt(receipt, self._trust.pin)
        if verified.id != id:
            raise ReceiptInvalid(
                f"the receipt is of transaction {verified.id.hex()}, not of {id.hex()}"
            )
        return receipt, verified

    async def receipt_of(self, done: Done) -> Receipt:
        """The receipt of this very place and result.

        Raises:
            ReceiptInvalid: a quorum certified another place or result: the node that answered first
                had lied.
        """
        receipt, verified = await self.receipt(done.id, executed=True)
        if (verified.height, verified.index) != (done.height, done.index):
            raise ReceiptInvalid(
                f"the receipt says height {verified.height}, index {verified.index}; the node's "
                f"answer said height {done.height}, index {done.index}"
            )
        check_result(verified, done.sealed)
        return receipt

    def _seal(self, query: Query, *, alone: bool) -> tuple[AnswerKey, bytes]:
        """In the session, once it stands; else in an envelope of its own."""
        epoch, opened = self._epoch(), self._pipeline.sealer.session
        if not alone and opened is not None and opened.stands and opened.epoch is epoch:
            return opened.session.seal_query(query)
        return seal_query(epoch.key, epoch.chain, epoch.epoch, self._identity, query)

    async def _turn(self, connection: Connection | None) -> None:
        """Another epoch may have begun: check the service again; the node is left if it does not
        verify."""
        with suppress(StrongroomError):
            await self._nodes.check_again(connection)

    async def _opened(
        self, connection: Connection, key: AnswerKey, shown: Any, at_least: int
    ) -> QueryResult:
        try:
            answer = key.open(shown["answer"])
        except (DoesNotOpen, KeyError, TypeError) as error:
            fault = NotTrusted("answer", f"not the service's answer to this query: {error}")
            await self._nodes.leave(connection, fault)
            raise fault from None
        if answer.height < at_least:
            fault = NotTrusted(
                "answer", f"answered from height {answer.height}, {at_least} was demanded"
            )
            await self._nodes.leave(connection, fault)
            raise fault
        self.height = max(self.height, answer.height)
        if not answer.ok:
            raise ProgramFailed(answer.code, answer.message, height=answer.height)
        return QueryResult(answer.value, answer.height, answer.root, self._nodes.name)

    def _epoch(self) -> TrustedEpoch:
        epoch = self._trust.epoch
        if epoch is None:
            raise NotTrusted("epoch-key", "nothing is sealed before the service is trusted")
        return epoch


async def believed_height(trust: Trust, nodes: Nodes, pipeline: Pipeline) -> int:
    """The newest height that a node named for a call of ours, as far as f+1 nodes, hence an honest
    one, confirm it."""
    if pipeline.newest is None or trust.epoch is None:
        return 0
    named = pipeline.height

    def confirmed(said: list[dict[str, Any]]) -> int:
        """The highest that f+1 of them confirm, by the epoch of now: one may begin meanwhile."""
        heights = sorted((_final_height(one) for one in said), reverse=True)
        needed = _with_an_honest_one(trust)
        return min(heights[needed - 1], named) if len(heights) >= needed else 0

    for attempt in range(CONFIRM_ROUNDS_MAX):
        said = await nodes.opinions(
            "ledger_transaction",
            few=_with_an_honest_one(trust),
            enough=lambda said: confirmed(said) == named,
            id=pipeline.newest,
        )
        if height := confirmed(said):
            return height
        await asyncio.sleep(CONFIRM_SECONDS * (attempt + 1))
    return 0


def _with_an_honest_one(trust: Trust) -> int:
    """f+1 of the newest epoch."""
    if trust.epoch is None:
        raise NotTrusted("epoch-key", "nobody is known who could confirm anything")
    return trust.epoch.description.quorum.faults + 1


def _final_height(found: dict[str, Any]) -> int:
    """Where a transaction stands, by one node's word; 0 where it does not know it as final."""
    try:
        return number_in(found, "height") if found.get("status") == "final" else 0
    except (KeyError, TypeError, ValueError):
        return 0


def _is_of_an_epoch(fault: RpcFault) -> bool:
    return isinstance(fault, WrongChainOrEpoch) or fault.data.get("reason") == Code.WRONG_EPOCH.text
