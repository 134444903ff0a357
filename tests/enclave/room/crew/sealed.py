"""Two rooms of one operator, and a host between them that a test speaks for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from tests.enclave.attestation.rooms import CHAIN, RoomBench
from tests.enclave.fixtures import CREATED_MS, key_named, manufacturer

from strongroom.consensus.types import Digest, Height
from strongroom.enclave.primitives import HybridKey, Secret
from strongroom.enclave.room.crew.link import Place, SealedLink
from strongroom.enclave.room.crew.peers import Peers

JOB = sha256(b"job").digest()


@cache
def room(name: str) -> RoomBench:
    """A room on a chip of its own, of the operator ``plant`` if it is no stranger."""
    return RoomBench(
        chip=manufacturer().make_chip(),
        session=key_named(f"session of {name}"),
        seal=HybridKey(Secret(sha256(name.encode()).digest())),
        operator=key_named("stranger" if name == "stranger" else "operator plant"),
    )


def shows(bench: RoomBench, **changes: Any) -> Callable[[Digest], bytes]:
    """Evidence of a room, some of it changed before its chip signs."""
    of_claims = {one: changes.pop(one) for one in ("region", "program") if one in changes}

    def show(over: Digest) -> bytes:
        claims = bench.claims(nonce=over, height=Height(0), **of_claims)
        deployment = bench.deployment(
            region=claims.region,
            measurement=changes.get("measurement", bench.deployment().measurement),
        )
        return bench.evidence(claims=claims, deployment=deployment, **changes)

    return show


def link(name: str, own: int, peer: int, *, job: bytes = JOB, **changes: Any) -> SealedLink:
    """One end of a link of a job."""
    bench = room(name)
    peers = Peers(
        CHAIN,
        shows(bench, **changes),
        roots=(manufacturer().root_digest,),
        revoked=(),
        now_ms=lambda: CREATED_MS,
    )
    place = Place(chain=CHAIN, job=job, own=own, peer=peer)
    return SealedLink(place, bench.seal, shows(bench, **changes), peers.judge)


@dataclass
class Pair:
    """Two ends, and what each has said and opened."""

    a: SealedLink
    b: SealedLink

    def __post_init__(self) -> None:
        self.to_b: list[bytes] = [self.a.start()]
        self.to_a: list[bytes] = [self.b.start()]
        self.opened_a: list[bytes] = []
        self.opened_b: list[bytes] = []

    def step(self) -> bool:
        """Carry what is under way, once."""
        to_a, self.to_a = self.to_a, []
        to_b, self.to_b = self.to_b, []
        for data in to_a:
            replies, opened = self.a.receive(data)
            self.to_b += replies
            self.opened_a += opened
        for data in to_b:
            replies, opened = self.b.receive(data)
            self.to_a += replies
            self.opened_b += opened
        return bool(self.to_a or self.to_b)

    def settle(self) -> "Pair":
        """Carry everything."""
        while self.step():
            pass
        return self


def joined() -> Pair:
    """A link that is ready at both ends."""
    return Pair(link("w0", 0, 1), link("w1", 1, 0)).settle()
