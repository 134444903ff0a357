"""What a client checks before its first seal, against nothing but its pin (DESIGN §6; T15, T42).

Owns the verdict: a `TrustedEpoch`, the only thing that the client seals to, is made here and
nowhere else. For every connection: the genesis hashes to the pin and its evidence holds, the
succession of epochs leads from it to the newest one, the node's fresh evidence over a nonce of ours
meets the policy, names the TLS key at the other end of this very connection, is a validator of that
epoch and holds its key. For every epoch: a quorum of heads over a nonce of ours.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochChain, EpochUnknown
from strongroom.consensus.errors import AttestationError, NotCanonical, PeerFault, invariant
from strongroom.consensus.heads import Head
from strongroom.consensus.types import NONCE_SIZE, ChainId, Digest, Epoch, Milliseconds
from strongroom.consensus.validators import VALIDATORS_MAX, EpochDescription
from strongroom.enclave.attestation.policy import Floors, Policy
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.verifier import GOVERNED, VerifiedEnclave, verify_evidence
from strongroom.enclave.outside.distrust import Behind, NoQuorum, NotTrusted
from strongroom.enclave.outside.epochs_shown import follow_epochs
from strongroom.enclave.primitives import random_bytes, verify
from strongroom.enclave.proofs.genesis import (
    VerifiedGenesis,
    chain_of,
    epoch_chain,
    pin_of,
    verify_genesis,
)
from strongroom.enclave.proofs.heads import FreshPoint, check_heads

ADMISSION_TURNS_MAX = 3
"""Times that an epoch may end while one node is being admitted."""
GRACE_MS_MAX = 3_600_000
"""A node that says more is not believed."""
ALLOWED_SINCE = GOVERNED - {Reason.TCB_FLOOR}
"""What members may have allowed since genesis, and a client takes on a node's word; firmware stays
as at genesis."""

_ONLY_HERE = object()


class Asked(Protocol):
    """The node at the other end of a connection."""

    @property
    def tls_digest(self) -> bytes | None:
        """SHA-256 of the SubjectPublicKeyInfo of the TLS key at that end; None where somebody else
        ends the connection and hands the bytes on, as a room's host does: what is sealed needs no
        tunnel."""
        ...

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
    since: float
    """Clock of `time.monotonic`, in seconds: when it was learned of here."""
    grace_ms: Milliseconds
    """How long calls in sessions of the epoch before still count, by the word of a node."""

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

    def __init__(self, pin: str, genesis: bytes | None = None) -> None:
        """Make it.

        Args:
            pin: what is trusted.
            genesis: kept from earlier, so that no node need show it; checked like one that a node
                shows, and nothing where it is another one's than the pin's.
        """
        self.pin = pin
        self._chain = chain_of(pin)
        kept = genesis is not None and sha256(genesis).digest() == self._chain
        self._kept = genesis if kept else None
        self._genesis: VerifiedGenesis | None = None
        self._epochs: EpochChain | None = None
        self.epoch: TrustedEpoch | None = None
        """The newest one; None before the first node was admitted."""

    async def admit(self, node: Asked) -> VerifiedEnclave:
        """Check one node, and the service through it; called again, find out whether another epoch
        began.

        Raises:
            NotTrusted: something does not verify; `reason` says what.
            AttestationError: the evidence does not meet the policy.
            NoQuorum: fewer than q members vouch for what is newest.
            Behind: the node does not know the newest epoch yet.
        """
        if self._genesis is None or self._epochs is None:
            self._genesis = self._check_genesis(
                {"genesis": self._kept} if self._kept else await node.ask("service_info")
            )
            self._epochs = epoch_chain(self._genesis)
        for _ in range(ADMISSION_TURNS_MAX):
            await follow_epochs(node.ask, self._epochs)
            try:
                return await self._admit(node, self._genesis, self._epochs)
            except EpochUnknown as fault:
                unknown = fault
        raise NotTrusted(
            "epochs", f"tells of epoch {unknown.epoch}, and does not show how it began"
        )

    async def _admit(
        self, node: Asked, genesis: VerifiedGenesis, epochs: EpochChain
    ) -> VerifiedEnclave:
        description = epochs.newest
        nonce = random_bytes(NONCE_SIZE)
        shown = await node.ask("node_evidence", nonce=nonce)
        try:
            enclave = check_node(
                shown, genesis.constitution.policy, epochs, nonce=nonce, tls_digest=node.tls_digest
            )
        except AttestationError as error:
            if error.reason not in ALLOWED_SINCE:
                raise
            policy = widened(genesis.constitution.policy, await node.ask("service_policy"))
            enclave = check_node(shown, policy, epochs, nonce=nonce, tls_digest=node.tls_digest)
        if self.epoch is None or self.epoch.epoch < description.epoch:
            nonce = random_bytes(NONCE_SIZE)
            fresh = check_fresh(await node.ask("service_heads", nonce=nonce), epochs, nonce=nonce)
            status = None if self.epoch is None else await node.ask("node_status")
            key = (
                genesis.public_key
                if description.epoch == 0
                else epochs.public_key(description.epoch)
            )
            invariant(key is not None, "the newest epoch has a key")
            if (
                self.epoch is None or self.epoch.epoch < description.epoch
            ):  # nobody was faster meanwhile
                self.epoch = TrustedEpoch(
                    made_by=_ONLY_HERE,
                    genesis=genesis,
                    description=description,
                    key=key or b"",
                    measurement=enclave.measurement_digest,
                    fresh=fresh,
                    since=time.monotonic(),
                    grace_ms=grace_in(status),
                )
        return enclave

    async def freshen(self, node: Asked) -> FreshPoint:
        """The newest block that a quorum of the newest known epoch vouches for, over a new nonce.

        Raises:
            NotTrusted: no node was admitted yet (``epochs``), or these are no heads.
            NoQuorum: fewer than q good heads.
            EpochUnknown: a newer epoch began: `admit` comes first.
        """
        if self._epochs is None:
            raise NotTrusted("epochs", "no node was admitted yet")
        nonce = random_bytes(NONCE_SIZE)
        return check_fresh(await node.ask("service_heads", nonce=nonce), self._epochs, nonce=nonce)

    def is_another(self, info: Any) -> NotTrusted | None:
        """The error for a node that says itself, in `service_info`, that it is of another service;
        None: it does not. Words alone rest on it: it was refused already."""
        chain = info.get("chain") if type(info) is dict else None
        if type(chain) is not bytes or len(chain) != len(self._chain) or chain == self._chain:
            return None
        return self._another(ChainId(Digest(chain)))

    def _another(self, shown: ChainId) -> NotTrusted:
        return NotTrusted(
            "pin",
            f"it shows the genesis of {pin_of(shown)}, not of {self.pin}: the "
            "service was founded anew, or this is another one. Nothing was sealed. If you "
            "trust it, take its service.json from its operator",
        )

    def _check_genesis(self, info: Any) -> VerifiedGenesis:
        data = _field(info, "genesis", bytes, "pin")
        if (shown := sha256(data).digest()) != self._chain:
            raise self._another(ChainId(Digest(shown)))
        try:
            return verify_genesis(data)
        except NotCanonical as error:
            raise NotTrusted("genesis", str(error)) from None


def widened(policy: Policy, shown: Any) -> Policy:
    """The policy of genesis, and the code, machines and places that members allowed since, by the
    word of a node.

    That the node is a validator was certified by quorums of enclaves that judged it under the
    governed policy; what it says here admits nobody, it only lets us talk to it. Roots, the
    firmware of chips that genesis knows, and what no policy lifts stay as at genesis.

    Raises:
        NotTrusted: ``evidence``: it shows no policy.
    """
    try:
        now = Policy.decode(_field(shown, "encoded", bytes, "evidence"))
        return replace(
            policy,
            measurements=tuple(sorted({*policy.measurements, *now.measurements})),
            chips=tuple(sorted({*policy.chips, *now.chips})),
            operators=tuple(sorted({**dict(policy.operators), **dict(now.operators)}.items())),
            floors=_floors(policy, now),
            regions=tuple(sorted({*policy.regions, *now.regions})),
            revoked=tuple(sorted({*policy.revoked, *now.revoked})),
        )
    except NotCanonical as error:
        raise NotTrusted("evidence", f"no policy: {error}") from None


def _floors(policy: Policy, now: Policy) -> tuple[Floors, ...]:
    """Those of genesis, and of product lines that members have taken in since."""
    newer = (floors for floors in now.floors if policy.floors_of(floors.product) is None)
    return tuple(sorted((*policy.floors, *newer), key=lambda floors: floors.product.value))


def grace_in(status: Any) -> Milliseconds:
    """What a node's status says of the grace, within bounds; 0 when it says nothing."""
    value = status.get("grace_ms") if type(status) is dict else None
    return Milliseconds(min(value, GRACE_MS_MAX) if type(value) is int and value > 0 else 0)


