"""A room's evidence with a chosen defect: what a hostile host, plant or operator could put
together. Serves every test that needs a room without its process."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from tests.enclave.fixtures import CREATED_MS, key_named, manufacturer

from strongroom.consensus.types import ChainId, Digest, Height, Signature
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import (
    RoomClaims,
    RoomEvidence,
    room_host_data,
    sign_room_deployment,
)
from strongroom.enclave.attestation.room_evidence import VerifiedRoom, judge_room
from strongroom.enclave.platform.chip import GUEST_POLICY, SimulatedChip
from strongroom.enclave.primitives import HybridKey, Secret, SigningKey

CHAIN = ChainId(sha256(b"chain of rooms").digest())
ROOM_MEASUREMENT = bytes(range(100, 148))
HEIGHT = Height(7)


def block_digest(height: Height) -> Digest | None:
    """The chain of these tests: every height up to 9 has a block."""
    return Digest(sha256(b"block %d" % height).digest()) if height < 10 else None


@dataclass(frozen=True)
class RoomBench:
    """One room on one chip, its session and its operator."""

    chip: SimulatedChip
    session: SigningKey
    seal: HybridKey
    operator: SigningKey

    def claims(self, **changes: Any) -> RoomClaims:
        """The room's claims, changed."""
        nonce = block_digest(HEIGHT)
        assert nonce is not None
        claims = RoomClaims(
            chain=CHAIN,
            room="hall-7",
            program="printer",
            session_key=self.session.public,
            seal_key=self.seal.public,
            boot=3,
            nonce=nonce,
            height=HEIGHT,
            region="eu-west",
            operator="plant",
            operator_key=self.operator.public,
        )
        return replace(claims, **changes)

    def deployment(self, **changes: Any) -> Deployment:
        """Its operator's statement, changed."""
        deployment = Deployment(
            name="hall-7",
            operator="plant",
            chip_id=self.chip.chip_id,
            measurement=ROOM_MEASUREMENT,
            region="eu-west",
        )
        return replace(deployment, **changes)

    def evidence(
        self,
        *,
        claims: RoomClaims | None = None,
        deployment: Deployment | None = None,
        signature: Signature | None = None,
        measurement: bytes = ROOM_MEASUREMENT,
        chip: SimulatedChip | None = None,
        policy: int = GUEST_POLICY,
        report_data: bytes | None = None,
        host_data: bytes | None = None,
    ) -> bytes:
        """Its evidence: what is changed here is changed before the chip signs."""
        said, on = claims or self.claims(), chip or self.chip
        stated = deployment or self.deployment(measurement=measurement)
        report = on.attest(
            report_data or said.report_data,
            measurement=measurement,
            host_data=host_data or room_host_data(stated.encode()),
            policy=policy,
        )
        own = on.endorsements
        return RoomEvidence(
            report=report,
            vek=own.vek,
            ask=own.ask,
            ark=own.ark,
            claims=said.encode(),
            deployment=stated.encode(),
            operator_signature=signature or sign_room_deployment(stated, CHAIN, self.operator),
        ).encode()

    def judge(self, evidence: bytes, **changes: Any) -> VerifiedRoom:
        """Judge as a replica of this chain does, or with another chain, roots, time or blocks."""
        digest_of: Callable[[Height], Digest | None] = block_digest
        arguments: dict[str, Any] = {
            "chain": CHAIN,
            "roots": (manufacturer().root_digest,),
            "revoked": (),
            "time_ms": CREATED_MS,
            "digest_of": digest_of,
        }
        arguments.update(changes)
        return judge_room(evidence, **arguments)


def make_room(name: str) -> RoomBench:
    """A room on a chip of its own."""
    return RoomBench(
        chip=manufacturer().make_chip(),
        session=key_named(f"session of {name}"),
        seal=HybridKey(Secret(sha256(name.encode()).digest())),
        operator=key_named(f"operator of {name}"),
    )


@cache
def room_bench() -> RoomBench:
    """The one of this process."""
    return make_room("hall-7")


def swap_room(evidence: bytes, **fields: Any) -> bytes:
    """Evidence with parts of it replaced after its chip signed."""
    return replace(RoomEvidence.decode(evidence), **fields).encode()
