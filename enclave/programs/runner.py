"""Runs programs so that nothing they do can hurt: each operation stands whole or not at all, and
never halts a node.

Owns the order of checks before a program sees anything (T02), the step budget (T11), rolling back,
and the plaintext of results. Deterministic: the same calls on the same state give the same bytes on
every replica.
"""

from collections.abc import Callable, Mapping
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import InvariantBroken, NotCanonical
from strongroom.consensus.types import FIRST_EPOCH, Epoch, Height, Milliseconds
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.contained import OF_THIS_PROCESS
from strongroom.enclave.formats.outcome import Code, claim_digest
from strongroom.enclave.formats.reading import read_call
from strongroom.enclave.formats.size_classes import ANSWER_SIZES, RESULT_SIZES
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs.framework import (
    NO_ROOM,
    Context,
    Operation,
    Program,
    ProgramError,
    RecordedRefusal,
    Surroundings,
    Turn,
)
from strongroom.enclave.programs.grants import HELD_ROLES
from strongroom.enclave.programs.people import people
from strongroom.enclave.programs.regions import Rules as RegionRules
from strongroom.enclave.programs.regions import by_operation, check_caller
from strongroom.enclave.programs.roster import roster
from strongroom.enclave.programs.schema import ArgumentFault
from strongroom.enclave.programs.state import BudgetExceeded, NoRoom, State

STEPS_MAX = 20_000
"""Of one transaction: accesses to state and items scanned. A full `transfer_many` takes 10,000."""
STEP_BYTES = 4
"""An envelope brings its transaction a step for so many of its bytes, whatever others do: a payment
takes 10 of its 58, a `transfer_many` to identities all of its own. A step takes 1 µs."""
STEPS_SHARED_MAX = 256 * 1024
"""Steps beyond that which the transactions of one block may take together, first come, first
served, whether they succeed or fail: else a block of calls that name a thousand things in a few
bytes each stops every replica for as long as its sender likes (T11)."""
QUERY_STEPS_MAX = 50_000
WRITES_PER_BYTE = 3
"""Bytes of changes that a transaction may leave for each byte of its envelope, whatever others do:
a payment leaves one. So no block's outcome outgrows what a message carries: it would end every
host, at each replay anew (T11)."""
WRITES_SHARED_MAX = 2 * 1024 * 1024
"""Bytes beyond that which the transactions of one block may leave together, first come, first
served: a thousand accounts take 100 KiB, whose labels take four."""
ERROR_TEXT_BYTES_MAX = 100
"""Code and message together: what fails has a result of the smallest size class, like most that
succeeds (T08, T09)."""
_ANSWER_HEAD_BYTES_MAX = 1024
"""What stands beside the value in an answer, and more."""
_CUT = "…"
_INTERNAL = ProgramError("internal", "the program failed; nothing was changed")
_NOT_HEARD = ProgramError("not admitted", "")
OPENED = codec.encode_value((True, None, None))
"""The result of an opening that carries no call."""
_TURN_STEPS = 1 << 40
"""Of a program at the turn of an epoch: its boxes are counted when they are made."""
_NOTE_STEPS = 16
"""Of counting a use: one look and one change."""
_NOBODY = b""
"""Between two callers: what is judged beside programs (who may open a session) knows nobody."""
_Operations = dict[tuple[str, str], Operation]


class OutcomeNeeded(Exception):
    """A query asks for the recorded result of a transaction whose outcome is not at hand."""

    def __init__(self, id: bytes) -> None:
        super().__init__()
        self.id = id


