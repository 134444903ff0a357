"""Executes final blocks, and nothing else: from ordered envelopes to an outcome (DESIGN §3, stop
7).

Owns the order of a block's execution, the newest executed height and the history root. Checks come
first and change nothing; then nothing in an envelope can stop a block: what does not open is a
public refusal, what fails is a sealed result. Every replica that executes the same blocks produces
the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochUnknown
from strongroom.consensus.errors import (
    InvariantBroken,
    NotCanonical,
    OperatorFault,
    PeerFault,
    StrongroomError,
)
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Height, Milliseconds
from strongroom.enclave.attestation.report import measurement_digest
from strongroom.enclave.contained import OF_THIS_PROCESS, KeysNeeded
from strongroom.enclave.execution.hearing import hear
from strongroom.enclave.execution.public_work import PublicWork
from strongroom.enclave.execution.queries import OutcomeWanted as OutcomeWanted
from strongroom.enclave.execution.queries import Queries
from strongroom.enclave.execution.snapshotting import Snapshots
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.history import HistoryLeaf, genesis_leaf
from strongroom.enclave.formats.outcome import Code, Outcome, leaf_hash, outcome_root
from strongroom.enclave.formats.size_classes import RESULT_SIZES, pad
from strongroom.enclave.formats.snapshot import RECENT_MAX, ExecutorState, Table, Tables
from strongroom.enclave.formats.write_set import WriteSet, WriteSetBox
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.governance.public import Unsigned, action_of
from strongroom.enclave.governance.records import BlockFacts
from strongroom.enclave.governance.recovering import Reopening
from strongroom.enclave.governance.region_changes import mapped_regions
from strongroom.enclave.governance.tables import governance
from strongroom.enclave.heap import settle
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.primitives import DeterministicBox, DoesNotOpen, digest
from strongroom.enclave.programs import PROGRAMS
from strongroom.enclave.programs.framework import Program, Surroundings
from strongroom.enclave.programs.runner import OPENED, Runner
from strongroom.enclave.proofs.block_data import ordered_lanes
from strongroom.enclave.proofs.finality import FinalRun
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.enclave.proofs.heads import FreshPoint
from strongroom.enclave.sessions.intake import Intake, Presented, Public, Refused
from strongroom.enclave.sessions.session_admission import SessionAdmission
from strongroom.enclave.sessions.session_tables import SessionTables

_LOADED = tuple(PROGRAMS.values())
"""Their code is read with this module's: where an enclave's walls stand, no file is read."""
ROOTS_KEPT_MAX = RECENT_MAX
"""Newest heights whose history root and block digest are kept, to compare anchors and nodes' words
with."""


SLICE_ENVELOPES = 64
"""Of one lane, run and sealed in one go: about 1.3 ms of payments. A vote waits no longer than
that for an execution."""


def go_on() -> None:
    """What is done between two slices where nobody waits."""


class Diverged(InvariantBroken):
    """A final block anchors another history than this enclave executed: halt, and find out whose
    fault it is."""


@dataclass(slots=True, repr=False)
class _Answers:
    """What a block comes to, envelope by envelope."""

    ids: list[bytes] = field(default_factory=list)
    codes: bytearray = field(default_factory=bytearray)
    sealed: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    claims: list[tuple[int, bytes]] = field(default_factory=list)
    plaintexts: dict[bytes, list[tuple[int, bytes]]] = field(default_factory=dict)
    """By identity: (position, result, or what is kept of it)."""


_EXECUTED = int(Code.EXECUTED)
_Ran = tuple[DeterministicBox | None, int, bytes, bytes, bytes, bytes]
"""What an envelope came to before anything is sealed: (box of its session's results, sequence,
plaintext, claim digest or nothing, identity, what the ledger keeps of the plaintext); or
(None, code, what is told in plain or was sealed already, and the same as far as it is there). A
tuple: one per transaction."""


class Executor:
    """One replica's execution, from genesis on, through all epochs."""

    def __init__(
        self,
        genesis: VerifiedGenesis,
        keyring: Keyring,
        epochs: EpochChain,
        programs: Mapping[str, Program] = PROGRAMS,
        *,
        on_slice: Callable[[], None] = go_on,
    ) -> None:
        """Stand at genesis.

        Args:
            genesis: the service's.
            keyring: secrets of epochs, as far as they are here.
            epochs: how they followed each other.
            programs: what can be called.
            on_slice: called between two slices of a block: nothing of what execution changes may
                be read or changed there.
        """
        self._chain, self._keyring, self._epochs = genesis.chain, keyring, epochs
        self._on_slice = on_slice
        self._header = genesis.header
        self._history = merkle.Frontier()
        self._roots: dict[Height, Digest] = {}
        self._blocks: dict[Height, Digest] = {}
        self._runner = Runner(
            _active(programs, genesis),
            Surroundings(
                chain=genesis.chain,
                block=self._recent,
                vault_box=lambda epoch: keyring.of(epoch).vault_box,
                vault_secret=lambda epoch: keyring.of(epoch).vault_secret,
            ),
        )
        self.governance = Governance(self._runner.state, genesis.chain)
        self.governance.found(genesis)
        self._tables = SessionTables(genesis.chain, keyring, genesis.description.epoch)
        self._admission = SessionAdmission(self._runner)
        self._intake = Intake(genesis.chain, keyring, self._admission)
        self._queries = Queries(genesis.chain, keyring, self._runner, self._write_sets_at)
        self.snapshots = Snapshots(genesis.chain)
        self._touched_governance = False
        """Did the newest block change it?"""
        self._result_prefix = labels.bound(labels.RESULT, genesis.chain, b"")
        self._remember(genesis_leaf(genesis.header))
        self._turn_to_tables()
        self._apply_governance()

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
        """SHA-256 over all maps and sessions; equal on every replica at one height. Reads
        everything: for audits."""
        return Digest(sha256(self._runner.state.digest() + self._tables.digest()).digest())

    @property
    def erasable(self) -> tuple[tuple[Epoch, Height], ...]:
        """(epoch, height): input secrets that nothing above this height needs."""
        return tuple(self._tables.ended)

    @property
    def open_epochs(self) -> tuple[Epoch, ...]:
        """Epochs whose input secrets the next block may need, ascending: the current one, one in
        its grace, and one that has just ended when its boxes are to be carried on."""
        opened = {*self._tables.open_at(self._header.time_ms), *self._carried}
        return tuple(sorted(opened))

    def counts(self) -> tuple[int, tuple[tuple[str, int], ...]]:
        """(sessions, (map, its items) …): how many, for diagnostics."""
        maps = self._runner.state.maps.items()
        entries = tuple((f"{one.program}.{one.name}", held.count) for one, held in maps)
        tables = (self._tables.current, self._tables.before)
        return sum(one.count for one in tables if one is not None), entries

    @property
    def can_execute(self) -> bool:
        """Are the input secrets here that the next block may need?"""
        return all(map(self._keyring.opens, self.open_epochs))

    def execute(self, run: FinalRun, data: Sequence[Sequence[Batch]]) -> list[Outcome]:
        """Execute the next final blocks; `data` holds the batches of each, in execution order.

        Raises:
            KeysNeeded: an input secret that the run may need is not here; nothing was executed.
            PeerFault: the run does not begin at the next height, or a block's data is not the one
                that it names (T04); nothing was executed.
            Diverged: a final block anchors another history than this enclave's own.
        """
        if len(data) != len(run.headers):
            raise PeerFault(f"data of {len(data)} blocks for a run of {len(run.headers)}")
        if run.headers:
            self._tables.check_opens(run.headers[0].time_ms)
            for epoch in self._carried:
                if not self._keyring.opens(epoch):
                    raise KeysNeeded(epoch)
        members = len(self.governance.current.validators)
        parent, lanes = self._header, []
        for header, batches in zip(run.headers, data, strict=True):
            self._check_follows(parent, header)
            lanes.append(ordered_lanes(parent, header, batches, members))
            parent = header
        try:
            return [
                self._execute(header, block)
                for header, block in zip(run.headers, lanes, strict=True)
            ]
        except InvariantBroken:
            raise
        except StrongroomError as error:
            raise InvariantBroken(
                f"a block was left half executed: {type(error).__name__}"
            ) from error

    def lose(self, header: Header, batches: Sequence[Batch]) -> Outcome:
        """The outcome of a final block whose epoch's enclaves are lost, and which none of them had
        executed: all of it is refused in public, time alone passes (VAULT §7).

        Raises:
            PeerFault: it is not the next block, or this is not its data; nothing was changed.
        """
        self._check_follows(self._header, header)
        members = len(self.governance.current.validators)
        lanes = ordered_lanes(self._header, header, batches, members)
        return self._come_to(header, lanes, self._lose_all)

    def reopen(self, reopening: Reopening) -> Outcome:
        """The outcome of the block by which members end the lost epoch: their nodes are its
        successor's validators, and what stood in boxes under its input secret is gone.

        Raises:
            PeerFault: it is not the next block; nothing was changed.
        """
        header = reopening.opening
        self._check_follows(self._header, header)
        self._check_anchor(header)
        self._begin(header)
        self._runner.at(header.height, header.time_ms, header.epoch)
        self.governance.end_block(header)
        self.governance.recover(reopening)
        self._runner.lose_secrets()
        outcome = self._close(header, _Answers(), 0)
        self._apply_governance()
        self._turn(header)
        self._advance(header, outcome.history_leaf)
        return outcome

    def apply(self, header: Header, outcome: Outcome) -> None:
        """Take over the next height from its recorded outcome instead of executing it.

        Whoever calls this compares `root` with a certified anchor before it uses the state for
        anything.

        Raises:
            OperatorFault: the outcome is not one that an enclave of this service made for this
                block.
        """
        try:
            self._check_follows(self._header, header)
            self._check_anchor(header)
            if outcome.height != header.height or outcome.block != header.digest:
                raise OperatorFault(
                    f"the outcome of height {outcome.height} is not of block {header.height}"
                )
            if outcome.snapshot_root != self.snapshots.advance(header.height):
                raise OperatorFault(
                    f"the outcome of height {outcome.height} names "
                    "another snapshot than this state's"
                )
            box = self._write_sets_of(header.epoch)
            write_set = box.open(outcome.write_set, header.height, header.digest, outcome.root)
            self._begin(header)
            self._runner.state.apply(write_set.changes)
            self._tables.apply(write_set)
        except (PeerFault, DoesNotOpen, NotCanonical, Diverged) as error:
            raise OperatorFault(f"recorded outcome of height {header.height}: {error}") from None
        if _touches_governance(write_set.changes):
            self.governance.refresh()
            self._apply_governance()
        if header.next_epoch != self._epochs_digest(header.epoch):
            self._turn(header)
        self._advance(header, outcome.history_leaf)

    def load(self, state: ExecutorState, tables: Tables, root: Digest) -> None:
        """Go on from a snapshot instead of from genesis; the caller has shown that a quorum named
        its root.

        Raises:
            NotCanonical: it is no snapshot of this service's programs; nothing was changed.
        """
        maps = {name: items for name, items in tables.items() if name[0]}
        sessions = SessionTables.restored(self._chain, self._keyring, state.sessions, tables)
        self._runner.state.check_names(maps)
        self._runner.state.install(maps)
        self._tables, self._header = sessions, state.header
        self._history = merkle.Frontier(state.header.height + 1, state.peaks)
        self._roots = {height: root for height, root, _ in state.recent}
        self._blocks = {height: block for height, _, block in state.recent}
        self.snapshots.go_on(state.due, root)
        settle()
        self.governance.refresh()
        for number in range(1, self.governance.epoch + 1):
            known = self._epochs.description(Epoch(number))
            if known is not None:
                self._keyring.begin(known.epoch, known.public_key_digest)
        self._turn_to_tables()
        self._apply_governance()

    def query(
        self,
        envelope: bytes,
        outcome: bytes | None = None,
        *,
        fresh: FreshPoint | None = None,
        clock_ms: int = 0,
    ) -> bytes | OutcomeWanted:
        """Answer a sealed query on the newest executed state; see Queries.answer."""
        self._runner.at(self._header.height, self._header.time_ms, self._header.epoch)
        return self._queries.answer(envelope, self._header, self.root, outcome, fresh, clock_ms)

    def _execute(self, header: Header, lanes: Sequence[Sequence[bytes]]) -> Outcome:
        return self._come_to(header, lanes, self._open_all)

    def _open_all(self, lanes: Sequence[Sequence[bytes]]) -> _Answers:
        for epoch in self._carried:
            self._runner.begin_epoch(epoch)
        return self._answer_all(lanes)

    def _lose_all(self, lanes: Sequence[Sequence[bytes]]) -> _Answers:
        answers = _Answers()
        for lane in lanes:
            for envelope in lane:
                id = sha256(envelope).digest()
                answers.ids.append(id)
                answers.codes.append(Code.LOST)
                answers.sealed.append(b"")
                answers.leaves.append(leaf_hash(id, Code.LOST, NO_DIGEST, NO_DIGEST))
        return answers

    def _come_to(
        self,
        header: Header,
        lanes: Sequence[Sequence[bytes]],
        answer: Callable[[Sequence[Sequence[bytes]]], _Answers],
    ) -> Outcome:
        self._check_anchor(header)
        terminal = header.next_epoch != self.governance.current.digest
        if terminal:
            self._check_wish(header)
        self._begin(header)
        self._runner.at(header.height, header.time_ms, header.epoch)
        answers = answer(lanes)
        self.governance.end_block(header)
        if terminal:
            compromised = self.governance.ends_compromised
            self.governance.end_epoch(header)
            self._runner.end_epoch(compromised=compromised)
        outcome = self._close(header, answers, sum(sum(map(len, lane)) for lane in lanes))
        if self._touched_governance:
            self._apply_governance()
        if terminal:
            self._turn(header)
        self._advance(header, outcome.history_leaf)
        return outcome

    def _close(self, header: Header, answers: _Answers, envelope_bytes: int) -> Outcome:
        """What a block came to, once all of it has changed the state."""
        root = outcome_root(len(answers.ids), merkle.root_of(answers.leaves))
        write_set = WriteSet(
            self._runner.state.take_changes(),
            *self._tables.take_changes(),
            tuple((identity, tuple(results)) for identity, results in answers.plaintexts.items()),
        )
        self._touched_governance = _touches_governance(write_set.changes)
        wish, rules = self.governance.wish, self.governance.recovery_rules
        return Outcome(
            height=header.height,
            block=header.digest,
            ids=b"".join(answers.ids),
            codes=bytes(answers.codes),
            results=tuple(answers.sealed),
            claims=tuple(answers.claims),
            write_set=self._write_sets_of(header.epoch).seal(
                write_set,
                header.height,
                header.digest,
                root,
                envelope_bytes=envelope_bytes,
            ),
            wish=b""
            if wish is None
            else codec.encode((wish.description.encode(), wish.public_key)),
            snapshot_root=self.snapshots.advance(header.height),
            rules=NO_DIGEST if rules is None else rules.digest,
        ).with_root(root)

    @property
    def _carried(self) -> tuple[Epoch, ...]:
        """The epoch that the newest executed block ended, while programs' boxes are still under its
        input secret: the next block is the first of its epoch and boxes them anew."""
        ended = self._header.epoch
        return (ended,) if ended != self.governance.epoch and self._runner.keeps else ()

    def _recent(self, height: Height) -> tuple[Digest, Milliseconds] | None:
        """What programs may know of a recent block."""
        block = self._blocks.get(height)
        return None if block is None else (block, self.governance.block_ms_at(height))

    def _check_wish(self, terminal: Header) -> None:
        wish = self.governance.wish
        if wish is None or wish.description.digest != terminal.next_epoch:
            raise Diverged(f"block {terminal.height} opens another epoch than this state wishes")

    def _begin(self, header: Header) -> None:
        """What a block's time alone brings about, on whichever way its changes come."""
        self.governance.tick(header)
        if self._tables.pass_time(header.height, header.time_ms):
            self._turn_to_tables()

    def _turn(self, terminal: Header) -> None:
        """The terminal block was executed or applied: its successor's epoch begins."""
        current = self.governance.current
        if current.digest != terminal.next_epoch:
            raise Diverged(
                f"block {terminal.height} opens another epoch than this state has entered"
            )
        self._keyring.begin(current.epoch, current.public_key_digest)
        self._tables.turn(
            current.epoch, terminal.height, Milliseconds(self.governance.grace_until_ms)
        )
        self._turn_to_tables()

    def _turn_to_tables(self) -> None:
        self._intake.turn_to(self._tables.current, self._tables.before)
        self._queries.turn_to(self._tables.current, self._tables.before)

    def _apply_governance(self) -> None:
        """Programs' callers have the roles that governance gave, and name code that a validator
        runs."""
        governance = self.governance
        keys = {validator.node_key for validator in governance.current.validators}
        running = (node.measurement for node in governance.nodes() if node.node_key in keys)
        members = frozenset(digest(key) for key in governance.voters.values())
        watchers = frozenset(digest(key) for key in governance.members.values()) - members
        roles, limits = governance.roles, governance.limits
        self._runner.heed(
            frozenset(map(measurement_digest, running)),
            roles,
            members,
            limits,
            governance.policy,
            watchers,
            governance.rules.program_regions,
            mapped_regions(governance.rules),
        )
        self._admission.heed(roles | governance.held_roles)
        self._snapshot_blocks = limits["snapshot_blocks"]

    def _epochs_digest(self, epoch: Epoch) -> Digest:
        """Of the description of an epoch.

        Raises:
            EpochUnknown: EPOCHS has not shown it.
        """
        description = self._epochs.description(epoch)
        if description is None:
            raise EpochUnknown(epoch)
        return description.digest

    def _write_sets_of(self, epoch: Epoch) -> WriteSetBox:
        return WriteSetBox(self._chain, epoch, self._keyring.of(epoch).write_set_box)

    def _write_sets_at(self, height: Height) -> WriteSetBox:
        return self._write_sets_of(self._epochs.epoch_at(height))

    def _answer_all(self, lanes: Sequence[Sequence[bytes]]) -> _Answers:
        answers, work = _Answers(), PublicWork(len(lanes))
        for lane in lanes:
            work.turn_to_lane()
            for first in range(0, len(lane), SLICE_ENVELOPES):
                self._answer_slice(lane[first : first + SLICE_ENVELOPES], answers, work)
                self._on_slice()
        return answers

    def _answer_slice(
        self, envelopes: Sequence[bytes], answers: _Answers, work: PublicWork
    ) -> None:
        """The hot path: nothing is built or encoded twice per transaction, and each pass does one
        kind of work, which the processor's caches like. See tests/enclave/bench_stages.py."""
        first, ids = len(answers.ids), [sha256(envelope).digest() for envelope in envelopes]
        answers.ids += ids
        ran = self._run_slice(envelopes, ids, first, work)
        codes, results, leaves = answers.codes, answers.sealed, answers.leaves
        plaintexts, prefix = answers.plaintexts, self._result_prefix
        for position, (id, (box, number, plain, claim, identity, kept)) in enumerate(
            zip(ids, ran, strict=True), first
        ):
            if box is None:
                code, sealed = number, plain
            else:
                code = _EXECUTED
                try:
                    sealed = box.seal(number, pad(plain, RESULT_SIZES), prefix + id)
                except OF_THIS_PROCESS:
                    raise
                except Exception:
                    code, sealed, claim, identity = int(Code.INTERNAL), b"", b"", b""
            codes.append(code)
            results.append(sealed)
            told = sha256(sealed).digest() if sealed else NO_DIGEST
            leaves.append(leaf_hash(id, code, told, claim or NO_DIGEST))
            if claim:
                answers.claims.append((position, claim))
            if identity in plaintexts:
                plaintexts[identity].append((position, kept))
            elif identity:
                plaintexts[identity] = [(position, kept)]

    def _run_slice(
        self, envelopes: Sequence[bytes], ids: Sequence[bytes], first: int, work: PublicWork
    ) -> list[_Ran]:
        """Open and run each envelope, one after the other: what one changes, the next one sees."""
        opened, run, ran = self._intake.open, self._runner.run, list[_Ran]()
        for position, envelope in enumerate(envelopes, first):
            id = ids[position - first]
            try:
                identity, keys, sequence, call = opened(envelope, id)
                if call is None:
                    plaintext, claim, kept = OPENED, b"", OPENED
                else:
                    plaintext, claim, kept = run(
                        call, identity, id, keys.blinding, len(envelope), position
                    )
                ran.append((keys.reply, sequence, plaintext, claim, identity, kept))
            except Refused as refused:
                ran.append(_told(refused.code))
            except Public as public:
                ran.append(_told(*self._run_public(public.fields, len(envelope), work)))
            except Presented as presented:
                ran.append(self._hear(presented, id, len(envelope), position, work))
            except OF_THIS_PROCESS:
                raise
            except Exception:
                self._runner.state.roll_back()
                ran.append(_told(Code.INTERNAL))
        return ran

    def _hear(
        self, presented: Presented, id: bytes, size: int, position: int, work: PublicWork
    ) -> _Ran:
        """Somebody who is not admitted presents a token."""
        if not work.take_token():
            return _told(Code.NO_ROOM)
        heard = hear(self._runner, self._intake, presented, id, size, position, self._result_prefix)
        if isinstance(heard, Code):
            return _told(heard)
        identity, sealed, claim, kept = heard
        return None, _EXECUTED, sealed, claim, identity, kept

    def _run_public(
        self, fields: tuple[bytes, bytes, bytes], size: int, work: PublicWork
    ) -> tuple[int, bytes]:
        """A public transaction: its code, and its result, which is not sealed."""
        now = self._runner.now
        facts = BlockFacts(
            height=now[0],
            time_ms=now[1],
            epoch=self.governance.epoch,
            digest_of=self._blocks.get,
            root_of=self._roots.get,
        )
        try:
            if not work.take(action_of(fields[0]), size):
                return int(Code.NO_ROOM), b""
            plain = self.governance.run(fields, facts)
        except Unsigned:
            return int(Code.DOES_NOT_OPEN), b""
        except NotCanonical:
            return int(Code.MALFORMED), b""
        except OF_THIS_PROCESS:
            raise
        except Exception:
            self._runner.state.roll_back()
            return int(Code.INTERNAL), b""
        return int(Code.EXECUTED if codec.decode(plain)[0] else Code.REFUSED), plain

    def _check_follows(self, parent: Header, header: Header) -> None:
        if (
            header.height != parent.height + 1
            or header.parent != parent.digest
            or header.chain != self._chain
        ):
            raise PeerFault(
                f"block {header.height} does not follow the executed block {parent.height}"
            )
        if header.epoch != self.governance.epoch:
            raise PeerFault(
                f"block {header.height} is of epoch {header.epoch}, this is {self.governance.epoch}"
            )
        if header.anchor.height >= header.height:
            raise PeerFault(f"block {header.height} anchors height {header.anchor.height}")

    def _check_anchor(self, header: Header) -> None:
        anchor = header.anchor
        if anchor.height and self._roots.get(anchor.height, anchor.root) != anchor.root:
            raise Diverged(
                f"block {header.height} anchors another history at "
                f"height {anchor.height} than was executed"
            )

    def _advance(self, header: Header, leaf: HistoryLeaf) -> None:
        self._header = header
        self._remember(leaf)
        due = self.snapshots.is_due(header.height, self._snapshot_blocks)
        if due is not None:
            settle()
            self.snapshots.begin(
                self._state_due(due), self._freeze(), self._keyring.of(header.epoch).snapshot_box
            )

    def _state_due(self, due: Height) -> ExecutorState:
        recent = tuple((height, root, self._blocks[height]) for height, root in self._roots.items())
        sessions = self._tables.state()
        return ExecutorState(
            header=self._header,
            peaks=self._history.peaks,
            recent=recent,
            sessions=sessions,
            due=due,
        )

    def _freeze(self) -> list[Table]:
        """Every table as it stands now; what follows changes none of it."""
        maps = (
            Table(program, name, held.count, held.walk, held.keys(), held.values_of, held.release)
            for program, name, held in self._runner.state.freeze()
        )
        return [*maps, *self._tables.freeze()]

    def _remember(self, leaf: HistoryLeaf) -> None:
        self._history.append(leaf.hash)
        self._roots[leaf.height] = self._history.root
        self._blocks[leaf.height] = leaf.block
        for kept in (self._roots, self._blocks):
            kept.pop(Height(leaf.height - ROOTS_KEPT_MAX), None)


def _active(programs: Mapping[str, Program], genesis: VerifiedGenesis) -> dict[str, Program]:
    """The constitution's programs, and governance's maps.

    Raises:
        OperatorFault: this code does not have one of them.
    """
    missing = [name for name in genesis.constitution.programs if name not in programs]
    if missing:
        raise OperatorFault(
            f"the constitution names programs that this enclave has not: {', '.join(missing)}"
        )
    return {governance.name: governance} | {
        name: programs[name] for name in genesis.constitution.programs
    }


def _told(code: int, plain: bytes = b"") -> _Ran:
    """A public answer."""
    return None, code, plain, b"", b"", b""


def _touches_governance(changes: Sequence[tuple[object, ...]]) -> bool:
    return any(change[0] == governance.name for change in changes)
