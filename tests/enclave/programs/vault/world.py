"""A ledger with the vault, and rooms that ask it: a room here is its evidence and its session."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from typing import Any

from tests.enclave.chain import Chain, Made, person
from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis, manufacturer

from strongroom.consensus.types import ChainId, Digest, Height, Milliseconds
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import (
    RoomClaims,
    RoomEvidence,
    room_host_data,
    sign_room_deployment,
)
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.outside.client_sessions import ClientSession, Result
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.primitives import HybridKey, Secret

PRINTER = bytes(range(100, 148))
K = sha256(b"data key of the toy").digest()
"""No part of anything else here."""
OWNER = "maker"


def policy_of(*conditions: dict[str, Any], **more: Any) -> str:
    """A release policy of one authority whose conditions must all hold."""
    return json.dumps(
        {
            "version": "1.0.0",
            "anyOf": [{"authority": "strongroom", "allOf": list(conditions)}],
        }
        | more
    )


PRINTERS = {"claim": "measurement", "equals": PRINTER.hex()}
IN_WEST = {"claim": "region", "equals": "eu-west"}
POLICY = policy_of(PRINTERS)


@cache
def founded() -> FoundedCluster:
    """One cluster for all tests of a process."""
    return make_cluster_genesis(
        4,
        auditor=key_named("auditor").public,
        programs=("payments", "records", "system", "vault"),
    )


@dataclass
class Room:
    """One start of a room: its chip, its session, its boot."""

    name: str = "hall-7"
    chip: SimulatedChip = field(default_factory=lambda: manufacturer().make_chip())
    boot: int = 1
    who: str = "room session 1"
    region: str = "eu-west"
    operator: str = "plant"
    measurement: bytes = PRINTER

    def again(self, **changes: Any) -> "Room":
        """Another start of it, or another of its kind."""
        return replace(self, **changes)

    def evidence(self, over: ChainId, height: Height, nonce: Digest, **changes: Any) -> bytes:
        """Over a block; `changes` are of the claims."""
        claims = RoomClaims(
            chain=over,
            room=self.name,
            program="printer",
            session_key=key_named(self.who).public,
            seal_key=_seal_key(),
            boot=self.boot,
            nonce=nonce,
            height=height,
            region=self.region,
            operator=self.operator,
            operator_key=key_named(self.operator).public,
        )
        claims = replace(claims, **changes)
        stated = Deployment(
            name=self.name,
            operator=self.operator,
            chip_id=self.chip.chip_id,
            measurement=self.measurement,
            region=self.region,
        )
        report = self.chip.attest(
            claims.report_data,
            measurement=self.measurement,
            host_data=room_host_data(stated.encode()),
        )
        own = self.chip.endorsements
        return RoomEvidence(
            report=report,
            vek=own.vek,
            ask=own.ask,
            ark=own.ark,
            claims=claims.encode(),
            deployment=stated.encode(),
            operator_signature=sign_room_deployment(stated, over, key_named(self.operator)),
        ).encode()


@cache
def _seal_key() -> bytes:
    return HybridKey(Secret(sha256(b"seal").digest())).public


class VaultChain(Chain):
    """A chain whose time passes as a test says; operations of the vault by their names."""

    def __init__(self, cluster: FoundedCluster | None = None) -> None:
        super().__init__(cluster or founded())
        self.sessions: dict[str, ClientSession] = {}
        self._later_ms = 0

    def make(self, *args: Any, **kwargs: Any) -> Made:
        """The next block, later when time was let pass."""
        made = super().make(*args, **kwargs)
        if self._later_ms:
            time_ms = Milliseconds(made.header.time_ms + self._later_ms)
            made = Made(replace(made.header, time_ms=time_ms), made.batches)
            self.tip, self.blocks[-1] = made.header, made
            self._later_ms = 0
        return made

    def wait(self, ms: int) -> None:
        """Let the next block be so much later."""
        self._later_ms += ms

    @property
    def now(self) -> int:
        return int(self.tip.time_ms)

    def tell(self, who: str, operation: str, /, **arguments: Any) -> Result:
        """One transaction of the vault in a block of its own."""
        return self.do(self.of(who), f"vault.{operation}", **arguments)

    def of(self, who: str) -> ClientSession:
        """The session of somebody."""
        if who not in self.sessions:
            self.sessions[who] = self.session(who)
        return self.sessions[who]

    def must(self, who: str, operation: str, /, **arguments: Any) -> Any:
        """One that succeeds; its value."""
        result = self.tell(who, operation, **arguments)
        assert result.ok, (result.code, result.message)
        return result.value

    def refused(self, who: str, operation: str, /, **arguments: Any) -> str:
        """One that is refused; its code."""
        result = self.tell(who, operation, **arguments)
        assert not result.ok, result.value
        return str(result.code)

    def look(self, who: str, operation: str, /, **arguments: Any) -> Any:
        """A query of the vault."""
        return super().ask(who, f"vault.{operation}", **arguments)

    def key(self, name: str = "toy", /, *, secret: bytes = K, **terms: Any) -> str:
        """A key of the maker's, filled; how others name it."""
        self.must(OWNER, "new", name=name, **({"policy": POLICY} | terms))
        self.must(OWNER, "put", key=f"/{name}", secret=secret)
        return f"{self.owner}/{name}"

    @property
    def owner(self) -> str:
        return f"id:{person(OWNER).id.hex()}"

    def shown(self, room: Room, **changes: Any) -> bytes:
        """A room's evidence over the newest block."""
        made = changes.pop("over", self.tip)
        return room.evidence(self.genesis.chain, made.height, made.digest, **changes)

    def lease(self, room: Room, key: str, /, **arguments: Any) -> Any:
        """A room's ask that is granted; its answer."""
        return self.must(room.who, "ask", **self._asked(room, key, arguments))

    def denied(self, room: Room, key: str, /, **arguments: Any) -> str:
        """A room's ask that is refused; its code."""
        return self.refused(room.who, "ask", **self._asked(room, key, arguments))

    def why(self, room: Room, key: str, /, **arguments: Any) -> str:
        """A room's ask that is refused; its sentence."""
        result = self.tell(room.who, "ask", **self._asked(room, key, arguments))
        assert not result.ok
        return str(result.message)

    def _asked(self, room: Room, key: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.of(room.who)  # before the evidence: it takes a block
        if self._later_ms:
            self.commit()
        return {"key": key, "purpose": "print", "evidence": self.shown(room)} | arguments

    def both(self, *told: tuple[str, str, dict[str, Any]]) -> list[Result]:
        """Transactions of several, in one block, in this order."""
        sealed = []
        for who, operation, arguments in told:
            session = self.of(who)
            sealed.append(
                (session, *session.seal_call(self.call(f"vault.{operation}", **arguments)))
            )
        outcome = self.commit(*(envelope for _, _, envelope in sealed))
        return [
            session.open_result(sequence, transaction_id(envelope), outcome.result_at(at))
            for at, (session, sequence, envelope) in enumerate(sealed)
        ]


def limited(**limits: int) -> VaultChain:
    """A service where only members and whom they brought may call, under these limits."""
    programs = ("payments", "records", "system", "vault")
    return VaultChain(make_cluster_genesis(4, programs=programs, limits=limits))


def brought(chain: VaultChain, member: str, *users: str) -> None:
    """A member brings users."""
    names = [f"id:{person(user).id.hex()}" for user in users]
    assert chain.do(chain.of(member), "roster.bring", users=names).ok


Beat = Callable[..., Any]


def beats(chain: VaultChain, room: Room, lease: bytes) -> Beat:
    """Beats of a lease, numbered by themselves when they succeed."""
    number = [0]

    def beat(*, used: int = 0, **more: Any) -> Result:
        result = chain.tell(room.who, "beat", lease=lease, number=number[0] + 1, used=used, **more)
        number[0] += bool(result.ok)
        return result

    return beat
