"""The vocabulary of the door: what a host may ask of its enclave. Bytes in, bytes out (DESIGN §2).

A frame is a u32 length (big-endian) and that many bytes: a canonical (operation, arguments) from
the host, a canonical (outcome, value) back, in the order of the requests. Both sides import this
page; there is no other.
"""

from enum import IntEnum
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, StrongroomError

FRAME_BYTES_MAX = 64 * 1024 * 1024
LENGTH_BYTES = 4
UNFORESEEN = "Unforeseen"
"""Kind of the refusal that is a bug of ours, met while others' bytes were judged: an alarm."""


class Op(IntEnum):
    """Every request, with its arguments and its answer."""

    PREPARE = 1
    """(constitution, name, operator, region, tls key, deployment, operator signature) → evidence.
    Makes the keys."""
    FOUND = 2
    """(constitution, evidences) → (genesis, wraps): only for the validator of lowest node key."""
    ACCEPT = 3
    """(genesis, wraps) → sealed state."""
    UNSEAL = 4
    """(sealed state, genesis) → sealed state of the next boot; the host stores it before it goes
    on."""
    DESCRIBE = 5
    """() → (measurement, chip id): for the operator's deployment statement."""
    WALLS = 6
    """() → ((name, stands, words) …): what the operating system keeps from this process, and what
    it cannot here."""
    PREPARE_JOIN = 7
    """(genesis, name, operator, region, tls key, deployment, operator signature) → sealed state of
    a node to be."""
    UNSEAL_SUCCESSOR = 8
    """(sealed state, genesis) → nonce: the same boot goes on in this process once TAKE_OVER answers
    the nonce."""
    TAKE_OVER = 9
    """(what HAND_OVER gave for my nonce) → sealed state."""
    LINK_EVIDENCE = 10
    """(nonce) → evidence of this boot over the nonce."""
    CHECK_LINK = 11
    """(evidence, nonce, block time) → (node key, name, tls key, words, judged): the peer's enclave,
    verified."""
    SIGN_LINK = 12
    """(nonce, listener's tls key) → signature by the node key."""
    SIGN_BATCH = 13
    """(batch digest) → signature by the node key."""
    SIGN_STATUS = 14
    """(status body) → signature by the node key."""
    SIGN_HEAD = 15
    """(head body) → signature by the node key."""
    EPOCHS = 16
    """(entries) → newest epoch known: how later epochs were opened, each proven by the one
    before."""
    ATTEST = 17
    """(height, block digest there, rpc address, peer address) → public transaction: admission,
    re-attestation, boot."""
    RECALL = 20
    """(statements): what the log says was cast before this boot; before the first CAST of their
    epoch only."""
    CAST = 21
    """(statements of one epoch) → signatures by the vote key; refuses what the guard refuses."""
    FORGET = 22
    """(epoch, view): statements up to this final view are never cast again."""
    CHALLENGE = 30
    """() → nonce."""
    FRESHEN = 31
    """(heads over the nonce) → (height, view, may vote, epoch)."""
    KEYS_CHALLENGE = 33
    """() → nonce for the evidence of a node that asks for secrets."""
    KEYS_PROOF = 34
    """(a giver's nonce) → evidence over it that names a one-time key."""
    KEYS_GIVE = 35
    """(evidence, my nonce, block time) → secrets, wrapped to the one-time key; for registered nodes
    only (T29)."""
    KEYS_TAKE = 36
    """(wrapped secrets) → sealed state with them."""
    REFRESH = 37
    """() → public transaction: asks for a new epoch, after the log was lost."""
    LEAVE = 38
    """() → public transaction: this node leaves."""
    APPLY = 40
    """(headers, outcomes): recorded outcomes instead of execution, provisional until CONFIRM."""
    CONFIRM = 41
    """(headers up to a certified one, certificate): the outcomes applied are those that a quorum
    anchored."""
    EXECUTE = 42
    """(((header, batches) …) of one epoch, FINALIZE certificate of the last) → ((outcome, its root)
    …)."""
    QUERY = 43
    """(envelope, outcome or nil) → (answer, height) or the id of the transaction whose outcome is
    needed."""
    SEAL = 44
    """() → sealed state with the newest mark, without what is to be erased."""
    DUTIES = 45
    """(wall clock, Unix ms) → (sealed state to be stored first or empty, public transactions to
    submit, deadline in block time or 0, need): what this enclave wants said now. Needs: keys,
    attest, successor, superseded, or empty."""
    GOVERNANCE = 46
    """() → everything public of governance and nodes (governance/document.py)."""
    HAND_OVER = 47
    """(a successor's nonce) → what it goes on from, sealed to it; this process does nothing
    more."""
    STATUS = 50
    """() → (executed height, history root, boot, fresh, may vote, epoch, its input secret is
    here)."""
    SNAPSHOT = 51
    """(height, from chunk) → (height, due, count, first, chunks): sealed chunks made since, zeros
    when there are none. Those of this height below `from chunk` are stored, and dropped here; count
    is 0 until all is encoded; the outcome of height `due` names the root."""
    LOAD = 52
    """(header, leaf of the height that names its root, path, certified header, certificate, count):
    begins to take the snapshot of the header's height in, instead of anything executed or
    applied."""
    LOAD_CHUNK = 53
    """(index, chunk): the next one."""
    LOAD_END = 54
    """(): goes on from the snapshot."""


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


class Refusal(StrongroomError):
    """The enclave refused a request; carries the class and text of its reason.

    Attributes:
        kind: class name of the enclave's error, e.g. ``AttestationError``.
        reason: stable reason code when it has one.
    """

    def __init__(self, kind: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.reason = kind, reason


def encode_request(op: Op, *arguments: object) -> bytes:
    """One request, without its length."""
    return codec.encode((int(op), arguments))


def decode_request(data: bytes) -> tuple[Op, tuple[object, ...]]:
    """Read one request.

    Raises:
        NotCanonical: not a request.
    """
    number, arguments = codec.fields(
        codec.decode(data, size_max=FRAME_BYTES_MAX), int, tuple, name="request"
    )
    try:
        return Op(number), arguments
    except ValueError:
        raise NotCanonical(f"request: no operation {number}") from None


def encode_answer(value: object) -> bytes:
    """An answer, without its length."""
    return codec.encode((True, value))


def encode_refusal(error: StrongroomError) -> bytes:
    """A refusal; its text comes from public facts only (T09)."""
    return codec.encode(
        (False, (type(error).__name__, str(getattr(error, "reason", "")), str(error)))
    )


def decode_answer(data: bytes) -> object:
    """The answer's value.

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
    raise Refusal(*codec.fields(value[1], str, str, str, name="refusal"))


def check_nothing(arguments: tuple[Any, ...], name: str) -> None:
    """Check that a request has no arguments.

    Raises:
        NotCanonical: it has some.
    """
    codec.fields(arguments, name=name)


def byte_strings(value: object, *, name: str, count_max: int) -> list[bytes]:
    """Check a list of byte strings.

    Raises:
        NotCanonical: something else, or too many.
    """
    listed = codec.listed(value, name=name, count_max=count_max)
    if any(type(item) is not bytes for item in listed):
        raise NotCanonical(f"{name}: expected byte strings")
    return list(listed)
