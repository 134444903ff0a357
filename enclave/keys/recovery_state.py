"""What an enclave that recovers a dead service leaves on its host's disk: sealed to this chip and
this code, so that it survives a kill between two shares (VAULT §7; T45).

Owns that state and its bytes. What is done with it: enclave/member/recovery.py.
"""

from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.blocks import Anchor
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.recovery import RECOVERY_MEMBERS_MAX, Agreement, LostHead, RecoveryRules
from strongroom.consensus.types import DIGEST_SIZE, ChainId, Digest, Epoch, Height
from strongroom.enclave.formats.recovery import EPOCHS_COVERED_MAX, Generation
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.formats.recovery_share import Share
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.keys import NodeKeys
from strongroom.enclave.keys.sealing import read_secret, read_seeds, seeds_to_wire
from strongroom.enclave.platform.sealed_files import SEALED_BYTES_MAX, seal, unseal
from strongroom.enclave.primitives import Secret

VERSION = 1
PURPOSE = b"recovery-state"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ground:
    """What the ledger said, once it was followed to its end."""

    head: LostHead
    rules: RecoveryRules
    policy: bytes
    executed: Anchor
    generation: Generation
    added: tuple[tuple[Epoch, bytes], ...]
    """Sealed secrets of epochs after the generation's."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecoveryState:
    """All that goes on after a restart. Holds secrets, hence has no repr of its fields."""

    chain: ChainId
    identity: Identity
    keys: NodeKeys
    one_time: Secret
    """Seed of the key to which shares, and what the lead hands over, are sealed."""
    ground: Ground | None = None
    evidence: bytes = b""
    plan: RecoveryPlan | None = None
    service: Secret | None = None
    """S of the epoch that begins: of its maker until its end, of the others once unwrapped."""
    shares: tuple[tuple[Share, Agreement], ...] = ()
    agreements: tuple[Agreement, ...] = ()
    """Those that the lead counted, as one of the others was told."""

    def seal(self, secret: Secret) -> bytes:
        """Seal it to the platform whose secret this is."""
        return seal(secret, PURPOSE, codec.encode(self._to_wire()))

    @classmethod
    def unseal(cls, secret: Secret, sealed: bytes) -> "RecoveryState":
        """Open it.

        Raises:
            OperatorFault: sealed by another chip or code, damaged, or of another version.
        """
        data = unseal(secret, PURPOSE, sealed)
        try:
            return cls._from_wire(codec.decode(data, size_max=SEALED_BYTES_MAX))
        except NotCanonical as error:
            raise OperatorFault(f"the state of this recovery cannot be read: {error}") from None

    def _to_wire(self) -> tuple[object, ...]:
        node, votes, wraps = self.keys.seeds()
        shares = tuple((share.encode(), one.to_wire()) for share, one in self.shares)
        return (
            VERSION,
            self.chain,
            self.identity.to_wire(),
            (node.reveal(), seeds_to_wire(votes), seeds_to_wire(wraps)),
            self.one_time.reveal(),
            () if self.ground is None else _ground_to_wire(self.ground),
            self.evidence,
            b"" if self.plan is None else self.plan.encode(),
            b"" if self.service is None else self.service.reveal(),
            shares,
            tuple(one.to_wire() for one in self.agreements),
        )

    @classmethod
    def _from_wire(cls, value: object) -> "RecoveryState":
        shape = (*(int, bytes, tuple, tuple, bytes, tuple, bytes, bytes, bytes, tuple, tuple),)
        version, chain, identity, keys, one_time, ground, evidence, plan, service, *rest = (
            codec.fields(value, *shape, name="recovery state")
        )
        shares, agreements = rest
        if version != VERSION:
            raise NotCanonical(f"version {version}, this enclave reads {VERSION}")
        node, votes, wraps = codec.fields(keys, bytes, tuple, tuple, name="node keys")
        return cls(
            chain=ChainId(codec.sized(chain, DIGEST_SIZE, name="chain")),
            identity=Identity.from_wire(identity),
            keys=NodeKeys(
                node=read_secret(node, "node key"), votes=read_seeds(votes), wraps=read_seeds(wraps)
            ),
            one_time=read_secret(one_time, "one-time key"),
            ground=_ground(ground) if ground else None,
            evidence=evidence,
            plan=RecoveryPlan.decode(plan) if plan else None,
            service=read_secret(service, "service secret") if service else None,
            shares=tuple(
                _share(one)
                for one in codec.listed(shares, name="shares", count_max=RECOVERY_MEMBERS_MAX)
            ),
            agreements=tuple(
                Agreement.from_wire(one)
                for one in codec.listed(agreements, name="agreed", count_max=RECOVERY_MEMBERS_MAX)
            ),
        )


def _ground_to_wire(ground: Ground) -> tuple[object, ...]:
    return (
        ground.head.to_wire(),
        ground.rules.to_wire(),
        ground.policy,
        (ground.executed.height, ground.executed.root),
        ground.generation.encode(),
        ground.added,
    )


def _ground(value: object) -> Ground:
    head, rules, policy, executed, generation, added = codec.fields(
        value, tuple, tuple, bytes, tuple, bytes, tuple, name="ground"
    )
    height, root = codec.fields(executed, int, bytes, name="executed")
    boxes = codec.listed(added, name="added epochs", count_max=EPOCHS_COVERED_MAX)
    return Ground(
        head=LostHead.from_wire(head),
        rules=RecoveryRules.from_wire(rules),
        policy=policy,
        executed=Anchor(Height(height), Digest(codec.sized(root, DIGEST_SIZE, name="root"))),
        generation=Generation.decode(generation),
        added=tuple((Epoch(epoch), box) for epoch, box in boxes),
    )


def _share(value: object) -> tuple[Share, Agreement]:
    share, agreement = codec.fields(value, bytes, tuple, name="share taken")
    return Share.decode(share), Agreement.from_wire(agreement)
