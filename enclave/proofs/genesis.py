"""Genesis: the constitution, the enclaves that begin, and the key that they share. Its hash is the
chain and the pin.

Owns the genesis' bytes and their verification, which clients, auditors and enclaves run alike:
every piece of evidence against the constitution's own policy, at its own time, and the founder's
word that an enclave made the secret.
"""

import re
from base64 import b32decode, b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header, genesis_header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import ClientFault, NotCanonical, invariant
from strongroom.consensus.types import (
    FIRST_EPOCH,
    NO_DIGEST,
    SIGNATURE_SIZE,
    ChainId,
    Epoch,
    Signature,
)
from strongroom.consensus.validators import VALIDATORS_MAX, EpochDescription, Validator
from strongroom.enclave.attestation.evidence import EVIDENCE_BYTES_MAX
from strongroom.enclave.attestation.reasons import Reason, refuse
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.primitives import HYBRID_PUBLIC_SIZE, digest, verify
from strongroom.enclave.proofs.constitution import Constitution as Constitution

GENESIS_BYTES_MAX = 8 * 1024 * 1024
VERIFIED_GENESES_MAX = 16
"""Verdicts remembered, by the bytes of genesis."""
WRAP_EPOCHS_AT_GENESIS = (FIRST_EPOCH, Epoch(FIRST_EPOCH + 1))
"""A validator of genesis names the wrap keys of epoch 0, for S_0, and of epoch 1, for the first
offer."""
PIN_PREFIX = "sr1-"
_PIN = re.compile(r"sr1-[a-z2-7]{52}")

