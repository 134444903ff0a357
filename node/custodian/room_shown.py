"""The room behind a request: is it the one that holds the lease?

Owns the comparison of its evidence with the lease's receipt. The evidence must answer the
custodian's own challenge; what makes evidence hold is enclave/attestation/room_evidence.py.
"""

from hashlib import sha256

from strongroom.consensus.errors import AttestationError, NotCanonical
from strongroom.consensus.types import ChainId
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.room_evidence import VerifiedRoom, judge_room
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.half_request import HalfRequest
from strongroom.node.custodian.errors import HalfRefused
from strongroom.node.custodian.sources import Moment, Standing


def holder_of(
    statement: LeaseStatement,
    shown: HalfRequest,
    moment: Moment,
    standing: Standing,
    policy: Policy,
    chain: ChainId,
) -> VerifiedRoom:
    """The room that holds the lease, by its evidence.

    Raises:
        HalfRefused: the evidence does not hold, is another session's, chip's, room's or boot's, or
            says another region than the ledger was shown.
    """
    nonce = shown.nonce
    try:
        room = judge_room(
            shown.evidence,
            chain=chain,
            roots=policy.roots,
            revoked=policy.revoked,
            time_ms=moment.time_ms,
            digest_of=lambda _height: nonce,  # type: ignore[arg-type,return-value]
        )
    except NotCanonical as error:
        raise HalfRefused("evidence", f"not a room's evidence: {error}") from None
    except AttestationError as error:
        raise HalfRefused("evidence", f"the room's evidence does not hold: {error}") from None
    claims = room.claims
    session, chip = sha256(claims.session_key).digest(), sha256(room.chip_id).digest()
    if (session, chip) != (statement.session, statement.chip):
        raise HalfRefused("evidence", "another session or chip than the one that holds the lease")
    if (claims.room, claims.boot) != (statement.room, statement.boot):
        raise HalfRefused("evidence", "another room or boot than the one that holds the lease")
    if claims.region != standing.region:
        raise HalfRefused("evidence", "another region than that of the evidence on the ledger")
    if room.simulated and not policy.allow_simulated:
        raise HalfRefused("evidence", "the room's chip is simulated, this service takes none")
    return room
