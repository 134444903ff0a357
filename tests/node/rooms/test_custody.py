"""A room's process opens split keys by itself: with both halves, while its lease lives (T55)."""

from pathlib import Path
from typing import Any

import pytest
from tests.node.rooms.custody_world import CUSTOMER, custody
from tests.node.rooms.world import CANARY, DESIGN, LAYERS
from tests.waiting import so

from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import Secret
from strongroom.node.vault.containers import seal_file
from strongroom.node.vault.cutting import cut_layers

pytestmark = pytest.mark.processes


async def test_t55_a_room_opens_a_split_key_with_both_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host carries halves and learns none; each release stands on the ledger. Without the HSM
    its customer's keys pause, by name, and the machine is free again."""
    secret = Secret.fresh()
    async with custody(tmp_path, monkeypatch) as customer:
        plant = customer.world
        key = await customer.key("bear", secret)
        async with plant.room(key, parts="1") as room:
            ended = await room.end()
        assert ended.ok, ended.text
        assert customer.halves.pieces == [None, None], "the owner's and the room's"
        assert len(room.said("layer")) == LAYERS
        assert await customer.records("bear") == ["new", "put", "ask", "release", "use", "end"]
        half = (await customer.halves.half(customer.named("bear"))).reveal()
        carried = room.relay.carried
        assert not [one for one in carried if half in one or secret.reveal() in one]
        assert not [one for one in carried if CANARY.encode() in one]

        customer.halves.away = True
        async with plant.room(key, parts="1") as room:
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "custodian-away")
        assert CUSTOMER in ended.text
        assert not room.said("layer")
        leases = await plant.look("leases", key=key)
        assert [one["state"] for one in leases] == ["ended", "ended"]
        assert [one["reserved"] for one in leases] == [1, 0], "what was not made came back"


async def test_t52_a_revoked_split_job_gets_no_further_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces, the custodian gives one half for each, and none after the revocation."""
    async with custody(tmp_path, monkeypatch) as customer:
        plant = customer.world
        terms: dict[str, Any] = {"pieces": LAYERS, "heartbeat_ms": 30_000, "lease_ms": 60_000}
        key = await customer.key("bear", Secret.fresh(), **terms)
        del customer.halves.pieces[:]
        async with plant.room(key, parts="1") as room:
            ended = await room.end()
        assert ended.ok, ended.text
        assert customer.halves.pieces == [None, *range(LAYERS)]
        (lease,) = await plant.look("leases", key=key)
        assert lease["pieces_given"] == LAYERS
        del customer.halves.pieces[:]
        async with plant.room(key, parts="1", seconds="1") as room:
            await so(lambda: len(room.said("layer")) >= 2, "two layers are printed")
            await plant.act("alice", "revoke", key="/bear")
            ended = await room.end()
        assert (ended.ok, ended.code) in [(False, "revoked"), (False, "not-live")]
        made = len(room.said("layer"))
        assert made < LAYERS
        assert customer.halves.pieces == [None, *range(made)]


async def test_t52_a_container_that_kept_keys_resealed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken room kept its piece keys and sealed another design under them: the ledger knows the
    digest of the one that was put."""
    secret = Secret.fresh()
    async with custody(tmp_path, monkeypatch) as customer:
        plant = customer.world
        key = await customer.key("bear", secret)
        named, forged = customer.named("bear"), tmp_path / "forged.gcode"
        forged.write_text(DESIGN.replace("X31", "X32"))
        (tmp_path / "bear.sealed").unlink()
        seal_file(
            forged,
            tmp_path / "bear.sealed",
            secret=secret,
            chain=named.chain,
            key=KeyVersion(owner=named.owner, name=named.name, version=1),
            sizes=cut_layers(forged),
        )
        async with plant.room(key, parts="1") as room:
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "OtherContainer")
        assert "another container under this key" in ended.text
        assert not room.said("layer")
