"""Keys that a token hands over (custody hsm): the proofs of a half, and the room's own point
(T55)."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import CREATED_MS
from tests.node.custodian.release_world import KEY, LEASE, ReleaseWorld, other_room

from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.outside.half_request import WHOLE, HalfRequest
from strongroom.enclave.outside.token_key import (
    HandoverKey,
    TokenKeyRequest,
    handover_context,
    open_token_key,
)
from strongroom.enclave.primitives import DoesNotOpen, SigningKey
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.custodian.errors import HalfRefused, TokenFault
from strongroom.node.custodian.sources import Standing


class KeyWorld(ReleaseWorld):
    """A lease of a key of custody hsm."""

    def __init__(self, folder: Path, **claimed: Any) -> None:
        super().__init__(folder, **({"custody": "hsm"} | claimed))
        self.handover = HandoverKey()

    def key_request(
        self,
        shown: HalfRequest | None = None,
        *,
        point: bytes | None = None,
        session: SigningKey | None = None,
        chain: ChainId = KEY.chain,
    ) -> TokenKeyRequest:
        return TokenKeyRequest.signed(
            shown or self.request(),
            point or self.handover.point,
            chain=chain,
            session=session or self.room.session,
        )

    async def ask_key(self, request: TokenKeyRequest | None = None) -> bytes:
        """The key that the room opens."""
        request = request or self.key_request()
        sealed = await self.releaser.answer(request.encode(), custody="hsm")
        context = handover_context(
            KEY,
            lease=LEASE,
            nonce=request.shown.nonce,
            piece=request.shown.piece,
            point=request.point,
        )
        opened = open_token_key(
            self.room.seal, self.handover, sealed, context=context, chain=KEY.chain
        )
        return opened.reveal()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[KeyWorld]:
    made = KeyWorld(tmp_path / "c")
    yield made
    made.journal.close()


async def refused(world: KeyWorld, request: TokenKeyRequest | None = None) -> HalfRefused:
    with pytest.raises(HalfRefused) as raised:
        await world.ask_key(request)
    assert "hand over" not in world.ledger.events
    return raised.value


async def test_a_room_with_a_live_lease_gets_the_key(world: KeyWorld) -> None:
    assert await world.ask_key() == world.token.data_key(KEY, WHOLE)
    assert [entry.what for entry in world.entries()] == ["asked", "given"]
    assert {entry.facts["custody"] for entry in world.entries()} == {"hsm"}
    assert world.ledger.events == [
        "lease",
        "newest",
        "standing",
        "policy",
        "key known",
        "release",
        "hand over",
    ]


async def test_t55_the_release_is_recorded_before_the_token_wraps(world: KeyWorld) -> None:
    await world.ask_key()
    ((digest, journal),) = world.ledger.recorded
    asked, _ = world.entries()
    assert (digest, journal) == (asked.digest, asked.line())


async def test_t55_what_the_ledger_refuses_to_record_is_not_handed_over(world: KeyWorld) -> None:
    world.ledger.refusal = {"release": ProgramFailed("suspended", "by its owner", height=1)}
    assert (await refused(world)).code == "not-live"


async def test_t55_a_point_that_the_rooms_session_did_not_sign_is_refused(world: KeyWorld) -> None:
    """The room's host puts its own point in: it has the evidence, and not the session key."""
    shown = world.request()
    good = world.key_request(shown)
    for changed in (
        replace(good, point=HandoverKey().point),
        replace(good, signature=bytes(64)),
        replace(good, shown=replace(shown, piece=WHOLE), signature=b"\x01" * 64),
        world.key_request(shown, session=other_room().session),
        world.key_request(shown, session=world.room.operator),
        world.key_request(shown, chain=ChainId(Digest(b"d" * 32))),
    ):
        fault = await refused(world, changed)
        assert (fault.code, "session key" in str(fault)) == ("evidence", True)
    assert await world.ask_key(good) == world.token.data_key(KEY, WHOLE)


async def test_t55_a_signature_for_another_challenge_is_refused(world: KeyWorld) -> None:
    """A request of before, with evidence over the challenge of now."""
    old, now = world.key_request(), world.request()
    assert (await refused(world, replace(old, shown=now))).code == "evidence"


