"""The table of the door: what a host may ask of its enclave. Bytes in, bytes out (DESIGN §2).

A row is an operation: its number, the stages of an enclave's life in which it is answered, the
shapes of its arguments and of its answer, and the method that answers it. Both sides encode and
decode by this table; there is no other. A new operation is a row here, the method in
enclave/member, and the call in node/enclave_client/calls.py.

A frame is a u32 length (big-endian) and that many bytes: a u32 number that the host chose, then a
canonical (operation, arguments) from the host; the same number, then a canonical (outcome, value)
back. Answers come in the order of the requests, but for those to prompt ones: they may come between
two slices of a long execution.
"""

from collections.abc import Callable
from enum import IntEnum, IntFlag, unique
from operator import attrgetter
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import BLOCK_BATCHES_MAX, Header
from strongroom.consensus.epochs import ENTRIES_MAX, EpochEntry
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.messages import StatusBody
from strongroom.consensus.recovery import (
    RECOVERY_MEMBERS_MAX,
    RecoveryCertificate,
    read_finality,
)
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import DIGEST_SIZE, KEY_SIZE, NONCE_SIZE, SIGNATURE_SIZE
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.door.refusals import Refusal, RefusalKind
from strongroom.enclave.door.shapes import (
    BYTES,
    FLAG,
    NOTHING,
    TEXT,
    Either,
    Listed,
    Of,
    Plain,
    Shape,
    Sized,
    Unsigned,
    fields,
)
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.formats.merkle import PATH_MAX
from strongroom.enclave.formats.snapshot import CHUNKS_MAX, HAND_OUT_MAX
from strongroom.enclave.governance.observing import OBSERVED_KEYS_MAX
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.member.stage import ACTIVE, ALWAYS, LEARNING, Need, Stage

FRAME_BYTES_MAX = 64 * 1024 * 1024
LENGTH_BYTES = 4
NUMBER_BYTES = 4
REQUEST_BLOCKS_MAX = 256
"""Blocks of one APPLY, CONFIRM or EXECUTE."""
RECALLED_MAX = 1 << 16
"""Statements of one RECALL."""
CASTS_MAX = 4096
"""Statements of one CAST."""
SANDBOX_RULES_MAX = 32
ENVELOPES_MAX = 64
"""Envelopes of one answer to DUTIES."""


def _statement(wire: object) -> Statement:
    return Statement.from_wire(*codec.fields(wire, int, int, int, bytes, name="statement"))


def _need(wire: int) -> Need:
    try:
        return Need(wire)
    except ValueError:
        raise NotCanonical(f"need: there is none of number {wire}") from None


NONCE = Sized("nonce", NONCE_SIZE)
DIGEST = Sized("digest", DIGEST_SIZE)
KEY = Sized("key", KEY_SIZE)
SIGNATURE = Sized("signature", SIGNATURE_SIZE)
EPOCH = Unsigned("epoch")
VIEW = Unsigned("view")
HEIGHT = Unsigned("height")
BOOT = Unsigned("boot")
TIME_MS = Unsigned("time")
CHUNK = Unsigned("chunk", CHUNKS_MAX)
CHUNK_COUNT = Unsigned("count of chunks", CHUNKS_MAX)
DOCUMENT = Plain("document", tuple)
NEED = Of(Need, int, _need, wire=int)
IDENTITY = Of(Identity, Identity.to_wire, Identity.from_wire)
HEADER = Of(Header, lambda header: header.encoded, Header.decode, wire=bytes)
LEAF = Of(HistoryLeaf, HistoryLeaf.encode, HistoryLeaf.decode, wire=bytes)
BATCH = Of(Batch, Batch.to_wire, Batch.from_wire)
STATEMENT = Of(Statement, Statement.to_wire, _statement)
CERTIFICATE = Of((Certificate, RecoveryCertificate), lambda one: one.to_wire(), read_finality)
STATUS_BODY = Of(StatusBody, StatusBody.to_wire, StatusBody.from_wire)
HEAD_BODY = Of(HeadBody, HeadBody.to_wire, HeadBody.from_wire)
HEAD = Of(Head, Head.to_wire, Head.from_wire)
EPOCH_ENTRY = Of(EpochEntry, EpochEntry.to_wire, EpochEntry.from_wire)

