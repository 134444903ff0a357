"""Who may be in a crew with this room: one that owners' policies cannot tell from it (T50, T53).

Owns that comparison. An owner's policy admitted the foreman by its claims; what a member may see
hangs on the same ones, so they must be equal, but for those that name one single room: its chip,
its name, its boot.
"""

from collections.abc import Callable, Collection, Mapping

from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import NONCE_SIZE, ChainId, Digest, Height, Milliseconds
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.room_evidence import ClaimValue, VerifiedRoom, judge_room
from strongroom.enclave.primitives import random_bytes
from strongroom.enclave.room.crew.link import Show

OF_ONE_ROOM = frozenset(("bootcount", "hostdata", "room", "ueid"))
"""Claims in which two rooms of one crew differ."""
_OVER = Height(0)
"""Evidence for a link is over its challenge, not over a block."""


class Peers:
    """Judges members by what this room is itself."""

    def __init__(
        self,
        chain: ChainId,
        show: Show,
        *,
        roots: Collection[Digest],
        revoked: Collection[Digest],
        now_ms: Callable[[], Milliseconds],
    ) -> None:
        """Judge this room's own evidence first.

        Args:
            chain: of the job.
            show: evidence of this room, over a challenge.
            roots: SHA-256 of the SubjectPublicKeyInfo of every root that is believed.
            revoked: likewise, of every key that is no longer believed.
            now_ms: Unix milliseconds, for certificates.

        Raises:
            AttestationError, NotCanonical: it does not hold.
        """
        self._chain, self._roots, self._revoked, self._now = chain, roots, revoked, now_ms
        over = Digest(random_bytes(NONCE_SIZE))
        mine = self._judged(show(over), over)
        self._session = mine.claims.session_key
        self._claims = _compared(mine)

    def judge(self, evidence: bytes, challenge: Digest) -> bytes:
        """The seal key of a room that may be a member.

        Raises:
            AttestationError: it is no room, or another than this one in what owners look at; says
                in what.
            NotCanonical: no evidence at all.
        """
        room = self._judged(evidence, challenge)
        if room.claims.session_key == self._session:
            raise AttestationError(Reason.NONCE, "this room itself")
        theirs = _compared(room)
        other = sorted(
            name for name in {*self._claims, *theirs} if self._claims.get(name) != theirs.get(name)
        )
        if other:
            raise AttestationError(
                Reason.MEASUREMENT, f"not a room like this one: {', '.join(other)}"
            )
        return room.claims.seal_key

    def _judged(self, evidence: bytes, challenge: Digest) -> VerifiedRoom:
        def over(height: Height) -> Digest | None:
            return challenge if height == _OVER else None

        return judge_room(
            evidence,
            chain=self._chain,
            roots=self._roots,
            revoked=self._revoked,
            time_ms=self._now(),
            digest_of=over,
        )


def _compared(room: VerifiedRoom) -> Mapping[str, ClaimValue]:
    claims = dict(room.release_claims(age_ms=0, operator=room.operator_among(()), country=""))
    claims["operator-name"] = room.claims.operator
    return {name: value for name, value in claims.items() if name not in OF_ONE_ROOM}
