"""A room's process opens keys that the customer's token hands over, while its lease lives (T55)."""

from pathlib import Path

import pytest
from tests.node.rooms.custody_world import custody
from tests.node.rooms.world import CANARY, LAYERS
from tests.waiting import so

from strongroom.enclave.outside.half_request import WHOLE

pytestmark = pytest.mark.processes


async def test_t55_a_room_opens_a_key_that_stands_in_the_token_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its host nor the ledger sees it."""
    async with custody(tmp_path, monkeypatch) as customer:
        plant = customer.world
        key = await customer.hsm_key("bear")
        async with plant.room(key, parts="1") as room:
            ended = await room.end()
        assert ended.ok, ended.text
        assert customer.tokens.pieces == [WHOLE, WHOLE], "the owner's and the room's"
        assert len(room.said("layer")) == LAYERS
        assert await customer.records("bear") == ["new", "put", "ask", "release", "use", "end"]
        data_key = customer.tokens.data_key(customer.named("bear"), WHOLE)
        carried = room.relay.carried
        assert not [one for one in carried if data_key in one or CANARY.encode() in one]


async def test_t52_a_revoked_job_gets_no_further_key_of_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces, each is derived by itself: nobody but the token ever has what opens the next."""
    async with custody(tmp_path, monkeypatch) as customer:
        plant = customer.world
        terms = {"pieces": LAYERS, "heartbeat_ms": 30_000, "lease_ms": 60_000}
        key = await customer.hsm_key("bear", **terms)
        assert customer.tokens.pieces == [*range(LAYERS)], "the owner seals without the whole"
        del customer.tokens.pieces[:]
        async with plant.room(key, parts="1", seconds="1") as room:
            await so(lambda: len(room.said("layer")) >= 2, "two layers are printed")
            await plant.act("alice", "revoke", key="/bear")
            ended = await room.end()
        assert (ended.ok, ended.code) in [(False, "revoked"), (False, "not-live")]
        made = len(room.said("layer"))
        assert made < LAYERS
        assert customer.tokens.pieces == [*range(made)]
        assert customer.halves.pieces == []
