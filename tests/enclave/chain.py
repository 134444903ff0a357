"""A final chain without consensus: blocks made from envelopes, certified by the real vote keys of a
founded cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis
from tests.enclave.probe import probe

from strongroom.consensus.batches import Batch, BatchHeader, encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip, initial_cut
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import (
    Digest,
    Epoch,
    Height,
    Lane,
    Milliseconds,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.types import Sequence as LaneSequence
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats.envelope import Call, Query, transaction_id
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.outside.client_sessions import (
    AnswerKey,
    ClientSession,
    Identity,
    Result,
    seal_query,
)
from strongroom.enclave.primitives import verify
from strongroom.enclave.programs import PROGRAMS, bind_arguments
from strongroom.enclave.proofs.finality import FinalRun, check_run
from strongroom.enclave.proofs.genesis import epoch_chain

EPOCH = Epoch(0)


@cache
def founded() -> FoundedCluster:
    """One cluster for all tests of a process: `member0` issues, `auditor` audits."""
    programs = ("payments", "people", "probe", "records", "rooms", "system", "vault")
    return make_cluster_genesis(4, auditor=key_named("auditor").public, programs=programs)


def person(name: str) -> Identity:
    """A user whose key depends on the name alone."""
    return Identity(key_named(name))


def resolve(name: str) -> bytes:
    return person(name).id


@dataclass(frozen=True)
class Made:
    """A block with its data."""

    header: Header
    batches: tuple[Batch, ...]


class Chain:
    """Makes blocks one after the other, executes them on an executor of its own, and keeps what a
    host keeps."""

    step_ms = 10
    """Block time from one block to the next."""

    def __init__(self, cluster: FoundedCluster | None = None) -> None:
        self.cluster = cluster or founded()
        self.genesis = self.cluster.verified
        self.members = len(self.genesis.validators)
        self.epochs = epoch_chain(self.genesis)
        self.executor = self.new_executor()
        self.tip = self.genesis.header
        self.blocks: list[Made] = []
        self.outcomes: list[Outcome] = []
        self.history = HistoryTree(self.genesis.header)

    def new_executor(self, index: int = 0) -> Executor:
        keyring = Keyring([self.cluster.secrets[index]])
        return Executor(self.genesis, keyring, self.epochs, {**PROGRAMS, "probe": probe})

    # --- blocks -----------------------------------------------------------------------------------

    def make(
        self, lanes: Mapping[int, Sequence[Sequence[bytes]]], *, anchor: Anchor | None = None
    ) -> Made:
        """The next block: for every lane its batches, each a sequence of envelopes. Becomes the
        tip."""
        parent = self.tip
        cut = list(initial_cut(parent.digest, self.members) if parent.height == 0 else parent.cut)
        batches = []
        for lane in sorted(lanes):
            for envelopes in lanes[lane]:
                batch = make_batch(lane, cut[lane], encode_payload(list(envelopes)), len(envelopes))
                cut[lane] = LaneTip(LaneSequence(cut[lane].length + 1), batch.header.digest)
                batches.append(batch)
        header = Header(
            chain=self.genesis.chain,
            epoch=EPOCH,
            view=View(parent.view + 1),
            height=Height(parent.height + 1),
            parent=parent.digest,
            proposer=SignerIndex(0),
            time_ms=Milliseconds(parent.time_ms + self.step_ms),
            cut=tuple(cut),
            batch_count=len(batches),
            batch_bytes=sum(len(batch.payload) for batch in batches),
            anchor=anchor or Anchor(self.executor.height, self.executor.root),
            next_epoch=self.genesis.description.digest,
        )
        self.tip = header
        made = Made(header, tuple(batches))
        self.blocks.append(made)
        return made

    def certificate(
        self, header: Header, kind: Kind = Kind.FINALIZE, signers: Sequence[int] = (0, 1, 2)
    ) -> Certificate:
        return self.certify(Statement(kind, EPOCH, header.view, header.digest), signers)

    def certify(self, statement: Statement, signers: Sequence[int] = (0, 1, 2)) -> Certificate:
        message = statement.signed_bytes(self.genesis.chain)
        signatures = tuple(self.cluster.keys[index].vote(EPOCH).sign(message) for index in signers)
        return Certificate(statement, tuple(SignerIndex(index) for index in signers), signatures)

    def run_of(self, *blocks: Made, parent: Header | None = None) -> FinalRun:
        headers = [block.header for block in blocks]
        before = parent or self.executor.header
        return check_run(before, headers, self.certificate(headers[-1]), self.epochs, verify)

    def commit(self, *envelopes: bytes, lane: int = 0) -> Outcome:
        """Order these envelopes in one batch of one block, make it final, execute it."""
        return self.commit_lanes({lane: [envelopes]} if envelopes else {})

    def commit_lanes(self, lanes: Mapping[int, Sequence[Sequence[bytes]]]) -> Outcome:
        made = self.make(lanes)
        (outcome,) = self.executor.execute(self.run_of(made), [made.batches])
        self.outcomes.append(outcome)
        self.history.append(outcome.history_leaf)
        return outcome

    # --- users ------------------------------------------------------------------------------------

    def call(self, name: str, /, **arguments: Any) -> Call:
        program, _, operation = name.partition(".")
        if program == "probe":
            bound = probe.operation(operation).from_python(arguments, resolve)
        else:
            bound = bind_arguments(program, operation, arguments, resolve)
        return Call(program, self.measurement, operation, bound)

    @property
    def measurement(self) -> bytes:
        return bytes(self.genesis.validators[0].measurement_digest)

    def open(
        self, who: str, call: Call | None = None, *, close: bool = False
    ) -> tuple[ClientSession, bytes]:
        return ClientSession.open(
            self.genesis.public_key, self.genesis.chain, EPOCH, person(who), call, close=close
        )

    def session(self, who: str) -> ClientSession:
        session, envelope = self.open(who)
        self.commit(envelope)
        return session

    def do(self, session: ClientSession, name: str, /, **arguments: Any) -> Result:
        """One transaction in a block of its own; gives its opened result."""
        sequence, envelope = session.seal_call(self.call(name, **arguments))
        outcome = self.commit(envelope)
        return session.open_result(sequence, transaction_id(envelope), outcome.result_at(0))

    def once(self, who: str, name: str, /, **arguments: Any) -> Result:
        """A one-shot in a block of its own."""
        session, envelope = self.open(who, self.call(name, **arguments), close=True)
        outcome = self.commit(envelope)
        return session.open_result(0, transaction_id(envelope), outcome.result_at(0))

    def query_envelope(
        self,
        who: str,
        name: str,
        /,
        *,
        at_least: int = 0,
        linearizable: bool = False,
        **arguments: Any,
    ) -> tuple[AnswerKey, bytes]:
        query = Query(self.call(name, **arguments), Height(at_least), linearizable)
        return seal_query(self.genesis.public_key, self.genesis.chain, EPOCH, person(who), query)

    def ask(self, who: str, name: str, /, **arguments: Any) -> Any:
        """A query that must succeed; gives its value."""
        key, envelope = self.query_envelope(who, name, **arguments)
        answer = self.executor.query(envelope)
        assert isinstance(answer, bytes)
        opened = key.open(answer)
        assert opened.ok, (opened.code, opened.message)
        return opened.value

    def refusal(self, who: str, name: str, /, **arguments: Any) -> str:
        """A query that must fail inside the seal; gives the code."""
        key, envelope = self.query_envelope(who, name, **arguments)
        answer = self.executor.query(envelope)
        assert isinstance(answer, bytes)
        opened = key.open(answer)
        assert not opened.ok
        return opened.code


def make_batch(lane: int, tip: LaneTip, payload: bytes, count: int, epoch: Epoch = EPOCH) -> Batch:
    header = BatchHeader(
        epoch=epoch,
        lane=Lane(lane),
        sequence=tip.length,
        previous=tip.digest,
        count=count,
        size=len(payload),
        payload_digest=Digest(sha256(payload).digest()),
    )
    return Batch(header, payload, Signature(bytes(64)))


def codes(outcome: Outcome) -> list[str]:
    """What became of a block's envelopes, in words."""
    return [Code(code).text for code in outcome.codes]


def funded(chain: Chain, who: str = "alice", amount: int = 1000) -> ClientSession:
    chain.once("member0", "payments.issue", to=who, amount=amount)
    return chain.session(who)


def pay(chain: Chain, session: ClientSession, amount: int = 1, to: str = "bob") -> bytes:
    return session.seal_call(chain.call("payments.transfer", to=to, amount=amount))[1]


def replace_header(made: Made, **changes: Any) -> Made:
    """The same data under another header."""
    return Made(replace(made.header, **changes), made.batches)