_ONLY_HERE = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """The document whose hash everyone pins."""

    constitution: Constitution
    evidence: tuple[bytes, ...]
    """The encoding of each validator's Evidence, in ascending order of node key."""
    public_key: bytes
    """Hybrid public key of epoch 0, 1216 bytes."""
    founder_signature: Signature
    """By the node key of the first validator, in whose enclave the secret was made."""

    def founder_bytes(self) -> bytes:
        """What the founder signs: all of the document but the signature."""
        body = codec.encode((self.constitution.encode(), self.evidence, self.public_key))
        return labels.bound(labels.FOUNDING, ChainId(NO_DIGEST), digest(body))

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        return codec.encode(
            (
                labels.GENESIS,
                self.constitution.encode(),
                self.evidence,
                self.public_key,
                self.founder_signature,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Genesis":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a genesis.
        """
        value = codec.decode(data, size_max=GENESIS_BYTES_MAX)
        label, constitution, evidence, public_key, signature = codec.fields(
            value, bytes, bytes, tuple, bytes, bytes, name="genesis"
        )
        if label != labels.GENESIS:
            raise NotCanonical("genesis: another label")
        return cls(
            constitution=Constitution.decode(constitution),
            evidence=tuple(
                _evidence(one)
                for one in codec.listed(evidence, name="evidence", count_max=VALIDATORS_MAX)
            ),
            public_key=codec.sized(public_key, HYBRID_PUBLIC_SIZE, name="public key of epoch 0"),
            founder_signature=Signature(
                codec.sized(signature, SIGNATURE_SIZE, name="founder's signature")
            ),
        )


@dataclass(frozen=True, kw_only=True)
class VerifiedGenesis:
    """A genesis whose every piece of evidence met its own policy. Only `verify_genesis` makes
    one."""

    made_by: object
    data: bytes
    chain: ChainId
    genesis: Genesis
    description: EpochDescription
    """Of epoch 0."""
    validators: tuple[VerifiedEnclave, ...]
    """In ascending order of node key: the index is lane and signer index."""
    header: Header
    """Block 0: the anchor of epoch 0."""

    def __post_init__(self) -> None:
        invariant(self.made_by is _ONLY_HERE, "a VerifiedGenesis is made by verify_genesis only")

    @property
    def pin(self) -> str:
        """What a client pins."""
        return pin_of(self.chain)

    @property
    def constitution(self) -> Constitution:
        """Its constitution."""
        return self.genesis.constitution

    @property
    def public_key(self) -> bytes:
        """Hybrid public key of epoch 0, 1216 bytes."""
        return self.genesis.public_key

    @property
    def simulated(self) -> bool:
        """Does any validator run on a chip that is not silicon?"""
        return any(validator.simulated for validator in self.validators)

    def validator_named(self, name: str) -> VerifiedEnclave | None:
        """The validator of this node name, if there is one."""
        return next(
            (validator for validator in self.validators if validator.claims.node == name), None
        )


def pin_of(chain: ChainId) -> str:
    """The pin of a chain: ``sr1-`` and 52 characters of base32, lowercase, unpadded (RFC 4648
    §6)."""
    return PIN_PREFIX + b32encode(chain).decode().rstrip("=").lower()


def chain_of(pin: str) -> ChainId:
    """The chain that a pin names.

    Raises:
        ClientFault: not a pin.
    """
    if not pin.startswith(PIN_PREFIX):
        raise ClientFault(
            f"a pin begins with {PIN_PREFIX!r}: copy it from service.json, or ask the operator"
        )
    if _PIN.fullmatch(pin) is None:
        raise ClientFault(
            f"a pin is {PIN_PREFIX!r} and 52 characters of a-z "
            "and 2-7: this one was cut or mistyped"
        )
    chain = ChainId(b32decode(pin.removeprefix(PIN_PREFIX).upper() + "===="))
    if pin_of(chain) != pin:
        raise ClientFault("the last character of the pin is mistyped")
    return chain


def verify_validators(
    constitution: Constitution, evidence: Sequence[bytes]
) -> tuple[VerifiedEnclave, ...]:
    """Judge the evidence of a genesis, each piece and all together, and order the enclaves by node
    key.

    Raises:
        NotCanonical: a piece is no evidence.
        AttestationError: a piece does not meet the policy, or (``genesis``) they do not make one
            set of validators.
    """
    nonce, zeros = constitution.digest, ChainId(NO_DIGEST)
    judged = [
        verify_evidence(
            one, constitution.policy, chain=zeros, nonce=nonce, time_ms=constitution.created_ms
        )
        for one in evidence
    ]
    if not 0 < len(judged) <= VALIDATORS_MAX:
        refuse(Reason.GENESIS, f"{len(judged)} validators, expected 1..{VALIDATORS_MAX}")
    for enclave in judged:
        claims = enclave.claims
        epochs = tuple(epoch for epoch, _ in claims.wrap_keys)
        if (claims.epoch, claims.height, claims.epoch_key_digest) != (FIRST_EPOCH, 0, NO_DIGEST):
            refuse(
                Reason.GENESIS,
                f"node {claims.node} claims an epoch, a height or an epoch key before there is one",
            )
        if epochs != WRAP_EPOCHS_AT_GENESIS:
            refuse(Reason.GENESIS, f"node {claims.node} names wrap keys of epochs {epochs}")
    _check_distinct(judged)
    return tuple(sorted(judged, key=lambda enclave: enclave.claims.node_key))


def _check_distinct(enclaves: Sequence[VerifiedEnclave]) -> None:
    """Check that no chip, name or key stands for two validators, or in two roles."""
    kinds: tuple[tuple[str, list[object]], ...] = (
        ("chip", [enclave.chip_id for enclave in enclaves]),
        ("node name", [enclave.claims.node for enclave in enclaves]),
        ("TLS key", [enclave.claims.tls_key for enclave in enclaves]),
        ("key", [key for one in enclaves for key in (one.claims.node_key, one.claims.vote_key)]),
        ("wrap key", [key for enclave in enclaves for _, key in enclave.claims.wrap_keys]),
    )
    for kind, values in kinds:
        if len(set(values)) != len(values):
            refuse(Reason.GENESIS, f"a {kind} stands twice")


@lru_cache(maxsize=VERIFIED_GENESES_MAX)
def verify_genesis(data: bytes) -> VerifiedGenesis:
    """Verify a genesis document; a repeat on the same bytes costs a hash.

    Raises:
        NotCanonical: not the encoding of a genesis.
        AttestationError: evidence does not meet the policy, the set does not hold (``genesis``), or
            the first validator's enclave did not sign it (``founder``).
    """
    genesis = Genesis.decode(data)
    validators = verify_validators(genesis.constitution, genesis.evidence)
    if tuple(enclave.evidence for enclave in validators) != genesis.evidence:
        refuse(Reason.GENESIS, "the evidence is not in ascending order of node key")
    if not verify(
        validators[0].claims.node_key, genesis.founder_signature, genesis.founder_bytes()
    ):
        refuse(
            Reason.FOUNDER,
            f"node {validators[0].claims.node} did not sign this genesis with its attested key",
        )
    chain = ChainId(digest(data))
    description = EpochDescription(
        epoch=FIRST_EPOCH,
        validators=tuple(
            Validator(node_key=enclave.claims.node_key, vote_key=enclave.claims.vote_key)
            for enclave in validators
        ),
        public_key_digest=digest(genesis.public_key),
    )
    header = genesis_header(
        chain=chain, description=description.digest, time_ms=genesis.constitution.created_ms
    )
    return VerifiedGenesis(
        made_by=_ONLY_HERE,
        data=data,
        chain=chain,
        genesis=genesis,
        description=description,
        validators=validators,
        header=header,
    )


def epoch_chain(genesis: VerifiedGenesis) -> EpochChain:
    """The succession of epochs of this service, which begins here: epoch 0 with block 0 as its
    anchor."""
    return EpochChain(genesis.chain, genesis.description, genesis.header, verify)


def _evidence(value: object) -> bytes:
    if type(value) is not bytes or len(value) > EVIDENCE_BYTES_MAX:
        raise NotCanonical(f"evidence: expected at most {EVIDENCE_BYTES_MAX} bytes")
    return value
