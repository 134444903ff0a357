"""Claims for a dry run of a release policy: from a JSON object, or from a room's evidence.

Owns what a dry run leaves out. Evidence is judged as a replica judges it, but for what only a
running service knows: its chain and blocks, the keys that it revoked, its operators, and which
simulated manufacturer it takes.
"""

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.attestation.certificates import AMD_ROOTS, read_chain
from strongroom.enclave.attestation.report import Product
from strongroom.enclave.attestation.room_claims import RoomClaims, RoomEvidence
from strongroom.enclave.attestation.room_evidence import judge_room
from strongroom.enclave.attestation.strict_json import Json, NotStrictJson, read_json
from strongroom.enclave.attestation.vocabulary import VOCABULARY, Claim

NOT_JUDGED = (
    "chain, block, revoked keys and the simulated manufacturer's root are taken as the evidence "
    "says; a running service compares them"
)
TYPE_NAMES = {bool: "true or false", int: "a whole number", str: "a text"}


def read_claims(text: bytes) -> dict[str, Claim]:
    """Claims from a JSON object.

    Raises:
        ClientFault: it is none, or has a name or type that is not of the vocabulary.
    """
    value = json_of(text, "claims")
    if not isinstance(value, dict):
        raise ClientFault("claims: expected a JSON object: claim → value")
    claims: dict[str, Claim] = {}
    for name, claim in value.items():
        kind = VOCABULARY.get(name)
        if kind is None:
            raise ClientFault(
                f"claims: {name} is none of the vocabulary; it knows {', '.join(VOCABULARY)}"
            )
        if type(claim) is not kind or not isinstance(claim, bool | int | str):
            raise ClientFault(f"claims: {name} is {TYPE_NAMES[kind]}")
        claims[name] = claim
    return claims


def claims_of_evidence(
    evidence: bytes, *, time_ms: int, age_ms: int, operator: str | None, country: str
) -> dict[str, Claim]:
    """What a room's evidence would let a policy be asked about.

    Args:
        evidence: RoomEvidence's bytes.
        time_ms: when certificates must be valid, Unix milliseconds.
        age_ms: claim `evidence-age-ms`.
        operator: the governed name; None: the service knows no such key, and it is named by it.
        country: of the region; empty if the service does not say.

    Raises:
        NotCanonical: the bytes are no room's evidence.
        AttestationError: a replica would refuse it, whatever the policy.
    """
    given = RoomEvidence.decode(evidence)
    said = RoomClaims.decode(given.claims)
    chain = read_chain(given.vek, given.ask, given.ark)
    simulated = (chain.root,) if chain.product is Product.SIMULATED else ()
    room = judge_room(
        evidence,
        chain=said.chain,
        roots=(*AMD_ROOTS, *simulated),
        revoked=(),
        time_ms=Milliseconds(time_ms),
        digest_of=lambda _height: Digest(said.nonce),
    )
    named = operator if operator is not None else room.operator_among(())
    return room.release_claims(age_ms=age_ms, operator=named, country=country)


def json_of(text: bytes, name: str) -> Json:
    """The JSON of an argument or file.

    Raises:
        ClientFault: it is none that these commands take.
    """
    try:
        return read_json(text.decode("utf-8"))
    except (UnicodeError, NotStrictJson) as error:
        said = str(error) if isinstance(error, NotStrictJson) else "not UTF-8"
        raise ClientFault(f"{name}: no JSON of claims and conditions: {said}") from None
