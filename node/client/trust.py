"""What a client checks before its first seal, against nothing but its pin (DESIGN §6; T15, T42).

Owns the verdict: a `TrustedEpoch`, the only thing that the client seals to, is made here and nowhere else. For every
connection: the genesis hashes to the pin and its evidence holds, the chain of epochs leads from it to the newest one,
the node's fresh evidence over a nonce of ours meets the policy, names the TLS key at the other end of this very
connection, is a validator of that epoch and holds its key. For every epoch: a quorum of heads over a nonce of ours.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, PeerFault, invariant
from strongroom.consensus.messages import Head
from strongroom.consensus.statements import Certificate, Kind
from strongroom.consensus.types import ChainId, Digest, Epoch, Milliseconds
from strongroom.consensus.validators import VALIDATORS_MAX, EpochDescription
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.genesis import VerifiedGenesis, chain_of, verify_genesis
from strongroom.enclave.heads import FreshPoint, check_heads
from strongroom.enclave.primitives import HYBRID_PUBLIC_SIZE, random_bytes, verify
from strongroom.node.client.errors import NoQuorum, NotTrusted

NONCE_SIZE = 32
EPOCHS_MAX = 100_000

_ONLY_HERE = object()


class Asked(Protocol):
    """The node at the other end of a connection."""

    @property
    def tls_digest(self) -> bytes: ...
    async def ask(self, method: str, **params: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedEpoch:
    """An epoch whose key one may seal to. Only `Trust` makes one."""

    made_by: object
    genesis: VerifiedGenesis
    description: EpochDescription
    key: bytes
    """Hybrid public key of the epoch, 1216 bytes."""
    measurement: Digest
    """Measurement digest of the code that may see arguments, 32 bytes."""
    fresh: FreshPoint
    """What a quorum vouched for as newest."""

    def __post_init__(self) -> None:
        invariant(self.made_by is _ONLY_HERE, "a TrustedEpoch is made by Trust only")

    @property
    def chain(self) -> ChainId:
        """SHA-256 of genesis."""
        return self.genesis.chain

    @property
    def epoch(self) -> Epoch:
        """Its number."""
        return self.description.epoch


class Trust:
    """What is known of one service; grows with every node that is admitted."""

    def __init__(self, pin: str) -> None:
        self.pin = pin
        self._chain = chain_of(pin)
        self._genesis: VerifiedGenesis | None = None
        self.epoch: TrustedEpoch | None = None
        """The newest one; None before the first node was admitted."""

    async def admit(self, node: Asked) -> VerifiedEnclave:
        """Check one node, and the service through it.

        Raises:
            NotTrusted: something does not verify; `reason` says what.
            AttestationError: the evidence does not meet the policy.
            NoQuorum: fewer than q members vouch for what is newest.
        """
        genesis = self._genesis
        if genesis is None:
            genesis = self._check_genesis(await node.ask("service_info"))
        description, key = check_epochs(genesis, await node.ask("service_epochs"))
        if self.epoch is not None and description.epoch < self.epoch.epoch:
            raise NotTrusted("epochs", f"shows epoch {description.epoch} as the newest, {self.epoch.epoch} is known")
        nonce = random_bytes(NONCE_SIZE)
        shown = await node.ask("node_evidence", nonce=nonce)
        enclave = check_node(shown, genesis, description, nonce=nonce, tls_digest=node.tls_digest)
        if self.epoch is None or self.epoch.description.digest != description.digest:
            nonce = random_bytes(NONCE_SIZE)
            fresh = check_fresh(await node.ask("service_heads", nonce=nonce), genesis, description, nonce=nonce)
            self._genesis = genesis
            self.epoch = TrustedEpoch(
                made_by=_ONLY_HERE,
                genesis=genesis,
                description=description,
                key=key,
                measurement=enclave.measurement_digest,
                fresh=fresh,
            )
        return enclave

    def _check_genesis(self, info: Any) -> VerifiedGenesis:
        data = _field(info, "genesis", bytes, "pin")
        if sha256(data).digest() != self._chain:
            raise NotTrusted("pin", f"the genesis that it shows is not the one of {self.pin}")
        try:
            return verify_genesis(data)
        except NotCanonical as error:
            raise NotTrusted("genesis", str(error)) from None


def check_epochs(genesis: VerifiedGenesis, entries: Any) -> tuple[EpochDescription, bytes]:
    """Follow the chain of epochs from genesis: each terminal header is final by its own set and names the next.

    Returns:
        The newest epoch's description and its public key.

    Raises:
        NotTrusted: ``epochs``, or ``epoch-key``.
    """
    if type(entries) is not list or not 0 < len(entries) <= EPOCHS_MAX:
        raise NotTrusted("epochs", f"expected 1..{EPOCHS_MAX} epochs")
    try:
        description = genesis.description
        for number, entry in enumerate(entries):
            if number > 0:
                description = _next_epoch(genesis.chain, description, entry)
            elif EpochDescription.decode(_field(entry, "description", bytes, "epochs")) != description:
                raise NotTrusted("epochs", "the first epoch that it shows is not that of genesis")
        key = _field(entries[-1], "epoch_key", bytes, "epoch-key")
    except (NotCanonical, PeerFault) as error:
        raise NotTrusted("epochs", str(error)) from None
    if len(key) != HYBRID_PUBLIC_SIZE or sha256(key).digest() != description.public_key_digest:
        raise NotTrusted("epoch-key", "the key that it shows is not the one that the epoch's description names")
    return description, key


def _next_epoch(chain: ChainId, before: EpochDescription, entry: Any) -> EpochDescription:
    header = Header.decode(_field(entry, "header", bytes, "epochs"))
    certificate = Certificate.from_wire(codec.decode(_field(entry, "certificate", bytes, "epochs")))
    description = EpochDescription.decode(_field(entry, "description", bytes, "epochs"))
    certificate.check(chain, before, verify)
    if certificate.kind is not Kind.FINALIZE or certificate.digest != header.digest:
        raise NotTrusted("epochs", f"the certificate does not make the last block of epoch {before.epoch} final")
    if header.chain != chain or header.epoch != before.epoch or header.next_epoch != description.digest:
        raise NotTrusted("epochs", f"the last block of epoch {before.epoch} names another next epoch")
    if description.epoch != before.epoch + 1:
        raise NotTrusted("epochs", f"epoch {description.epoch} does not follow epoch {before.epoch}")
    return description


def check_node(
    shown: Any, genesis: VerifiedGenesis, description: EpochDescription, *, nonce: bytes, tls_digest: bytes
) -> VerifiedEnclave:
    """Check a node's evidence over `nonce`, and that it is this node, in this epoch, at this end of this connection.

    Raises:
        NotTrusted: ``evidence``, ``tls-key``, ``membership`` or ``epoch-key``.
        AttestationError: the evidence does not meet the policy.
    """
    evidence = _field(shown, "evidence", bytes, "evidence")
    now = Milliseconds(time.time_ns() // 1_000_000)
    try:
        enclave = verify_evidence(evidence, genesis.constitution.policy, chain=genesis.chain, nonce=nonce, time_ms=now)
    except NotCanonical as error:
        raise NotTrusted("evidence", str(error)) from None
    claims = enclave.claims
    if claims.tls_key != tls_digest:
        raise NotTrusted("tls-key", f"the connection ends at another key than that of node {claims.node}")
    if description.index_of(claims.node_key) is None:
        raise NotTrusted("membership", f"node {claims.node} is no validator of epoch {description.epoch}")
    if claims.epoch != description.epoch or claims.epoch_key_digest != description.public_key_digest:
        raise NotTrusted("epoch-key", f"the enclave of node {claims.node} holds another epoch's key")
    return enclave


def check_fresh(shown: Any, genesis: VerifiedGenesis, description: EpochDescription, *, nonce: bytes) -> FreshPoint:
    """Check that a quorum vouches, over `nonce`, that this epoch is the newest.

    Raises:
        NoQuorum: fewer than q good heads; one of another epoch or over another nonce is none.
        NotTrusted: ``heads``: not a list of heads.
    """
    heads = _heads(shown)
    quorum = description.quorum
    try:
        return check_heads(heads, nonce, description, genesis.header, verify)
    except PeerFault as error:
        answered = len({head.node_key for head in heads if description.index_of(head.node_key) is not None})
        raise NoQuorum(
            str(error), answered=min(answered, quorum.size - 1), members=quorum.members, needed=quorum.size
        ) from None


def _heads(shown: Any) -> Sequence[Head]:
    """The heads among what a node relays; what does not decode is nobody's head."""
    if type(shown) is not list or len(shown) > VALIDATORS_MAX:
        raise NotTrusted("heads", "not a list of heads")
    heads = []
    for one in shown:
        try:
            heads.append(Head.from_wire(codec.decode(_field(one, "head", bytes, "heads"))))
        except NotCanonical:
            continue
    return heads


def _field(document: Any, name: str, kind: type, reason: str) -> Any:
    """One field of a document that a node sent.

    Raises:
        NotTrusted: missing, or of another type.
    """
    value = document.get(name) if type(document) is dict else None
    if type(value) is not kind:
        raise NotTrusted(reason, f"no {name} in the answer")
    return value