class Runner:
    """All programs, their state, and what is known of callers."""

    def __init__(
        self, programs: Mapping[str, Program], surroundings: Surroundings | None = None
    ) -> None:
        programs = {roster.name: roster} | dict(programs)
        self.state = State([schema for program in programs.values() for schema in program.maps])
        self._measurements: frozenset[bytes] = frozenset()
        self._shared = WRITES_SHARED_MAX
        self._steps = STEPS_SHARED_MAX
        """What is left of both to the block at hand."""
        self._context = Context(self.state)
        self._context.surroundings = surroundings
        self._context.knows_people = people.name in programs
        self._context.held = self.state.maps.get(HELD_ROLES)
        self._turns: list[tuple[str, Turn]] = [
            (program.name, program.turn) for program in programs.values() if program.turn
        ]
        self._bearing = next(
            ((one.name, one.bearing) for one in programs.values() if one.bearing), None
        )
        self._context.bearing = self._bearing and self._bearing[1]
        self._stands: Callable[[], bool] | None = None
        """Of somebody who is not admitted: is he, after this call?"""
        self._programs = frozenset(programs)
        self._transactions: _Operations = {}
        self._queries: _Operations = {}
        self._regions: dict[tuple[str, str], frozenset[str]] = {}
        """Regions from which an operation may be called, where a rule binds it."""
        for program in programs.values():
            self._transactions |= {
                (program.name, name): found for name, found in program.transactions.items()
            }
            self._queries |= {
                (program.name, name): found for name, found in program.queries.items()
            }

    def heed(
        self,
        measurements: frozenset[bytes],
        roles: frozenset[tuple[str, str, bytes]],
        members: frozenset[bytes],
        limits: Mapping[str, int],
        attestation: Policy | None = None,
        watchers: frozenset[bytes] = frozenset(),
        regions: RegionRules = (),
        mapped: frozenset[str] = frozenset(),
    ) -> None:
        """From now on: take calls for these measurements, from callers with these roles (program,
        role, identity).

        Members and watchers are identities, of those who vote and those who do not; limits are
        governance's, by name; `attestation` is what it demands of enclaves; `regions` are its
        rules of places, and `mapped` those of which any issuer speaks.
        """
        self._measurements = measurements
        context = self._context
        context.roles, context.members, context.limits = roles, members, limits
        context.watchers = watchers
        if attestation is not None and attestation != context.attestation:
            whose = (attestation.roots, attestation.revoked, attestation.operators)
            where = (attestation.allow_simulated, attestation.countries)
            context.believed = digest(codec.encode((*whose, *where)))
            context.countries = dict(attestation.countries)
        context.attestation = attestation
        operations = (*self._transactions, *self._queries)
        self._regions = by_operation(regions, operations, context.countries)
        context.mapped = mapped if context.knows_people else frozenset()

    @property
    def context(self) -> Context:
        """What programs see of the world, for the roster's decisions between them."""
        return self._context

    def presents(self, call: bytes) -> str | None:
        """The issuer whose token this call presents; None when it is another call."""
        if self._bearing is None:
            return None
        try:
            program, _, name, arguments = read_call(call)
        except NotCanonical:
            return None
        named = arguments[0] if arguments else None
        asked = (program, name) == (self._bearing[0], self._bearing[1].presents)
        return named if asked and type(named) is str else None

    def hear(self, *call: Any, stands: Callable[[], bool]) -> tuple[bytes, bytes, bytes] | Code:
        """Execute a call, as `run` does, of somebody who is admitted only if `stands` says so
        afterwards. If not, or if it fails, nothing of it stands: why is a public code."""
        self._stands = stands
        try:
            plaintext, claim, kept = self.run(*call)
        finally:
            self._stands = None
        ok, told, _ = codec.decode_value(plaintext)
        if ok:
            return plaintext, claim, kept
        return Code.NO_ROOM if told[0] == NO_ROOM else Code.NOT_ADMITTED

    @property
    def now(self) -> tuple[Height, Milliseconds]:
        """Height and block time that programs see."""
        return self._context.height, self._context.time_ms

    def at(self, height: Height, time_ms: Milliseconds, epoch: Epoch = FIRST_EPOCH) -> None:
        """Programs see this height, block time and epoch from now on."""
        context = self._context
        context.height, context.time_ms, context.epoch = height, time_ms, epoch
        context.enter(_NOBODY)
        self._shared, self._steps = WRITES_SHARED_MAX, STEPS_SHARED_MAX

    @property
    def keeps(self) -> bool:
        """Are there boxes in the state, to be carried into the next epoch?"""
        return any(self.state.maps[turn.boxes].count for _, turn in self._turns)

    def end_epoch(self, *, compromised: bool) -> None:
        """At the end of a terminal block; what it changes stands in the block's write set."""
        for name, turn in self._turns:
            self._turn_to(name)
            turn.ends(self._context, compromised)
            self.state.commit()

    def begin_epoch(self, before: Epoch) -> None:
        """Before the transactions of an epoch's first block; the same.

        Raises:
            KeysNeeded: the input secret of the epoch before, or of this one, is not here.
        """
        for name, turn in self._turns:
            self._turn_to(name)
            turn.begins(self._context, before)
            self.state.commit()

    def lose_secrets(self) -> None:
        """The epoch ends by a recovery: what stood in boxes under its input secret is gone; what
        that changes stands in the block's write set."""
        for name, turn in self._turns:
            self._turn_to(name)
            turn.loses(self._context)
            self.state.commit()

    def _turn_to(self, program: str) -> None:
        self._context.enter(b"")
        self._context.program, self._context.position = program, 0
        self.state.meter.left = _TURN_STEPS

    def run(
        self,
        call: bytes,
        identity: bytes,
        id: bytes,
        blinding: Callable[[bytes], bytes],
        envelope_bytes: int,
        position: int = 0,
    ) -> tuple[bytes, bytes, bytes]:
        """Execute one transaction: (plaintext of its result, claim digest or nothing, what the
        ledger keeps of the plaintext).

        The result is (True, value, blinding or nil) or (False, (code, message), nil), to be padded
        and sealed. Of what is given once, (nil, its SHA-256, nil) is kept.
        """
        context, state = self._context, self.state
        context.enter(identity)
        context.position = position
        meter, own_steps = state.meter, envelope_bytes // STEP_BYTES
        steps = own_steps + self._steps
        if steps > STEPS_MAX:
            steps = STEPS_MAX
        meter.left = steps
        try:
            ok, value = self._decide(call)
            self._note_use()
            if context.claimed is None:
                blind, claim = None, b""
            else:
                blind = blinding(id)
                claim = claim_digest(blind, context.claimed)
            plaintext = codec.encode_value((ok, value, blind))
            if len(plaintext) >= RESULT_SIZES[-1]:
                raise ProgramError(
                    "result too large", f"{len(plaintext)} bytes, at most {RESULT_SIZES[-1] - 1}"
                )
            own = WRITES_PER_BYTE * envelope_bytes
            over = state.commit(own + self._shared) - own
            if over > 0:
                self._shared -= over
        except OF_THIS_PROCESS:
            raise
        except Exception as error:
            state.roll_back()
            self._note_failed_use()
            if type(error) is BudgetExceeded and steps < STEPS_MAX:
                error = NoRoom()
            failed = codec.encode_value((False, _told(_as_program_error(error)), None))
            return failed, b"", failed
        finally:
            over = steps - meter.left - own_steps
            if over > 0:
                self._steps = max(0, self._steps - over)
        if context.once:
            return plaintext, claim, codec.encode_value((None, digest(plaintext), None))
        return plaintext, claim, plaintext

    def ask(
        self, call: bytes, identity: bytes, recorded: Callable[[bytes], Any], clock_ms: int = 0
    ) -> tuple[bool, Any]:
        """Answer one query: (True, value) or (False, (code, message)). State stays as it is.

        Raises:
            OutcomeNeeded: `recorded` raised it.
        """
        self._context.enter(identity, recorded, clock_ms)
        self.state.meter.left = QUERY_STEPS_MAX
        try:
            value = self._perform(self._queries, call)
            size = len(codec.encode_value(value))
            if size > ANSWER_SIZES[-1] - _ANSWER_HEAD_BYTES_MAX:
                raise ProgramError("result too large", f"{size} bytes: ask for less at a time")
            return True, value
        except (MemoryError, InvariantBroken, OutcomeNeeded):
            raise
        except Exception as error:
            failed = _as_program_error(error)
            return False, (failed.code, failed.message)
        finally:
            self.state.roll_back()
            self._context.enter(_NOBODY)  # a block knows nothing of who asked, and when

    def _decide(self, call: bytes) -> tuple[bool, Any]:
        """(True, value), or (False, (code, message)) of a refusal whose record is to stand."""
        try:
            value = self._perform(self._transactions, call)
        except RecordedRefusal as refused:
            if self._stands is not None:
                raise _NOT_HEARD from None
            self._context.claimed, self._context.once = None, False
            return False, _told(_cut(refused.code, refused.message))
        if self._stands is not None and not self._stands():
            raise _NOT_HEARD
        return True, value

    def _perform(self, operations: _Operations, call: bytes) -> Any:
        program, measurement, name, arguments = read_call(call)
        if program not in self._programs:
            raise ProgramError(
                "unknown program", f"this service runs {', '.join(sorted(self._programs))}"
            )
        if measurement not in self._measurements:
            raise ProgramError(
                "other measurement", "the call is for another enclave's code than this service runs"
            )
        named = (program, name)
        operation = operations.get(named) or self._recorded_read(program, name)
        regions = self._regions.get(named)
        if operation is None:
            raise ProgramError("unknown operation", f"{program} has no such operation of this kind")
        self._context.program = program
        if regions is not None:
            check_caller(self._context, regions)
        return operation.function(self._context, **operation.bind(arguments))

    def _recorded_read(self, program: str, name: str) -> Operation | None:
        """A query that comes as a transaction: for who holds a role of its program by a grant."""
        context = self._context
        if context.held is None or context.is_query:
            return None
        if not context.held.scan(prefix=(context.identity, program), limit=1):
            return None
        return self._queries.get((program, name))

    def _note_use(self) -> None:
        """A role that is held by a grant was needed: it is counted in public."""
        context = self._context
        if context.by_grant is None or context.held is None:
            return
        held = context.held.get(context.by_grant)
        if held is not None:
            until_ms, id, uses, _ = held
            context.held.put(context.by_grant, (until_ms, id, uses + 1, context.time_ms))

    def _note_failed_use(self) -> None:
        """A call that failed has told something too, and it is the use alone that stands of it.

        Its bytes are fewer than those that any envelope brings (WRITES_PER_BYTE).
        """
        if self._context.by_grant is None or self._stands is not None:
            return
        meter = self.state.meter
        left, meter.left = meter.left, _NOTE_STEPS
        try:
            self._note_use()
            self.state.commit()
        finally:
            meter.left = left