def check_node(
    shown: Any, policy: Policy, epochs: EpochChain, *, nonce: bytes, tls_digest: bytes | None
) -> VerifiedEnclave:
    """Check a node's evidence over `nonce`, and that it is this node, in this epoch, at this end of
    this connection.

    Raises:
        NotTrusted: ``evidence``, ``tls-key``, ``membership`` or ``epoch-key``.
        AttestationError: the evidence does not meet the policy.
        EpochUnknown: its enclave is in an epoch after the newest known one.
        Behind: it is in one before.
    """
    evidence, description = _field(shown, "evidence", bytes, "evidence"), epochs.newest
    now = Milliseconds(time.time_ns() // 1_000_000)
    try:
        enclave = verify_evidence(
            evidence, policy, chain=epochs.anchor.chain, nonce=nonce, time_ms=now
        )
    except NotCanonical as error:
        raise NotTrusted("evidence", str(error)) from None
    claims = enclave.claims
    if tls_digest is not None and claims.tls_key != tls_digest:
        raise NotTrusted(
            "tls-key", f"the connection ends at another key than that of node {claims.node}"
        )
    if claims.epoch > description.epoch:
        raise EpochUnknown(claims.epoch)
    if description.index_of(claims.node_key) is None:
        raise NotTrusted(
            "membership", f"node {claims.node} is no validator of epoch {description.epoch}"
        )
    if claims.epoch < description.epoch:
        raise Behind(
            f"node {claims.node} is in epoch {claims.epoch}, the newest is {description.epoch}"
        )
    if claims.epoch_key_digest != description.public_key_digest:
        raise NotTrusted(
            "epoch-key", f"the enclave of node {claims.node} holds another key of this epoch"
        )
    return enclave


def check_fresh(shown: Any, epochs: EpochChain, *, nonce: bytes) -> FreshPoint:
    """Check that a quorum of the newest epoch vouches, over `nonce`, that there is no newer one.

    Raises:
        EpochUnknown: some of them know a newer epoch.
        NoQuorum: fewer than q good heads.
        NotTrusted: ``heads``: not a list of heads.
    """
    heads, description = _heads(shown), epochs.newest
    quorum = description.quorum
    try:
        fresh = check_heads(heads, nonce, epochs, verify)
    except EpochUnknown:
        raise
    except PeerFault as error:
        answered = len(
            {head.node_key for head in heads if description.index_of(head.node_key) is not None}
        )
        raise NoQuorum(
            str(error),
            answered=min(answered, quorum.size - 1),
            members=quorum.members,
            needed=quorum.size,
        ) from None
    if fresh.epoch > description.epoch:
        raise EpochUnknown(fresh.epoch)
    return fresh


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