async def test_t55_the_same_proofs_as_for_a_half(world: KeyWorld) -> None:
    shown = world.request()
    session = sha256(world.room.session.public).digest()
    assert (await refused(world, world.key_request(replace(shown, claim=b"x")))).code == "receipt"
    unsaid = world.key_request(replace(shown, evidence=world.room.evidence()))
    assert (await refused(world, unsaid)).code == "evidence"
    until = CREATED_MS + 30_000
    world.ledger.standing_ = Standing(
        state="revoked", until_ms=until, session=session, region="eu-west", country=""
    )
    assert (await refused(world)).code == "not-live"
    world.ledger.standing_ = None
    world.make(per_minute=1)
    await world.ask_key()
    world.ledger.events.clear()
    assert (await refused(world)).code == "rate"


async def test_t55_a_replayed_request_is_refused(world: KeyWorld) -> None:
    request = world.key_request()
    await world.ask_key(request)
    world.ledger.events.clear()
    assert (await refused(world, request)).code == "form"


async def test_t56_a_token_without_the_key_pauses_with_the_customers_name(world: KeyWorld) -> None:
    world.token.fault = TokenFault("no-key", "no data key", customer="Acme Toys")
    fault = await refused(world)
    assert fault.code == "custodian-away"
    assert "Only Acme Toys's keys pause" in str(fault)
    assert "release" not in world.ledger.events


async def test_a_lease_in_pieces_gets_the_key_of_a_piece_and_never_the_whole(
    tmp_path: Path,
) -> None:
    world = KeyWorld(tmp_path, pieces=3)
    keys = set()
    for piece in range(3):
        given = await world.ask_key(world.key_request(world.request(piece=piece)))
        assert given == world.token.data_key(KEY, piece)
        keys.add(given)
    assert len(keys | {world.token.data_key(KEY, WHOLE)}) == 4
    world.ledger.events.clear()
    for piece in (WHOLE, 3):
        assert (await refused(world, world.key_request(world.request(piece=piece)))).code == "lease"
    world.journal.close()


async def test_a_key_without_pieces_is_given_whole_alone(world: KeyWorld) -> None:
    assert (await refused(world, world.key_request(world.request(piece=0)))).code == "lease"


@pytest.mark.parametrize("custody", ["ledger", "split"])
async def test_a_key_of_another_custody_is_not_handed_over(tmp_path: Path, custody: str) -> None:
    world = KeyWorld(tmp_path, custody=custody)
    fault = await refused(world)
    assert fault.code == "lease"
    assert custody in str(fault)
    world.journal.close()


async def test_t55_the_answer_opens_in_that_room_alone(world: KeyWorld) -> None:
    request = world.key_request()
    sealed = await world.releaser.answer(request.encode(), custody="hsm")
    nonce, point = request.shown.nonce, request.point
    right: dict[str, Any] = {"lease": LEASE, "nonce": nonce, "piece": WHOLE, "point": point}

    def opened(room: Any, handover: HandoverKey, **changes: Any) -> bytes:
        context = handover_context(KEY, **(right | changes))
        seal, chain = room.seal, KEY.chain
        return open_token_key(seal, handover, sealed, context=context, chain=chain).reveal()

    assert opened(world.room, world.handover) == world.token.data_key(KEY, WHOLE)
    with pytest.raises(DoesNotOpen):
        opened(other_room(), world.handover)
    with pytest.raises(DoesNotOpen):
        opened(world.room, HandoverKey())
    with pytest.raises(DoesNotOpen):
        opened(world.room, world.handover, nonce=bytes(32))


@pytest.mark.parametrize("data", [b"", b"\x94\x01\xc4\x00", b"\xff" * 200])
async def test_what_is_no_request_is_refused(world: KeyWorld, data: bytes) -> None:
    for custody in ("hsm", "split"):
        with pytest.raises(HalfRefused) as raised:
            await world.releaser.answer(data, custody=custody)
        assert raised.value.code == "form"