def _told(error: ProgramError) -> tuple[str, str]:
    return error.code, error.message


def _as_program_error(error: Exception) -> ProgramError:
    """What the caller reads. A program's own bug shows no detail, so that every replica says the
    same."""
    match error:
        case ProgramError():
            return _cut(error.code, error.message)
        case ArgumentFault():
            return _cut("arguments", str(error))
        case NotCanonical():
            return ProgramError("malformed call", "the sealed bytes are no call")
        case BudgetExceeded():
            return ProgramError(
                "budget exceeded", f"more than {STEPS_MAX} steps: do less at a time"
            )
        case NoRoom():
            return ProgramError(
                NO_ROOM, "others filled this block: nothing was changed, send it again"
            )
        case _:
            return _INTERNAL


def _cut(code: str, message: str) -> ProgramError:
    """An error whose text is as long as it may be; what is no text is our own program's bug."""
    try:
        room = ERROR_TEXT_BYTES_MAX - len(code.encode())
        text = message.encode()
    except (AttributeError, UnicodeEncodeError):
        return _INTERNAL
    if len(text) <= room:
        return ProgramError(code, message)
    shortened = max(0, room - len(_CUT.encode()))
    return (
        ProgramError(code, text[:shortened].decode(errors="ignore") + _CUT)
        if shortened
        else _INTERNAL
    )
