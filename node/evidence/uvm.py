"""Endorsements of Azure's utility VMs: Microsoft's word that a launch measurement is code of a
security version.

Owns the payload. `judge` answers for an endorsement alone; attested_cose.py and snp.py use
`read_endorsement`.

| step | reasons, in order |
|---|---|
| statement | see statements.py |
| time | not-yet-valid, expired |
| payload | header, malformed, encoding, claims |
| floor | security-version, measurement |
"""

from dataclasses import dataclass, replace

from strongroom.enclave.attestation.report import MEASUREMENT_SIZE
from strongroom.node.evidence import cose
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.statements import Statement, verify_statement
from strongroom.node.evidence.strict import decode_hex, decode_json, field
from strongroom.node.evidence.verdict import Verdict, good

KIND = "uvm-endorsement"
MEASUREMENT = "x-ms-sevsnpvm-launchmeasurement"
SVN = "x-ms-sevsnpvm-guestsvn"
SVN_NUMBER = "x-ms-sevsnpvm-guestsvn-int"
SVN_DIGITS_MAX = 9
TIMESTAMP = "timestamp"
"""Unprotected header: a countersignature over the signature (RFC 3161), which is not needed and not
judged."""


@dataclass(frozen=True, slots=True)
class Endorsement:
    """What Microsoft vouches for."""

    measurement: bytes
    """SHA-384, 48 bytes."""
    svn: int
    statement: Statement


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for an endorsement alone."""
    endorsement = read_endorsement(piece.file("endorsement"), demands, in_force=True)
    demands.check_code(endorsement.measurement, b"")
    return good("verified", facts_of(endorsement))


def facts_of(endorsement: Endorsement) -> dict[str, str | int]:
    """What it says."""
    return {
        "endorsed": endorsement.measurement.hex(),
        "svn": endorsement.svn,
        "feed": endorsement.statement.feed,
        "signed_at": endorsement.statement.signed_at,
    }


def read_endorsement(data: bytes, demands: Demands, *, in_force: bool) -> Endorsement:
    """Judge an endorsement.

    Args:
        data: the COSE message.
        demands: pins, floor and time.
        in_force: the certificates must be valid at the time that is demanded; else at the signing
            time, which must not lie after it: code that was endorsed in time stays endorsed.

    Raises:
        AttestationError: see the module's table.
    """
    message = cose.Sign1.parse(data, "endorsement", unsigned=(TIMESTAMP,))
    statement = verify_statement(message, demands, "endorsement")
    _check_time(statement, demands, in_force=in_force)
    demand(
        message.header(cose.CONTENT_TYPE, str, "endorsement") == "application/json",
        Reason.HEADER,
        "endorsement: no JSON",
    )
    payload = decode_json(statement.payload, "endorsement's payload")
    measurement = decode_hex(
        field(payload, MEASUREMENT, str, "endorsement"), "endorsed measurement"
    )
    demand(len(measurement) == MEASUREMENT_SIZE, Reason.CLAIMS, "endorsement: no SHA-384")
    text = field(payload, SVN, str, "endorsement")
    if (
        not text.isascii()
        or not text.isdecimal()
        or len(text) > SVN_DIGITS_MAX
        or str(int(text)) != text
    ):
        refuse(Reason.CLAIMS, "endorsement: the security version is no number")
    svn = int(text)
    number = payload.get(SVN_NUMBER, svn)
    demand(
        type(number) is int and number == svn, Reason.CLAIMS, "endorsement: two security versions"
    )
    demand(
        set(payload) <= {MEASUREMENT, SVN, SVN_NUMBER}, Reason.CLAIMS, "endorsement: unknown claims"
    )
    floor = demands.min_uvm_svn
    demand(
        svn >= floor,
        Reason.SECURITY_VERSION,
        f"endorsement: version {svn}, at least {floor} is demanded",
    )
    return Endorsement(measurement, svn, statement)


def _check_time(statement: Statement, demands: Demands, *, in_force: bool) -> None:
    if in_force:
        statement.chain.check_time(demands)
        return
    if demands.time is not None:
        demands.check_window(statement.signed_at, demands.time, "endorsement")
    statement.chain.check_time(replace(demands, time=statement.signed_at))
