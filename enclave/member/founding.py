"""How a service begins: one enclave makes the secret, and each checks all before it gives or takes
it (T29, T2A).

    every enclave   NodeKeys.fresh(), genesis_claims(…) → evidence over the constitution
    the founder     found(constitution, everyone's evidence) → genesis, wraps
    every enclave   accept(genesis, wraps) → the epoch's secrets

The founder is the validator of the lowest node key; it accepts its genesis like the others.
Hosts carry the bytes between the enclaves and can only refuse to. The founder signs the genesis
inside its enclave: otherwise a host could make a secret itself and publish its public key beside
everybody's genuine evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    FIRST_EPOCH,
    KEY_SIZE,
    NO_DIGEST,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Epoch,
    Height,
    PublicKey,
    Signature,
    SignerIndex,
)
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.reasons import Reason, refuse
from strongroom.enclave.keys.keys import EpochSecrets, NodeKeys, ServiceSecret
from strongroom.enclave.primitives import SECRET_SIZE, DoesNotOpen, Secret, hybrid_seal
from strongroom.enclave.proofs.constitution import Constitution
from strongroom.enclave.proofs.genesis import (
    Genesis,
    VerifiedGenesis,
    verify_genesis,
    verify_validators,
)


@dataclass(frozen=True, slots=True)
class Founding:
    """What the founder hands to every host."""

    genesis: bytes
    wraps: bytes
    """The secret, sealed to each validator's wrap key of epoch 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A genesis that this enclave is part of, with its epoch's secrets."""

    genesis: VerifiedGenesis
    secrets: EpochSecrets
    index: SignerIndex
    """This enclave's place among the validators."""


def genesis_claims(
    keys: NodeKeys,
    constitution: Constitution,
    *,
    node: str,
    operator: str,
    region: str,
    tls_key: Digest,
    boot: int = 1,
) -> Claims:
    """What an enclave that wants to be a validator of genesis says of itself."""
    return Claims(
        chain=ChainId(NO_DIGEST),
        node=node,
        node_key=keys.node.public,
        vote_key=keys.vote(FIRST_EPOCH).public,
        wrap_keys=keys.wrap_keys,
        tls_key=tls_key,
        epoch=FIRST_EPOCH,
        epoch_key_digest=NO_DIGEST,
        nonce=constitution.digest,
        height=Height(0),
        region=region,
        operator=operator,
        boot=boot,
    )


def found(constitution: bytes, evidence: Sequence[bytes], keys: NodeKeys) -> Founding:
    """Make the secret of epoch 0 and hand it to every validator, once all of them have been
    verified.

    Args:
        constitution: the encoding of the Constitution.
        evidence: the encoding of every validator's Evidence, this enclave's included, in any order.
        keys: this enclave's.

    Raises:
        NotCanonical: the constitution or a piece of evidence is not what it should be.
        AttestationError: evidence does not meet the policy, this enclave is not the founder
            (``founder``), or a wrap key is malformed (``wrap``).
    """
    agreed = Constitution.decode(constitution)
    validators = verify_validators(agreed, evidence)
    if validators[0].claims.node_key != keys.node.public:
        refuse(
            Reason.FOUNDER,
            f"the secret is made by node {validators[0].claims.node}, whose key is the lowest",
        )
    service = ServiceSecret.fresh()
    wraps = []
    for validator in validators:
        node_key = validator.claims.node_key
        wrap_key = dict(validator.claims.wrap_keys)[FIRST_EPOCH]
        info = _wrap_info(agreed.digest, FIRST_EPOCH, node_key)
        try:
            wraps.append((node_key, hybrid_seal(wrap_key, service.reveal(), info)))
        except DoesNotOpen:
            refuse(Reason.WRAP, f"node {validator.claims.node} names a wrap key that takes nothing")
    unsigned = Genesis(
        constitution=agreed,
        evidence=tuple(validator.evidence for validator in validators),
        public_key=service.split(FIRST_EPOCH).public_key,
        founder_signature=Signature(bytes(SIGNATURE_SIZE)),
    )
    genesis = Genesis(
        constitution=agreed,
        evidence=unsigned.evidence,
        public_key=unsigned.public_key,
        founder_signature=keys.node.sign(unsigned.founder_bytes()),
    )
    return Founding(genesis=genesis.encode(), wraps=codec.encode(tuple(wraps)))


def accept(genesis: bytes, wraps: bytes, keys: NodeKeys) -> Accepted:
    """Take this enclave's share of a genesis, once everything about it has been verified.

    Raises:
        NotCanonical: genesis or wraps are not what they should be.
        AttestationError: genesis does not verify, this enclave's keys are not in it
            (``not-a-member``), or its wrap is missing, does not open or derives another key than
            the genesis names (``wrap``).
    """
    verified = verify_genesis(genesis)
    index = verified.description.index_of(keys.node.public)
    if index is None:
        refuse(Reason.NOT_A_MEMBER, "no validator of this genesis has this enclave's node key")
    claims = verified.validators[index].claims
    if (claims.vote_key, claims.wrap_keys) != (keys.vote(FIRST_EPOCH).public, keys.wrap_keys):
        refuse(
            Reason.NOT_A_MEMBER,
            "this enclave did not make the vote or wrap keys beside its node key",
        )
    sealed = _decode_wraps(wraps).get(keys.node.public)
    if sealed is None:
        refuse(Reason.WRAP, "no secret is wrapped to this enclave")
    info = _wrap_info(verified.constitution.digest, FIRST_EPOCH, keys.node.public)
    try:
        opened = keys.wrap(FIRST_EPOCH).open(sealed, info)
    except DoesNotOpen:
        refuse(Reason.WRAP, "the wrapped secret does not open")
    if len(opened) != SECRET_SIZE:
        refuse(Reason.WRAP, f"the wrapped secret has {len(opened)} bytes, expected {SECRET_SIZE}")
    secrets = ServiceSecret(Secret(opened)).split(FIRST_EPOCH)
    if secrets.public_key != verified.public_key:
        refuse(Reason.WRAP, "the wrapped secret derives another public key than the genesis names")
    return Accepted(genesis=verified, secrets=secrets, index=index)


def _wrap_info(constitution: Digest, epoch: Epoch, recipient: PublicKey) -> bytes:
    """What a wrap is bound to: label, constitution, epoch (u64), recipient's node key."""
    return labels.WRAP + b"\x00" + constitution + epoch.to_bytes(8, "big") + recipient


def _decode_wraps(data: bytes) -> dict[PublicKey, bytes]:
    wraps: dict[PublicKey, bytes] = {}
    for wrap in codec.listed(codec.decode(data), name="wraps", count_max=VALIDATORS_MAX):
        recipient, sealed = codec.fields(wrap, bytes, bytes, name="wrap")
        if recipient in wraps:
            raise NotCanonical("wraps: a recipient stands twice")
        wraps[PublicKey(codec.sized(recipient, KEY_SIZE, name="recipient"))] = sealed
    return wraps
