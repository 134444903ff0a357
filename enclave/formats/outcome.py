"""What a block came to: a leaf per envelope, sealed results, the sealed write set. All of it may be
seen by anyone.

Owns these bytes and their digests. Every digest is of ciphertext or of blinded bytes (T14). Made in
executor.py; hosts store it, read it with the accessors here, and build receipts from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import sha256
from struct import Struct

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import BLOCK_BYTES_MAX
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.history import with_rules
from strongroom.consensus.types import DIGEST_SIZE, NO_DIGEST, Digest, Height, TransactionId
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.history import HistoryLeaf

VERSION = 3
"""3: the history leaf covers the wish; codes 9 to 12."""
LEAF_PREFIX = labels.LEAF + b"\x00"
_LEAF_HEAD = b"\x00" + LEAF_PREFIX
LEAF_SIZE = 3 * DIGEST_SIZE + 1
LEAVES_MAX = BLOCK_BYTES_MAX
"""An envelope takes at least one byte of its block."""


class Code(IntEnum):
    """What became of an envelope. All but EXECUTED are public refusals: nothing is changed, nothing
    sealed (T07)."""

    EXECUTED = 0
    DUPLICATE = 1
    OUTSIDE_WINDOW = 2
    UNKNOWN_SESSION = 3
    DOES_NOT_OPEN = 4
    WRONG_EPOCH = 5
    MALFORMED = 6
    SESSIONS_FULL = 7
    REFUSED = 8
    """A public transaction that governance refuses; its result says why, in plain."""
    INTERNAL = 9
    """An error that nothing had foreseen, a bug of ours: undone, and told here to everybody, rather
    than an end."""
    NOT_ADMITTED = 10
    """It opens a session for an identity that is not on the roster."""
    TOO_MANY_SESSIONS = 11
    """It opens a session for an identity that has opened as many in this epoch as it may."""
    NO_ROOM = 12
    """A public transaction for which its block had no work left; nothing of it was judged, so it
    may be ordered again (enclave/execution/public_work.py)."""
    LOST = 13
    """It was ordered, and nobody had executed it when its epoch's enclaves were lost: after a
    recovery nobody can open it (VAULT §7)."""

    @property
    def text(self) -> str:
        """The name that interfaces show."""
        return _TEXTS[self]


_TEXTS = {
    Code.EXECUTED: "executed",
    Code.DUPLICATE: "duplicate",
    Code.OUTSIDE_WINDOW: "outside the window",
    Code.UNKNOWN_SESSION: "unknown session",
    Code.DOES_NOT_OPEN: "does not open",
    Code.WRONG_EPOCH: "wrong epoch",
    Code.MALFORMED: "malformed",
    Code.SESSIONS_FULL: "sessions full",
    Code.REFUSED: "refused",
    Code.INTERNAL: "internal",
    Code.NOT_ADMITTED: "not admitted",
    Code.TOO_MANY_SESSIONS: "too many sessions",
    Code.NO_ROOM: "no room",
    Code.LOST: "lost",
}
CODE_MAX = max(Code)
_FIELDS = 10
"""Of an outcome without recovery rules."""
_WITH_RESULT = frozenset({Code.EXECUTED, Code.REFUSED})
_CODES = bytes(Code)
_CODE_BYTES = tuple(bytes((code,)) for code in Code)
_STANDS = bytes(code in _WITH_RESULT for code in range(256))
"""1 for a code with which a result stands."""
_ID = Struct(f"{DIGEST_SIZE}s")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One envelope's line in the outcome; its position is its index in the tree."""

    id: TransactionId
    code: Code
    result_digest: Digest
    """SHA-256 of the sealed result; zeros for a refusal."""
    claim_digest: Digest
    """SHA-256(label ‖ 0 ‖ blinding ‖ claim); zeros when the transaction made no claim."""

    def encode(self) -> bytes:
        """Id[32] ‖ code[1] ‖ result digest[32] ‖ claim digest[32]."""
        return self.id + bytes((self.code,)) + self.result_digest + self.claim_digest

    @classmethod
    def decode(cls, data: bytes) -> "Leaf":
        """Read the binary layout.

        Raises:
            NotCanonical: of another size, or an unknown code.
        """
        codec.sized(data, LEAF_SIZE, name="leaf")
        if data[32] > CODE_MAX:
            raise NotCanonical(f"leaf: no code {data[32]}")
        return cls(TransactionId(data[:32]), Code(data[32]), Digest(data[33:65]), Digest(data[65:]))

    @property
    def hash(self) -> Digest:
        """Its leaf hash in the outcome tree: over label ‖ 0 ‖ layout."""
        return merkle.leaf_hash(LEAF_PREFIX + self.encode())


