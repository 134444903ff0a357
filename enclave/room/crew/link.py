"""A sealed link between two rooms of one crew, through hosts that are believed in nothing (ROOMS
§8; T45, T68).

Owns the handshake and the records as a pure state machine: bytes in, bytes out, no socket, no
clock. Each end shows evidence over the other's nonce, the job and both places; the keys come from
two shares, each sealed to the key in the other's evidence, and from all that was said. A record
that does not open in its turn breaks the link for good: a host may stop a crew, and nothing else.

    low, high:  (HELLO, nonce)   (SHOWN, evidence)   (SHARE, sealed)   then records, each way
    a record:   AES-256-GCM, nonce = number of the record, AAD = its way; first comes DONE
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import AttestationError, NotCanonical, PeerFault
from strongroom.consensus.types import DIGEST_SIZE, NONCE_SIZE, ChainId, Digest
from strongroom.enclave.primitives import (
    SECRET_SIZE,
    TAG_SIZE,
    DoesNotOpen,
    HybridKey,
    Secret,
    SequenceBox,
    hybrid_seal,
    random_bytes,
)

RECORD_BYTES_MAX = 1 << 20
"""Plaintext of a record."""
SHOWN_BYTES_MAX = 64 * 1024
RECORDS_MAX = 1 << 48
"""Of one way; then the link ends."""
CREW_MEMBERS_MAX = 64


class Said(IntEnum):
    """Kinds of a handshake's messages."""

    HELLO = 1
    SHOWN = 2
    SHARE = 3


class Kind(IntEnum):
    """Kinds of records."""

    DONE = 1
    DATA = 2
    END = 3


class LinkBroken(PeerFault):
    """What came is not what the other room says: nothing more goes over this link.

    Attributes:
        reason: ``evidence``, ``order``, ``record``, ``reflected``, ``truncated`` or ``ended``.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose link it is: one job's, between two of its members."""

    chain: ChainId
    job: bytes
    own: int
    """Number of the member at this end; the foreman is 0."""
    peer: int

    def __post_init__(self) -> None:
        codec.sized(self.job, DIGEST_SIZE, name="job")
        for number in (self.own, self.peer):
            codec.unsigned(number, name="member", value_max=CREW_MEMBERS_MAX)
        if self.own == self.peer:
            raise NotCanonical("a link has two ends")

    def challenge(self, prover: int, verifier: int, nonces: tuple[bytes, bytes]) -> Digest:
        """What the evidence of one end is over: (prover's nonce, verifier's nonce)."""
        said = codec.encode((self.job, prover, verifier, *nonces))
        return labels.labelled_digest(labels.CREW_CHALLENGE, self.chain + said)


Show = Callable[[Digest], bytes]
"""Evidence of this room over a challenge."""
Judge = Callable[[bytes, Digest], bytes]
"""The key, of the other's evidence over a challenge, that opens in that room alone; raises
AttestationError or NotCanonical if it is not one like this room."""


