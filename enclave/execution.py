"""Executes final blocks, and nothing else: from ordered envelopes to an outcome (DESIGN §3, stop 7).

Owns the order of a block's execution, the newest executed height and the history root. Checks come first and change
nothing; then nothing in an envelope can stop a block: what does not open is a public refusal, what fails is a sealed
result. Every replica that executes the same blocks produces the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from strongroom.consensus import labels
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.errors import InvariantBroken, NotCanonical, OperatorFault, PeerFault, invariant
from strongroom.consensus.types import NO_DIGEST, Digest, Height
from strongroom.enclave import merkle
from strongroom.enclave.block_data import ordered_envelopes
from strongroom.enclave.finality import FinalRun
from strongroom.enclave.genesis import VerifiedGenesis
from strongroom.enclave.heads import FreshPoint
from strongroom.enclave.history import HistoryLeaf, genesis_leaf
from strongroom.enclave.intake import Intake, Refused
from strongroom.enclave.keys import EpochSecrets
from strongroom.enclave.outcome import LEAF_PREFIX, Code, Outcome, outcome_root
from strongroom.enclave.padding import RESULT_SIZES, pad
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.enclave.programs import PROGRAMS
from strongroom.enclave.programs.framework import Program
from strongroom.enclave.programs.runner import OPENED, Runner
from strongroom.enclave.queries import Need as Need
from strongroom.enclave.queries import Queries
from strongroom.enclave.sessions import Sessions
from strongroom.enclave.write_set import WriteSet, WriteSetBox

ROOTS_KEPT_MAX = 1024
"""Newest heights whose history root is kept, to compare anchors with."""
_LEAF_HEAD = b"\x00" + LEAF_PREFIX
_CODE_BYTES = tuple(bytes((code,)) for code in Code)


class Diverged(InvariantBroken):
    """A final block anchors another history than this enclave executed: halt, and find out whose fault it is."""


@dataclass(slots=True, repr=False)
class _Answers:
    """What a block comes to, envelope by envelope."""

    ids: list[bytes] = field(default_factory=list)
    codes: bytearray = field(default_factory=bytearray)
    sealed: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    claims: list[tuple[int, bytes]] = field(default_factory=list)
    plaintexts: dict[bytes, list[tuple[int, bytes]]] = field(default_factory=dict)
    """By identity: (position, result)."""


class Executor:
    """One replica's execution of one epoch, from genesis on."""

    def __init__(
        self, genesis: VerifiedGenesis, secrets: EpochSecrets, programs: Mapping[str, Program] = PROGRAMS
    ) -> None:
        description = genesis.description
        invariant(
            secrets.epoch == description.epoch and secrets.public_key_digest == description.public_key_digest,
            "these are not the secrets of this epoch",
        )
        self._chain, self._members = genesis.chain, len(description.validators)
        self._header = genesis.header
        self._history = merkle.Frontier()
        self._roots: dict[Height, Digest] = {}
        self._remember(genesis_leaf(genesis.header))
        self._runner = Runner(
            _active(programs, genesis),
            measurements=frozenset(validator.measurement_digest for validator in genesis.validators),
            roles=frozenset((program, role, bytes(id)) for program, role, id in genesis.constitution.roles),
        )
        self._sessions = Sessions(genesis.chain, secrets.epoch, secrets.session_box)
        self._intake = Intake(genesis.chain, secrets, self._sessions)
        self._write_sets = WriteSetBox(genesis.chain, secrets.epoch, secrets.write_set_box)
        self._queries = Queries(genesis.chain, secrets, self._sessions, self._runner, self._write_sets)
        self._result_prefix = labels.bound(labels.RESULT, genesis.chain, b"")

    @property
    def header(self) -> Header:
        """The newest executed block's header; genesis' at first."""
        return self._header

    @property
    def height(self) -> Height:
        """Its height."""
        return self._header.height

    @property
    def root(self) -> Digest:
        """History root over heights 0..height."""
        return self._history.root

    def state_digest(self) -> Digest:
        """SHA-256 over all maps and sessions; equal on every replica at one height. Reads everything: for audits."""
        return Digest(sha256(self._runner.state.digest() + self._sessions.digest()).digest())

    def execute(self, run: FinalRun, data: Sequence[Sequence[Batch]]) -> list[Outcome]:
        """Execute the next final blocks; `data` holds the batches of each, in execution order.

        Raises:
            PeerFault: the run does not begin at the next height, or a block's data is not the one that it names (T04);
                nothing was executed.
            Diverged: a final block anchors another history than this enclave's own.
        """
        if len(data) != len(run.headers):
            raise PeerFault(f"data of {len(data)} blocks for a run of {len(run.headers)}")
        parent, envelopes = self._header, []
        for header, batches in zip(run.headers, data, strict=True):
            self._check_follows(parent, header)
            envelopes.append(ordered_envelopes(parent, header, batches, self._members))
            parent = header
        return [self._execute(header, block) for header, block in zip(run.headers, envelopes, strict=True)]

    def apply(self, header: Header, outcome: Outcome) -> None:
        """Take over the next height from its recorded outcome instead of executing it.

        Whoever calls this compares `root` with a certified anchor before it uses the state for anything.

        Raises:
            OperatorFault: the outcome is not one that an enclave of this service made for this block.
        """
        try:
            self._check_follows(self._header, header)
            self._check_anchor(header)
            if outcome.height != header.height or outcome.block != header.digest:
                raise OperatorFault(f"the outcome of height {outcome.height} is not of block {header.height}")
            write_set = self._write_sets.open(outcome.write_set, header.height, header.digest, outcome.root)
            self._runner.state.apply(write_set.changes)
            self._sessions.apply(write_set.opened, write_set.windows)
        except (PeerFault, DoesNotOpen, NotCanonical, Diverged) as error:
            raise OperatorFault(f"recorded outcome of height {header.height}: {error}") from None
        self._advance(header, outcome.history_leaf)

    def query(self, envelope: bytes, outcome: bytes | None = None, *, fresh: FreshPoint | None = None) -> bytes | Need:
        """Answer a sealed query on the newest executed state; see Queries.answer."""
        self._runner.at(self._header.height, self._header.time_ms)
        return self._queries.answer(envelope, self._header, self.root, outcome, fresh)

    def _execute(self, header: Header, envelopes: Sequence[bytes]) -> Outcome:
        self._check_anchor(header)
        self._runner.at(header.height, header.time_ms)
        answers = self._answer_all(envelopes)
        root = outcome_root(len(envelopes), merkle.root_of(answers.leaves))
        write_set = WriteSet(
            self._runner.state.take_changes(),
            *self._sessions.take_changes(),
            tuple((identity, tuple(results)) for identity, results in answers.plaintexts.items()),
        )
        outcome = Outcome(
            height=header.height,
            block=header.digest,
            ids=b"".join(answers.ids),
            codes=bytes(answers.codes),
            results=tuple(answers.sealed),
            claims=tuple(answers.claims),
            write_set=self._write_sets.seal(
                write_set, header.height, header.digest, root, envelope_bytes=sum(map(len, envelopes))
            ),
        ).with_root(root)
        self._advance(header, outcome.history_leaf)
        return outcome

    def _answer_all(self, envelopes: Sequence[bytes]) -> _Answers:
        """The hot path: nothing is built or encoded twice per transaction. See tests/enclave/bench_execution.py."""
        answers = _Answers()
        opened, run, prefix = self._intake.open, self._runner.run, self._result_prefix
        ids, codes, leaves, plaintexts = answers.ids, answers.codes, answers.leaves, answers.plaintexts
        executed = int(Code.EXECUTED)
        for position, envelope in enumerate(envelopes):
            id = sha256(envelope).digest()
            ids.append(id)
            try:
                identity, keys, sequence, call = opened(envelope, id)
            except Refused as refused:
                codes.append(refused.code)
                answers.sealed.append(b"")
                leaves.append(_leaf_hash(id, refused.code, NO_DIGEST, NO_DIGEST))
                continue
            if call is None:
                plaintext, claim = OPENED, b""
            else:
                plaintext, claim = run(call, identity, id, keys.blinding)
            sealed = keys.reply.seal(sequence, pad(plaintext, RESULT_SIZES), prefix + id)
            codes.append(executed)
            answers.sealed.append(sealed)
            leaves.append(_leaf_hash(id, executed, sha256(sealed).digest(), claim or NO_DIGEST))
            if claim:
                answers.claims.append((position, claim))
            if identity in plaintexts:
                plaintexts[identity].append((position, plaintext))
            else:
                plaintexts[identity] = [(position, plaintext)]
        return answers

    def _check_follows(self, parent: Header, header: Header) -> None:
        if header.height != parent.height + 1 or header.parent != parent.digest or header.chain != self._chain:
            raise PeerFault(f"block {header.height} does not follow the executed block {parent.height}")
        if header.anchor.height >= header.height:
            raise PeerFault(f"block {header.height} anchors height {header.anchor.height}")

    def _check_anchor(self, header: Header) -> None:
        anchor = header.anchor
        if anchor.height and self._roots.get(anchor.height, anchor.root) != anchor.root:
            raise Diverged(f"block {header.height} anchors another history at height {anchor.height} than was executed")

    def _advance(self, header: Header, leaf: HistoryLeaf) -> None:
        self._header = header
        self._remember(leaf)

    def _remember(self, leaf: HistoryLeaf) -> None:
        self._history.append(leaf.hash)
        self._roots[leaf.height] = self._history.root
        self._roots.pop(Height(leaf.height - ROOTS_KEPT_MAX), None)


def _active(programs: Mapping[str, Program], genesis: VerifiedGenesis) -> dict[str, Program]:
    missing = [name for name in genesis.constitution.programs if name not in programs]
    if missing:
        raise OperatorFault(f"the constitution names programs that this enclave has not: {', '.join(missing)}")
    return {name: programs[name] for name in genesis.constitution.programs}


def _leaf_hash(id: bytes, code: int, result_digest: bytes, claim_digest: bytes) -> bytes:
    """Leaf.hash without the Leaf."""
    return sha256(_LEAF_HEAD + id + _CODE_BYTES[code] + result_digest + claim_digest).digest()