def leaf_hash(id: bytes, code: int, result_digest: bytes, claim_digest: bytes) -> bytes:
    """`Leaf.hash` without the Leaf: one for each transaction, wherever a block passes by."""
    parts = (_LEAF_HEAD, id, _CODE_BYTES[code], result_digest, claim_digest)
    return sha256(b"".join(parts)).digest()


def outcome_root(count: int, tree_root: Digest) -> Digest:
    """Binds the number of leaves to the tree, so that a proof's index means one position only."""
    return labels.labelled_digest(labels.OUTCOME, count.to_bytes(4, "big") + tree_root)


def record_digest(write_set: bytes, wish: bytes, rules: Digest = NO_DIGEST) -> Digest:
    """What a history leaf says of the parts of an outcome that no leaf of its own tree covers.

    SHA-256 of the sealed write set; where the state wishes a next epoch, labelled SHA-256 over that
    and the wish's own; where recovery rules stand, `with_rules` over that and theirs. A sealed
    write set is longer than 1 KiB, what a label begins is not: so none stands for another, and
    whoever serves outcomes can neither leave a wish or rules out, nor add or change them.
    """
    digest = Digest(sha256(write_set).digest())
    if wish:
        digest = labels.labelled_digest(labels.WISH, digest + sha256(wish).digest())
    return digest if rules == NO_DIGEST else with_rules(digest, rules)


def claim_digest(blinding: bytes, claim: bytes) -> Digest:
    """The public digest of a claim; without the 32 blinding bytes no guess can be tried against it
    (T14)."""
    return labels.labelled_digest(labels.CLAIM, blinding + claim)