ISSUER_KEY = fields("issuer's key", TEXT, TEXT, TEXT)
HEADERS = Listed(HEADER, REQUEST_BLOCKS_MAX)
BLOCK = fields("block", HEADER, Listed(BATCH, BLOCK_BATCHES_MAX))
RECORDED = fields(
    "recorded block",
    HEADER,
    Listed(BATCH, BLOCK_BATCHES_MAX),
    Either(type(None), NOTHING, CERTIFICATE),
    BYTES,
)
ANSWER_OF_QUERY = fields("answer of a query", BYTES, HEIGHT)


class Trait(IntFlag):
    """What is particular about an operation."""

    JUDGES = 1
    """It carries what other nodes and clients made, and changes nothing until all of it was
    checked: a bug of ours in it is told to the host as a refusal. In any other it ends the process,
    which may have done half of something."""
    FOR_OTHERS = 2
    """It is asked on behalf of clients and peers: the host keeps places in the queue for its own
    votes and blocks."""
    PROMPT = 4
    """It is answered also between two slices of an execution, while all others wait for its end: it
    neither changes nor shows anything of what a block changes."""


JUDGES, FOR_OTHERS, PROMPT = Trait.JUDGES, Trait.FOR_OTHERS, Trait.PROMPT


@unique
class Op(IntEnum):
    """Every request.

    Attributes:
        stages: in which it is answered; in any other it is refused.
        arguments: shape of all its arguments.
        answer: shape of its answer.
        method: what answers it, from a Lifecycle on.
        judges, for_others, prompt: its traits (see Trait), as booleans: an enum's `&` at each
            request costs as much as a small answer.
        answered_by: the method, of a Lifecycle.
    """

    stages: Stage
    arguments: Shape
    answer: Shape
    method: str
    judges: bool
    for_others: bool
    prompt: bool
    answered_by: Callable[[Any], Callable[..., Any]]

    def __new__(cls, number: int, *_columns: Any) -> "Op":
        """An operation is its number."""
        row = int.__new__(cls, number)
        row._value_ = number
        return row

    def __init__(self, _number: int, *columns: Any) -> None:
        """The other columns of a row, in the order of the attributes."""
        self.stages, shapes, self.answer, self.method, *traits = columns
        self.arguments = fields("arguments", *shapes)
        self.judges = any(Trait.JUDGES in one for one in traits)
        self.for_others = any(Trait.FOR_OTHERS in one for one in traits)
        self.prompt = any(Trait.PROMPT in one for one in traits)
        self.answered_by = attrgetter(self.method)

    PREPARE = 1, Stage.EMPTY, (BYTES, IDENTITY), BYTES, "prepare"
    """(constitution, identity) → evidence. Makes the keys."""
    FOUND = (
        2,
        Stage.FOUNDING,
        (BYTES, Listed(BYTES, VALIDATORS_MAX)),
        fields("founding", BYTES, BYTES),
        "found",
    )
    """(constitution, evidences) → (genesis, wraps): only for the validator of lowest node key."""
    ACCEPT = 3, Stage.FOUNDING, (BYTES, BYTES), BYTES, "accept"
    """(genesis, wraps) → sealed state."""
    UNSEAL = 4, Stage.EMPTY, (BYTES, BYTES), BYTES, "unseal"
    """(sealed state, genesis) → sealed state of the next boot; the host stores it before it goes
    on."""
    DESCRIBE = 5, ALWAYS, (), fields("description", BYTES, BYTES), "describe"
    """() → (measurement, chip id): for the operator's deployment statement."""
    WALLS = 6, ALWAYS, (), Listed(fields("wall", TEXT, FLAG, TEXT), SANDBOX_RULES_MAX), "walls"
    """() → ((name, stands, summary) …): what the operating system keeps from this process, and what
    it cannot here."""
    PREPARE_JOIN = 7, Stage.EMPTY, (BYTES, IDENTITY), BYTES, "prepare_join"
    """(genesis, identity) → sealed state of a node to be."""
    SEAL_FOUNDING = 18, Stage.FOUNDING, (), BYTES, "seal_founding"
    """() → sealed keys of PREPARE: a ceremony between organisations outlasts a process."""
    RESUME_FOUNDING = 19, Stage.EMPTY, (BYTES,), NOTHING, "resume_founding"
    """(what SEAL_FOUNDING gave): go on where PREPARE ended."""
    UNSEAL_SUCCESSOR = 8, Stage.EMPTY, (BYTES, BYTES), NONCE, "unseal_successor"
    """(sealed state, genesis) → nonce: the same boot goes on in this process once TAKE_OVER answers
    the nonce."""
    TAKE_OVER = 9, Stage.SUCCESSOR, (BYTES,), BYTES, "take_over"
    """(what HAND_OVER gave for my nonce) → sealed state."""
    LINK_EVIDENCE = 10, ACTIVE, (NONCE,), BYTES, "active.link_evidence", FOR_OTHERS
    """(nonce) → evidence of this boot over the nonce."""
    CHECK_LINK = (
        11,
        ACTIVE,
        (BYTES, NONCE, TIME_MS),
        fields("checked peer", KEY, TEXT, DIGEST, TEXT, FLAG),
        "active.check_link",
        JUDGES | FOR_OTHERS,
    )
    """(evidence, nonce, block time) → (node key, name, tls key, summary, judged): the peer's
    enclave, verified."""
    SIGN_LINK = 12, ACTIVE, (NONCE, DIGEST), SIGNATURE, "active.sign_link"
    """(nonce, listener's tls key) → signature by the node key."""
    SIGN_BATCH = 13, ACTIVE, (DIGEST,), SIGNATURE, "active.sign_batch", PROMPT
    """(batch digest) → signature by the node key."""
    SIGN_STATUS = 14, ACTIVE, (STATUS_BODY,), SIGNATURE, "active.sign_status"
    """(status body) → signature by the node key."""
    SIGN_HEAD = 15, ACTIVE, (HEAD_BODY,), SIGNATURE, "active.sign_head"
    """(head body) → signature by the node key."""
    EPOCHS = 16, LEARNING, (Listed(EPOCH_ENTRY, ENTRIES_MAX),), EPOCH, "learner.extend", JUDGES
    """(entries) → newest epoch known: how later epochs were opened, each proven by the one
    before."""
    ATTEST = 17, ACTIVE, (HEIGHT, DIGEST, TEXT, TEXT), BYTES, "active.attest"
    """(height, block digest there, rpc address, peer address) → public transaction: admission,
    re-attestation, boot."""
    RECALL = 20, ACTIVE, (Listed(STATEMENT, RECALLED_MAX),), NOTHING, "active.recall"
    """(statements): what the log says was cast before this boot; before the first CAST of their
    epoch only."""
    CAST = (
        21,
        Stage.FRESH,
        (Listed(STATEMENT, CASTS_MAX),),
        Listed(SIGNATURE, CASTS_MAX),
        "active.cast",
        PROMPT,
    )
    """(statements of one epoch) → signatures by the vote key; refuses what the guard refuses."""
    FORGET = 22, ACTIVE, (EPOCH, VIEW), NOTHING, "active.forget"
    """(epoch, view): statements up to this final view are never cast again."""
    CHALLENGE = 30, LEARNING, (), NONCE, "learner.challenge"
    """() → nonce."""
    FRESHEN = (
        31,
        LEARNING,
        (Listed(HEAD, VALIDATORS_MAX),),
        fields("freshness", HEIGHT, VIEW, FLAG, EPOCH),
        "learner.freshen",
        JUDGES,
    )
    """(heads over the nonce) → (height, view, may vote, epoch)."""
    KEYS_CHALLENGE = 33, ACTIVE, (), NONCE, "active.keys_challenge", FOR_OTHERS
    """() → nonce for the evidence of a node that asks for secrets."""
    KEYS_PROOF = 34, ACTIVE, (NONCE,), BYTES, "active.keys_proof"
    """(a giver's nonce) → evidence over it that names a one-time key."""
    KEYS_GIVE = (
        35,
        Stage.FRESH,
        (BYTES, NONCE, TIME_MS),
        BYTES,
        "active.keys_give",
        JUDGES | FOR_OTHERS,
    )
    """(evidence, my nonce, block time) → secrets, wrapped to the one-time key; for registered nodes
    only (T29)."""
    KEYS_TAKE = 36, ACTIVE, (BYTES,), BYTES, "active.keys_take", JUDGES
    """(wrapped secrets) → sealed state with them."""
    REFRESH = 37, ACTIVE, (), BYTES, "active.refresh"
    """() → public transaction: asks for a new epoch, after the log was lost."""
    LEAVE = 38, ACTIVE, (), BYTES, "active.leave"
    """() → public transaction: this node leaves."""
    OBSERVE = 80, ACTIVE, (TEXT, Listed(ISSUER_KEY, OBSERVED_KEYS_MAX)), BYTES, "active.observe"
    """(issuer's URL, ((kid, algorithm, JWK) …)) → public transaction: what this node's host saw."""
    APPLY = 40, LEARNING, (HEADERS, Listed(BYTES, REQUEST_BLOCKS_MAX)), NOTHING, "learner.apply"
    """(headers, outcomes): recorded outcomes instead of execution, provisional until CONFIRM."""
    CONFIRM = 41, LEARNING, (HEADERS, CERTIFICATE), NOTHING, "learner.confirm"
    """(headers up to a certified one, certificate): the outcomes applied are those that a quorum
    anchored."""
    EXECUTE = (
        42,
        Stage.FRESH,
        (Listed(BLOCK, REQUEST_BLOCKS_MAX), CERTIFICATE),
        Listed(fields("outcome and root", BYTES, DIGEST), REQUEST_BLOCKS_MAX),
        "active.execute",
    )
    """(((header, batches) …) of one epoch, FINALIZE certificate of the last) → ((outcome, its root)
    …)."""
    QUERY = (
        43,
        Stage.FRESH,
        (BYTES, Either(bytes, BYTES, NOTHING)),
        Either(bytes, BYTES, ANSWER_OF_QUERY),
        "active.query",
        JUDGES | FOR_OTHERS,
    )
    """(envelope, outcome or nil) → (answer, height) or the id of the transaction whose outcome is
    needed."""
    SEAL = 44, ACTIVE, (), BYTES, "active.sealed"
    """() → sealed state with the newest mark, without what is to be erased."""
    DUTIES = (
        45,
        ACTIVE,
        (TIME_MS,),
        fields("duties", BYTES, Listed(BYTES, ENVELOPES_MAX), TIME_MS, NEED),
        "active.duties",
        JUDGES,
    )
    """(wall clock, Unix ms) → (sealed state to be stored first or empty, public transactions to
    submit, deadline in block time or 0, need): what this enclave wants said now."""
    GOVERNANCE = 46, ACTIVE, (), DOCUMENT, "active.governance_document", JUDGES
    """() → everything public of governance and nodes (governance/document.py)."""
    HAND_OVER = 47, ACTIVE, (NONCE,), BYTES, "hand_over"
    """(a successor's nonce) → what it goes on from, sealed to it; this process does nothing
    more."""
    STATUS = (
        50,
        LEARNING,
        (),
        fields("status", HEIGHT, DIGEST, BOOT, FLAG, FLAG, EPOCH, FLAG),
        "learner.status",
    )
    """() → (executed height, history root, boot, fresh, may vote, epoch, its input secret is
    here)."""
    SNAPSHOT = (
        51,
        LEARNING,
        (HEIGHT, CHUNK),
        fields("made chunks", HEIGHT, HEIGHT, CHUNK_COUNT, CHUNK, Listed(BYTES, HAND_OUT_MAX)),
        "learner.snapshot",
    )
    """(height, from chunk) → (height, due, count, first, chunks): sealed chunks made since, zeros
    when there are none. Those of this height below `from chunk` are stored, and dropped here; count
    is 0 until all is encoded; the outcome of height `due` names the root."""
    LOAD = (
        52,
        LEARNING,
        (HEADER, LEAF, Listed(DIGEST, PATH_MAX), HEADER, CERTIFICATE, CHUNK_COUNT),
        NOTHING,
        "learner.load",
    )
    """(header, leaf of the height that names its root, path, certified header, certificate, count):
    begins to take the snapshot of the header's height in, instead of anything executed or
    applied."""
    LOAD_CHUNK = 53, LEARNING, (CHUNK, BYTES), NOTHING, "learner.load_chunk"
    """(index, chunk): the next one."""
    LOAD_END = 54, LEARNING, (), NOTHING, "learner.end_load"
    """(): goes on from the snapshot."""
    DIAGNOSTICS = (
        55,
        Stage.FRESH,
        (TEXT, BYTES),
        fields("act or diagnostics", BYTES, BYTES),
        "active.diagnostics",
        JUDGES | FOR_OTHERS,
    )
    """(grant id, recipient's hybrid key) → (the public transaction `act` to be submitted, or empty;
    diagnostics sealed to the recipient once that act stands, or empty)."""
    RECOVER = 60, Stage.EMPTY, (BYTES, IDENTITY), NOTHING, "recover"
    """(genesis, identity): begins to bring a dead service back (member/recovery.py)."""
    RECOVER_AGAIN = 61, Stage.EMPTY, (BYTES, BYTES), NOTHING, "recover_again"
    """(sealed state of a recovery, genesis): goes on with it; EPOCHS that RECOVER_LEARN shows come
    next."""
    RECOVER_FOLLOW = (
        62,
        Stage.RECOVERING,
        (Listed(RECORDED, REQUEST_BLOCKS_MAX),),
        HEIGHT,
        "recovery.follow",
    )
    """(((header, batches, certificate or nil, outcome or nothing) …) from height 1 on) → height."""
    RECOVER_LEARN = (
        63,
        Stage.RECOVERING,
        (Listed(EPOCH_ENTRY, ENTRIES_MAX),),
        EPOCH,
        "recovery.learn",
        JUDGES,
    )
    """(entries) → newest epoch known, after a restart."""
    RECOVER_SHOW = 64, Stage.RECOVERING, (), fields("shown", BYTES, BYTES), "recovery.show"
    """() → (sealed state, evidence over what the ledger said)."""
    RECOVER_PLAN = (
        65,
        Stage.RECOVERING,
        (Listed(BYTES, VALIDATORS_MAX), TIME_MS),
        fields("planned", BYTES, BYTES, BYTES),
        "recovery.plan",
    )
    """(everyone's evidence, wall clock) → (sealed state, plan, generation of shares): as the
    lead."""
    RECOVER_JOIN = 66, Stage.RECOVERING, (BYTES,), BYTES, "recovery.join"
    """(plan) → sealed state: as one of the others."""
    RECOVER_TAKE = (
        67,
        Stage.RECOVERING,
        (BYTES,),
        fields("taken", BYTES, TEXT, Unsigned("missing", RECOVERY_MEMBERS_MAX)),
        "recovery.take",
        JUDGES,
    )
    """(a member's share) → (sealed state, its name, how many are missing)."""
    RECOVER_STATUS = (
        68,
        Stage.RECOVERING,
        (),
        fields(
            "status of a recovery",
            *(HEIGHT, FLAG, Unsigned("threshold", RECOVERY_MEMBERS_MAX)),
            *(Listed(TEXT, RECOVERY_MEMBERS_MAX), Listed(TEXT, RECOVERY_MEMBERS_MAX), FLAG),
        ),
        "recovery.tell",
    )
    """() → (height, is there a plan?, k, members, those who gave, opened?)."""
    RECOVER_OPEN = (
        69,
        Stage.RECOVERING,
        (),
        fields(
            "opened",
            CERTIFICATE,
            Listed(fields("handed", KEY, BYTES), VALIDATORS_MAX),
        ),
        "recovery.open",
    )
    """() → (certificate, ((node key, what that enclave needs) …)): with k shares, as the lead."""
    RECOVER_RECEIVE = (
        70,
        Stage.RECOVERING,
        (CERTIFICATE, BYTES),
        fields("received", BYTES, CERTIFICATE),
        "recovery.receive",
    )
    """(certificate, what the lead handed over) → (sealed state, certificate with its evidence): as
    one of the others."""
    RECOVER_APPLY = (
        72,
        Stage.RECOVERING,
        (HEADERS, Listed(BYTES, REQUEST_BLOCKS_MAX)),
        HEIGHT,
        "recovery.apply",
    )
    """(headers, outcomes) → height: recorded outcomes from height 1 on."""
    RECOVER_LOSE = (
        73,
        Stage.RECOVERING,
        (Listed(BLOCK, REQUEST_BLOCKS_MAX),),
        Listed(BYTES, REQUEST_BLOCKS_MAX),
        "recovery.lose",
    )
    """(blocks above, which nobody executed) → their outcomes, in which all is refused."""
    RECOVER_END = 74, Stage.RECOVERING, (), fields("ended", BYTES, BYTES), "recovery.end"
    """() → (outcome of the block that members agreed to, sealed state of a node)."""