class SealedLink:
    """One end. Made anew for each link: it does not go on where another stopped."""

    def __init__(self, place: Place, key: HybridKey, show: Show, judge: Judge) -> None:
        """A link that has said nothing yet.

        Args:
            place: whose it is.
            key: the private half of what this room's evidence names as its seal key.
            show: evidence of this room.
            judge: of the other one.
        """
        self._place, self._key, self._show, self._judge = place, key, show, judge
        self._nonce = random_bytes(NONCE_SIZE)
        self._share = Secret.fresh()
        self._said: dict[int, list[bytes]] = {place.own: [], place.peer: []}
        self._peer_key = b""
        self._out: SequenceBox | None = None
        self._in: SequenceBox | None = None
        self._sent = self._received = 0
        self._broken: LinkBroken | None = None
        self._finished = False
        self.ready = False
        """The other end has shown that it has the keys."""
        self.ended = False
        """The other end said that nothing more comes."""

    def start(self) -> bytes:
        """The first message, of either end."""
        return self._say(Said.HELLO, self._nonce)

    def receive(self, data: bytes) -> tuple[list[bytes], list[bytes]]:
        """Take what the host brought: (messages to carry to the other end, data that was opened).

        Raises:
            LinkBroken: it is not the next thing that the other room said; from then on always.
        """
        if self._broken is not None:
            raise self._broken
        try:
            if self._in is None:
                return self._shaken(data), []
            return [], self._opened(data)
        except LinkBroken as broken:
            self._break(broken)
            raise

    def seal(self, data: bytes) -> bytes:
        """One record.

        Raises:
            LinkBroken: the link is not ready, broken, or finished.
            NotCanonical: more than RECORD_BYTES_MAX.
        """
        if len(data) > RECORD_BYTES_MAX:
            raise NotCanonical(f"a record holds at most {RECORD_BYTES_MAX} bytes")
        if not self.ready:
            raise self._broken or LinkBroken("order", "the handshake is not over")
        return self._record(Kind.DATA, data)

    def finish(self) -> bytes:
        """The last record: without it, the other end takes what it has for cut off."""
        made = self._record(Kind.END, b"")
        self._finished = True
        return made

    def cut(self) -> None:
        """The host says that nothing more comes.

        Raises:
            LinkBroken: the other room has not said so.
        """
        if not self.ended:
            self._break(LinkBroken("truncated", "the other room did not end the link"))
            raise self._broken or AssertionError

    def _shaken(self, data: bytes) -> list[bytes]:
        kind, content = _message(data)
        theirs = self._said[self._place.peer]
        if kind != len(theirs) + 1:
            raise LinkBroken("order", "not the next message of a handshake")
        theirs.append(data)
        if kind is Said.HELLO:
            return self._greeted(content)
        if kind is Said.SHOWN:
            return self._seen(content)
        self._agreed(content)
        return [self._record(Kind.DONE, b"")]

    def _greeted(self, nonce: bytes) -> list[bytes]:
        place = self._place
        if len(nonce) != NONCE_SIZE or len(self._said[place.own]) != 1:
            raise LinkBroken("order", "not a nonce")
        if nonce == self._nonce:
            raise LinkBroken("reflected", "this room's own words come back")
        self._peer_nonce = nonce
        over = place.challenge(place.own, place.peer, (self._nonce, nonce))
        return [self._say(Said.SHOWN, self._show(over))]

    def _seen(self, evidence: bytes) -> list[bytes]:
        place = self._place
        over = place.challenge(place.peer, place.own, (self._peer_nonce, self._nonce))
        try:
            self._peer_key = self._judge(evidence, over)
        except (AttestationError, NotCanonical) as fault:
            raise LinkBroken("evidence", str(fault)) from None
        if self._peer_key == self._key.public:
            raise LinkBroken("reflected", "this room's own evidence comes back")
        sealed = hybrid_seal(self._peer_key, self._share.reveal(), self._info(place.own))
        return [self._say(Said.SHARE, sealed)]

    def _agreed(self, sealed: bytes) -> None:
        place = self._place
        if not self._peer_key or len(self._said[place.own]) != len(Said):
            raise LinkBroken("order", "a share before evidence")
        try:
            theirs = self._key.open(sealed, self._info(place.peer))
        except DoesNotOpen:
            raise LinkBroken("evidence", "the share is not for this room") from None
        if len(theirs) != SECRET_SIZE:
            raise LinkBroken("evidence", "not a share")
        low, high = sorted((place.own, place.peer))
        shares = {place.own: self._share.reveal(), place.peer: theirs}
        said = sha256(codec.encode((*self._said[low], *self._said[high]))).digest()
        root = Secret(sha256(shares[low] + shares[high]).digest())
        context = codec.encode((place.chain, place.job, low, high, said))
        keys = {
            member: SequenceBox(root.derive(labels.CREW_LINK, context + bytes([member])))
            for member in (low, high)
        }
        self._out, self._in = keys[place.own], keys[place.peer]

    def _info(self, sealer: int) -> bytes:
        """Of a share: who sealed it, after which words."""
        low, high = sorted((self._place.own, self._place.peer))
        before = [one for member in (low, high) for one in self._said[member][: Said.SHOWN]]
        return labels.bound(
            labels.CREW_LINK, self._place.chain, codec.encode((self._place.job, sealer, *before))
        )

    def _opened(self, data: bytes) -> list[bytes]:
        if self.ended or len(data) > RECORD_BYTES_MAX + TAG_SIZE + 1 or self._in is None:
            raise LinkBroken("record", "nothing comes after the end, or so long")
        try:
            plain = self._in.open(self._received, data, _way(self._place.peer))
        except DoesNotOpen:
            raise LinkBroken("record", "not the next record of the other room") from None
        self._received += 1
        kind = plain[0] if plain else 0
        if (kind == Kind.DONE) == self.ready or kind not in list(Kind):
            raise LinkBroken("order", "a record out of its turn")
        if kind == Kind.DATA:
            return [plain[1:]]
        self.ready = True
        self.ended = kind == Kind.END
        return []

    def _record(self, kind: Kind, data: bytes) -> bytes:
        if self._broken is not None:
            raise self._broken
        if self._out is None or self._finished or self._sent >= RECORDS_MAX:
            raise LinkBroken("ended", "nothing more is said over this link")
        number, self._sent = self._sent, self._sent + 1
        return self._out.seal(number, bytes([kind]) + data, _way(self._place.own))

    def _say(self, kind: Said, content: bytes) -> bytes:
        message = codec.encode((int(kind), content))
        self._said[self._place.own].append(message)
        return message

    def _break(self, broken: LinkBroken) -> None:
        self._broken, self._in, self._out, self.ready = broken, None, None, False

    def __repr__(self) -> str:
        return f"SealedLink({self._place.own}, {self._place.peer})"


def _way(sender: int) -> bytes:
    return labels.CREW_LINK + bytes([0, sender])


def _message(data: bytes) -> tuple[Said, bytes]:
    try:
        value = codec.decode(data, size_max=SHOWN_BYTES_MAX)
        kind, content = codec.fields(value, int, bytes, name="handshake")
        return Said(kind), content
    except (NotCanonical, ValueError):
        raise LinkBroken("order", "not a message of a handshake") from None
