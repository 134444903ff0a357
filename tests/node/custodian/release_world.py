"""A room with a lease, a ledger that answers what a test says, and a half that is known.

The ledger is a stand-in behind the Releaser's own protocol: what the real one checks is tested in
test_ledger.py and, with a service, in test_custody_processes.py.
"""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.enclave.attestation.rooms import CHAIN, RoomBench, make_room, room_bench
from tests.enclave.fixtures import CREATED_MS, make_cluster_genesis

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.types import Digest, Height, Milliseconds, TransactionId
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.half_request import HalfRequest, open_half
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.outside.token_key import cbc, key_input
from strongroom.enclave.primitives import Secret
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.journal import Journal, JournalEntry, read_journal
from strongroom.node.custodian.releasing import Releaser
from strongroom.node.custodian.sources import Moment, Released, Standing

OWNER, LEASE = b"o" * 32, b"l" * 16
ASK = TransactionId(Digest(b"t" * 32))
KEY = KeyName(chain=CHAIN, owner=OWNER, name="design", version=1)
HALF = Secret(bytes(range(32)))


def claim_of(room: RoomBench, **changes: Any) -> bytes:
    """What the lease's transaction claimed, as the vault encodes it."""
    fields: dict[str, Any] = {
        "owner": OWNER,
        "name": "design",
        "version": 1,
        "lease": LEASE,
        "session": sha256(room.session.public).digest(),
        "chip": sha256(room.chip.chip_id).digest(),
        "room": "hall-7",
        "boot": 3,
        "until_ms": CREATED_MS + 30_000,
        "pieces": 0,
        "custody": "split",
    }
    return codec.encode((labels.VAULT_LEASE, *(fields | changes).values()))


@dataclass
class StandInLedger:
    """Answers as told, and writes down what it was asked, in order."""

    room: RoomBench
    claim: bytes
    journal: Path
    events: list[str] = field(default_factory=list)
    standing_: Standing | None = None
    refusal: dict[str, Exception] = field(default_factory=dict)
    chain = CHAIN
    policy_: Policy | None = None
    room_region: str = "eu-west"
    country: str = ""
    released_to: list[Standing] = field(default_factory=list)
    recorded: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(digest, the journal's file when it was recorded)."""

    def _asked(self, what: str) -> None:
        self.events.append(what)
        if what in self.refusal:
            raise self.refusal[what]

    async def lease(self, id: TransactionId, claim: bytes, blinding: bytes) -> LeaseStatement:
        self._asked("lease")
        if (id, claim, blinding) != (ASK, self.claim, b"b" * 32):
            raise ReceiptInvalid("did not make this claim")
        return LeaseStatement.decode(claim)

    async def newest(self) -> Moment:
        self._asked("newest")
        return Moment(height=Height(20), time_ms=Milliseconds(CREATED_MS))

    async def standing(self, lease: bytes, moment: Moment) -> Standing:
        self._asked("standing")
        assert moment.height == 20
        return self.standing_ or Standing(
            state="open",
            until_ms=CREATED_MS + 30_000,
            session=sha256(self.room.session.public).digest(),
            region=self.room_region,
            country=self.country,
        )

    async def policy(self) -> Policy:
        self._asked("policy")
        return self.policy_ or make_cluster_genesis().verified.constitution.policy

    async def release(
        self, statement: LeaseStatement, digest: bytes, standing: Standing
    ) -> Released:
        self._asked("release")
        self.released_to.append(standing)
        self.recorded.append((digest, (self.journal / "journal").read_bytes()))
        return Released(id=TransactionId(Digest(b"r" * 32)), height=Height(21))


@dataclass
class KnownHalf:
    """The HSM's function, without an HSM."""

    events: list[str]
    fault: TokenFault | None = None

    async def known(self) -> None:
        self.events.append("known")
        if self.fault is not None:
            raise self.fault

    async def half(self, key: KeyName, piece: int | None = None) -> Secret:
        self.events.append("half")
        assert key == KEY
        return HALF if piece is None else HALF.derive(b"piece", bytes([piece]))


class SoftToken:
    """What a token does with keys, without a token: the same computation."""

    def __init__(self, root: bytes = bytes(range(100, 132))) -> None:
        self.root = root
        self.pieces: list[int] = []
        self.fault: TokenFault | None = None

    async def known(self, key: KeyName) -> None:
        if self.fault is not None:
            raise self.fault

    def data_key(self, key: KeyName, piece: int) -> bytes:
        return cbc(self.root, key_input(key, piece))

    async def hand_over(
        self, key: KeyName, piece: int, *, point: bytes, context: bytes
    ) -> tuple[bytes, bytes]:
        await self.known(key)
        self.pieces.append(piece)
        return self.wrapped(key, piece, point, context)

    def wrapped(
        self, key: KeyName, piece: int, point: bytes, context: bytes
    ) -> tuple[bytes, bytes]:
        """What the token answers."""
        own = ec.generate_private_key(ec.SECP256R1())
        shown = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        shared = own.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        )
        wrapping = cbc(shared, sha256(context + shown).digest())
        return shown, aes_key_wrap_with_padding(wrapping, self.data_key(key, piece))


class KnownToken(SoftToken):
    """One that tells what it was asked."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events

    async def known(self, key: KeyName) -> None:
        if "hand over" not in self.events[-1:]:
            self.events.append("key known")
        assert key == KEY
        await super().known(key)

    async def hand_over(
        self, key: KeyName, piece: int, *, point: bytes, context: bytes
    ) -> tuple[bytes, bytes]:
        self.events.append("hand over")
        return await super().hand_over(key, piece, point=point, context=context)


class ReleaseWorld:
    """One room, one lease, one custodian."""

    def __init__(self, folder: Path, **claimed: Any) -> None:
        self.room = room_bench()
        self.folder = folder
        self.ledger = StandInLedger(self.room, claim_of(self.room, **claimed), folder)
        self.halves = KnownHalf(self.ledger.events)
        self.token = KnownToken(self.ledger.events)
        self.now = 1000.0
        self.journal = Journal.open(folder)
        self.releaser = self.make()

    def make(
        self, *, policy: ReleasePolicy | None = None, per_minute: int = 60, **more: Any
    ) -> Releaser:
        self.releaser = Releaser(
            customer="Acme Toys",
            ledger=self.ledger,
            halves=self.halves,
            keys=self.token,
            journal=self.journal,
            policy=policy,
            per_minute=per_minute,
            clock=lambda: self.now,
            wall_ms=lambda: 7,
            **more,
        )
        return self.releaser

    def request(
        self, *, nonce: bytes | None = None, room: RoomBench | None = None, **changes: Any
    ) -> HalfRequest:
        """As the room makes it, over a challenge of the custodian."""
        nonce = nonce if nonce is not None else self.releaser.challenge()
        by = room or self.room
        made = HalfRequest(
            nonce=nonce,
            transaction=ASK,
            claim=self.ledger.claim,
            blinding=b"b" * 32,
            evidence=by.evidence(claims=by.claims(nonce=nonce)),
        )
        return replace(made, **changes)

    async def ask(self, request: HalfRequest | None = None) -> Secret:
        """The half that the room opens."""
        request = request or self.request()
        sealed = await self.releaser.answer(request.encode())
        return open_half(
            self.room.seal,
            sealed,
            key=KEY,
            lease=LEASE,
            nonce=request.nonce,
            piece=request.piece,
        )

    def entries(self) -> list[JournalEntry]:
        return list(read_journal(self.folder))


def other_room() -> RoomBench:
    return make_room("another")
