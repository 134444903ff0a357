"""A whole cluster's genesis in memory: a simulated manufacturer, chips, operators, members,
enclaves' keys."""

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest, Milliseconds, PublicKey
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.policy import SIMULATED_FLOORS, Policy
from strongroom.enclave.keys.keys import EpochSecrets, NodeKeys
from strongroom.enclave.member.founding import Accepted, accept, found, genesis_claims
from strongroom.enclave.outside.manufacturer import MANUFACTURER_FILE, Manufacturer
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.primitives import Secret, SigningKey
from strongroom.enclave.proofs.constitution import Constitution
from strongroom.enclave.proofs.genesis import VerifiedGenesis

CREATED_MS = Milliseconds(1_800_000_000_000)
MEASUREMENT = bytes(range(48))
REGION = "eu-west"
DEFAULT_PROGRAMS = ("payments", "system")


KEPT = Path(__file__).parents[2] / ".pytest_cache" / "manufacturers"


def manufacturer() -> Manufacturer:
    """The one of these tests."""
    return _kept("ours")


def strange_manufacturer() -> Manufacturer:
    """Another one, whom no policy names."""
    return _kept("strange")


@cache
def _kept(name: str) -> Manufacturer:
    """Its two RSA-4096 keys take a second or ten: they are made once, and kept for the next
    processes. Two that make them at the same time have each its own."""
    folder = KEPT / name
    with contextlib.suppress(OperatorFault):
        return Manufacturer.load(folder)
    made = Manufacturer.create()
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=_folder(KEPT)) as draft:
        made.save(Path(draft) / name)
        folder.mkdir(exist_ok=True)
        (Path(draft) / name / MANUFACTURER_FILE).replace(folder / MANUFACTURER_FILE)
    return made


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def key_named(name: str) -> SigningKey:
    """A signing key that depends on nothing but its name."""
    return SigningKey(Secret(sha256(name.encode()).digest()))


def identity_of(public: PublicKey) -> Digest:
    """SHA-256 of a public key."""
    return Digest(sha256(public).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """One enclave that wants to be a validator of genesis, with its machine and its operator."""

    name: str
    chip: SimulatedChip
    operator: str
    operator_key: SigningKey
    keys: NodeKeys

    def evidence(
        self, constitution: Constitution, *, measurement: bytes = MEASUREMENT, region: str = REGION
    ) -> bytes:
        """Its evidence over the constitution."""
        claims = genesis_claims(
            self.keys,
            constitution,
            node=self.name,
            operator=self.operator,
            region=region,
            tls_key=Digest(sha256(b"tls " + self.name.encode()).digest()),
        )
        deployment = Deployment(
            name=self.name,
            operator=self.operator,
            chip_id=self.chip.chip_id,
            measurement=measurement,
            region=region,
        )
        return self.chip.evidence(
            claims, measurement=measurement, deployment=deployment.sign(self.operator_key)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundedCluster:
    """A founded service: lists are in order of node key, so that an index is a signer index."""

    genesis: bytes
    wraps: bytes
    verified: VerifiedGenesis
    applicants: list[Applicant]
    keys: list[NodeKeys]
    secrets: list[EpochSecrets]
    chips: list[SimulatedChip]
    evidence: list[bytes]
    constitution: Constitution
    members: dict[str, SigningKey]
    operators: dict[str, SigningKey]
    measurement: bytes


def make_applicants(n: int) -> list[Applicant]:
    """`n` enclaves on `n` chips of `n` operators, in order of node key: their names follow the
    order, n0 is the founder."""
    keys = sorted((NodeKeys.fresh() for _ in range(n)), key=lambda one: one.node.public)
    return [
        Applicant(
            name=f"n{index}",
            chip=manufacturer().make_chip(),
            operator=f"operator{index}",
            operator_key=key_named(f"operator{index}"),
            keys=one,
        )
        for index, one in enumerate(keys)
    ]


def make_policy(applicants: list[Applicant], *, measurement: bytes = MEASUREMENT) -> Policy:
    """A policy that takes exactly these."""
    return Policy.of(
        measurements=[measurement],
        roots=[manufacturer().root_digest],
        allow_simulated=True,
        floors=[SIMULATED_FLOORS],
        chips=[(one.operator, one.chip.chip_id) for one in applicants],
        operators=[(one.operator, one.operator_key.public) for one in applicants],
        regions=[REGION],
        max_age_ms=Milliseconds(600_000),
    )


def make_constitution(
    policy: Policy,
    members: Mapping[str, SigningKey],
    *,
    roles: tuple[tuple[str, str, Digest], ...] = (),
    programs: tuple[str, ...] = DEFAULT_PROGRAMS,
    limits: Mapping[str, int] | None = None,
) -> Constitution:
    """A constitution with this policy."""
    return Constitution(
        name="test-service",
        salt=bytes(32),
        created_ms=CREATED_MS,
        policy=policy,
        members=tuple(sorted((name, key.public) for name, key in members.items())),
        roles=tuple(sorted(roles)),
        programs=tuple(sorted(programs)),
        limits=tuple(sorted(({"open_admission": 1} | dict(limits or {})).items())),
    )


def make_cluster_genesis(
    n: int = 4,
    *,
    members: Mapping[str, SigningKey] | None = None,
    issuer: PublicKey | None = None,
    auditor: PublicKey | None = None,
    programs: tuple[str, ...] = DEFAULT_PROGRAMS,
    measurement: bytes = MEASUREMENT,
    limits: Mapping[str, int] | None = None,
    affiliated: bool = False,
) -> FoundedCluster:
    """Found a service of `n` validators; `member0` has the issuer role of payments unless `issuer`
    names another key. `affiliated`: member i acts for operator i."""
    governing = (
        dict(members)
        if members is not None
        else {f"member{i}": key_named(f"member{i}") for i in range(4)}
    )
    issuing = issuer if issuer is not None else governing[min(governing)].public
    roles = [("payments", "issuer", identity_of(issuing))]
    if auditor is not None:
        roles += [(program, "auditor", identity_of(auditor)) for program in ("payments", "records")]
    applicants = make_applicants(n)
    policy = make_policy(applicants, measurement=measurement)
    constitution = make_constitution(
        policy, governing, roles=tuple(roles), programs=programs, limits=limits
    )
    if affiliated:
        pairs = sorted((governing[f"member{i}"].public, f"operator{i}") for i in range(n))
        constitution = replace(constitution, affiliations=tuple(pairs))
    evidence = [one.evidence(constitution, measurement=measurement) for one in applicants]
    founding = found(constitution.encode(), evidence, applicants[0].keys)
    accepted: list[Accepted] = [
        accept(founding.genesis, founding.wraps, one.keys) for one in applicants
    ]
    return FoundedCluster(
        genesis=founding.genesis,
        wraps=founding.wraps,
        verified=accepted[0].genesis,
        applicants=applicants,
        keys=[one.keys for one in applicants],
        secrets=[one.secrets for one in accepted],
        chips=[one.chip for one in applicants],
        evidence=evidence,
        constitution=constitution,
        members=governing,
        operators={one.operator: one.operator_key for one in applicants},
        measurement=measurement,
    )