_OPERATIONS = {int(op): op for op in Op}


class Ending(IntEnum):
    """Exit status of an enclave's process: the only thing that it says when it ends."""

    DOOR_CLOSED = 0
    NOT_STARTED = 2
    INVARIANT_BROKEN = 70
    OUT_OF_MEMORY = 71
    UNEXPECTED = 72
    DIVERGED = 73

    @property
    def text(self) -> str:
        """What it means, for an operator."""
        return _ENDINGS[self]


_ENDINGS = {
    Ending.DOOR_CLOSED: "its door was closed",
    Ending.NOT_STARTED: "it did not start",
    Ending.INVARIANT_BROKEN: "it found a contradiction in itself, which is a bug of ours",
    Ending.OUT_OF_MEMORY: "it used all the memory that it may",
    Ending.UNEXPECTED: "an error that nothing had foreseen, which is a bug of ours",
    Ending.DIVERGED: (
        "a final block anchors another history than it executed: "
        "compare its outcomes with other nodes'"
    ),
}


def encode_request(op: Op, *arguments: object) -> bytes:
    """One request, without its length; the arguments are fields for the codec."""
    return codec.encode((int(op), arguments))


def decode_request(data: bytes) -> tuple[Op, tuple[Any, ...]]:
    """Read one request.

    Raises:
        NotCanonical: not a request.
    """
    number, arguments = codec.fields(
        codec.decode(data, size_max=FRAME_BYTES_MAX), int, tuple, name="request"
    )
    op = _OPERATIONS.get(number)
    if op is None:
        raise NotCanonical(f"request: no operation {number}")
    return op, arguments


def encode_answer(value: object) -> bytes:
    """An answer, without its length."""
    return codec.encode((True, value))


def encode_refusal(kind: RefusalKind, reason: str, text: str) -> bytes:
    """A refusal; its text comes from public facts only (T09)."""
    return codec.encode((False, (int(kind), reason, text)))


def decode_answer(data: bytes) -> object:
    """The answer's value, as fields of the codec.

    Raises:
        Refusal: the enclave refused.
        NotCanonical: not an answer.
    """
    value = codec.decode(data, size_max=FRAME_BYTES_MAX)
    if type(value) is not tuple or len(value) != 2 or type(value[0]) is not bool:
        raise NotCanonical("answer: expected (outcome, value)")
    if value[0]:
        answer: object = value[1]
        return answer
    number, reason, text = codec.fields(value[1], int, str, str, name="refusal")
    try:
        kind = RefusalKind(number)
    except ValueError:
        raise NotCanonical(f"refusal: no kind {number}") from None
    raise Refusal(kind, reason, text)
