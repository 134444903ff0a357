"""Is this exchange key a room's own? What a customer checks before its HSM wraps a key for it.

Owns that check: evidence of a room that runs the import program as it is installed here, of this
service, on a chip that the service believes; and that the room's session signed the exchange key,
and that it is for the customer's own key. How old the evidence is does not matter: the private key
lives in that one process alone.
"""

from collections.abc import Collection
from dataclasses import dataclass

from strongroom.consensus.errors import AttestationError, ClientFault, NotCanonical
from strongroom.consensus.types import SIGNATURE_SIZE, ChainId, Digest, Milliseconds, Signature
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.room_claims import RoomClaims, RoomEvidence, room_statement
from strongroom.enclave.attestation.room_evidence import VerifiedRoom, judge_room
from strongroom.enclave.primitives import verify
from strongroom.enclave.room.programs.import_byok import exchange_statement


class NotTheRooms(ClientFault):
    """An exchange key that no import room is shown to have: wrap nothing for it."""


@dataclass(frozen=True, slots=True)
class ShownKey:
    """What an import room said in the open."""

    kid: str
    pem: bytes
    evidence: bytes
    signature: bytes


def check_exchange_key(
    shown: ShownKey,
    *,
    key: str,
    chain: ChainId,
    policy: Policy,
    time_ms: Milliseconds,
    measurements: Collection[bytes],
) -> VerifiedRoom:
    """The room whose exchange key this is.

    Args:
        shown: what it said.
        key: into which key it may import alone, as the room was told it (``id:HEX/name``).
        chain: of the service.
        policy: roots, revocations, and whether a simulated chip is taken.
        time_ms: block time, for certificates.
        measurements: of import rooms that are believed.

    Raises:
        NotTheRooms: it is nobody's, or another room's; says why.
    """
    try:
        claims = RoomClaims.decode(RoomEvidence.decode(shown.evidence).claims)
        room = judge_room(
            shown.evidence,
            chain=chain,
            roots=policy.roots,
            revoked=policy.revoked,
            time_ms=time_ms,
            digest_of=lambda _height: Digest(claims.nonce),
        )
    except (NotCanonical, AttestationError) as error:
        raise NotTheRooms(f"the room's evidence does not hold: {error}") from None
    if room.simulated and not policy.allow_simulated:
        raise NotTheRooms("the room's chip is simulated, and this service takes none")
    if room.measurement not in measurements:
        raise NotTheRooms(
            f"the room runs other code ({room.measurement.hex()}) than the import program here: "
            "compare `strongroom room measure import_byok` on both sides"
        )
    signed = room_statement(chain, exchange_statement(shown.pem, key))
    signature = Signature(shown.signature)
    if len(signature) != SIGNATURE_SIZE or not verify(room.claims.session_key, signature, signed):
        raise NotTheRooms(
            f"the room did not sign this exchange key for {key}: somebody changed it, or the room "
            "was started to import into another key"
        )
    return room