@dataclass(frozen=True)
class Outcome:
    """The record of one executed height."""

    height: Height
    block: Digest
    """Of the block's header."""
    ids: bytes
    """Transaction ids of all envelopes in execution order, 32 bytes each."""
    codes: bytes
    """One Code each."""
    results: tuple[bytes, ...]
    """Sealed, one each; empty for a refusal."""
    claims: tuple[tuple[int, bytes], ...]
    """(position, claim digest) of the transactions that made a claim, ascending."""
    write_set: bytes
    """Sealed under the epoch's ledger secret (write_set.py)."""
    wish: bytes = b""
    """The next epoch that the state wishes after this height: (its description, its public key);
    empty: none."""
    snapshot_root: Digest = NO_DIGEST
    """Of the snapshot that was finished at this height (snapshot.py); zeros when there is none."""
    rules: Digest = NO_DIGEST
    """Of the recovery rules after this height (consensus/recovery.py); zeros while no shares are in
    force, and then it does not stand in the encoding."""

    @property
    def count(self) -> int:
        """Envelopes of the block."""
        return len(self.codes)

    def encode(self) -> bytes:
        """Canonical bytes."""
        rules = () if self.rules == NO_DIGEST else (self.rules,)
        return codec.encode(
            (
                VERSION,
                self.height,
                self.block,
                self.ids,
                self.codes,
                self.results,
                self.claims,
                self.write_set,
                self.wish,
                self.snapshot_root,
                *rules,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Outcome":
        """Read canonical bytes. That they are the right ones is shown by the history root alone.

        Raises:
            NotCanonical: not the encoding of an outcome.
        """
        value, rules = _without_rules(codec.decode(data))
        version, height, block, ids, codes, results, claims, write_set, wish, snapshot_root = (
            codec.fields(
                value,
                int,
                int,
                bytes,
                bytes,
                bytes,
                tuple,
                tuple,
                bytes,
                bytes,
                bytes,
                name="outcome",
            )
        )
        if version != VERSION:
            raise NotCanonical(f"outcome: version {version}, this node reads {VERSION}")
        count = len(codes)
        if count > LEAVES_MAX or len(ids) != DIGEST_SIZE * count or len(results) != count:
            raise NotCanonical("outcome: not as many ids and results as codes")
        if codes.translate(None, _CODES):
            raise NotCanonical("outcome: an unknown code")
        # On each host's way for each transaction: no look at them one by one.
        if not set(map(type, results)) <= {bytes} or (
            bytes(map(bool, results)) != codes.translate(_STANDS)
        ):
            raise NotCanonical(
                "outcome: a result stands if and only if the transaction "
                "was executed, or refused with a reason"
            )
        outcome = cls(
            height=Height(codec.unsigned(height, name="height")),
            block=Digest(codec.sized(block, DIGEST_SIZE, name="block")),
            ids=ids,
            codes=codes,
            results=results,
            claims=tuple(_claim(claim, codes) for claim in claims),
            write_set=write_set,
            wish=wish,
            snapshot_root=Digest(codec.sized(snapshot_root, DIGEST_SIZE, name="snapshot root")),
            rules=rules,
        )
        positions = [position for position, _ in outcome.claims]
        if positions != sorted(set(positions)):
            raise NotCanonical("outcome: claims out of order")
        return outcome

    def ids_and_codes(self) -> list[tuple[bytes, int]]:
        """(transaction id, code) of every envelope, by position."""
        return [
            (id, code) for (id,), code in zip(_ID.iter_unpack(self.ids), self.codes, strict=True)
        ]

    def result_at(self, position: int) -> bytes:
        """The sealed result; empty for a refusal."""
        return self.results[position]

    def id_at(self, position: int) -> TransactionId:
        """The transaction id at a position."""
        return TransactionId(self.ids[position * DIGEST_SIZE : (position + 1) * DIGEST_SIZE])

    def position_of(self, id: bytes) -> int | None:
        """Where this transaction was executed; None if it was not executed here."""
        for position, (other, code) in enumerate(self.ids_and_codes()):
            if other == id and code == Code.EXECUTED:
                return position
        return None

    def leaf_at(self, position: int) -> Leaf:
        """The leaf at a position."""
        result = self.results[position]
        digest = Digest(sha256(result).digest()) if result else NO_DIGEST
        claim = self._claim_of.get(position, NO_DIGEST)
        return Leaf(self.id_at(position), Code(self.codes[position]), digest, Digest(claim))

    def path_of(self, position: int) -> tuple[Digest, ...]:
        """Inclusion proof of a leaf in the tree of this block's leaves."""
        return self._tree.path(position)

    @cached_property
    def root(self) -> Digest:
        """Count and tree of the leaves, as it stands in the history leaf."""
        return outcome_root(self.count, merkle.root_of(self._leaf_hashes()))

    def with_root(self, root: Digest) -> "Outcome":
        """This outcome, its root known already to the one who made it."""
        self.__dict__["root"] = root
        return self

    @property
    def history_leaf(self) -> HistoryLeaf:
        """This height's leaf in the history tree."""
        digest = record_digest(self.write_set, self.wish, self.rules)
        return HistoryLeaf(self.height, self.block, self.root, digest, self.snapshot_root)

    @property
    def leaf_without_rules(self) -> HistoryLeaf:
        """The same as if no rules stood: what shows them is made of it (LostHead)."""
        digest = record_digest(self.write_set, self.wish)
        return HistoryLeaf(self.height, self.block, self.root, digest, self.snapshot_root)

    @cached_property
    def _claim_of(self) -> dict[int, bytes]:
        return dict(self.claims)

    @cached_property
    def _tree(self) -> merkle.Tree:
        return merkle.Tree(self._leaf_hashes())

    def _leaf_hashes(self) -> list[bytes]:
        """Of each envelope, by position. 0.9 µs each: a restart asks for those of all blocks."""
        claim_of = self._claim_of.get
        return [
            leaf_hash(
                id,
                code,
                sha256(result).digest() if result else NO_DIGEST,
                claim_of(position, NO_DIGEST),
            )
            for position, ((id, code), result) in enumerate(
                zip(self.ids_and_codes(), self.results, strict=True)
            )
        ]


def _without_rules(value: object) -> tuple[object, Digest]:
    """The fields that always stand, and the digest of recovery rules."""
    if type(value) is not tuple or len(value) != _FIELDS + 1:
        return value, NO_DIGEST
    rules = Digest(codec.sized(value[-1], DIGEST_SIZE, name="recovery rules"))
    if rules == NO_DIGEST:
        raise NotCanonical("outcome: recovery rules that are none")
    return value[:-1], rules


def _claim(value: object, codes: Sequence[int]) -> tuple[int, bytes]:
    position, digest = codec.fields(value, int, bytes, name="claim")
    codec.unsigned(position, name="position", value_max=max(len(codes) - 1, 0))
    if (
        not codes
        or codes[position] != Code.EXECUTED
        or codec.sized(digest, DIGEST_SIZE, name="claim") == NO_DIGEST
    ):
        raise NotCanonical("outcome: a claim of a transaction that made none")
    return position, digest
