"""`strongroom data sign | devices`, and batches through `put` and `extend`: an owner's gateway
(T64, ROOMS §3)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.node.cli.data_world import Owner, owner

from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.clean_rooms.batches import (
    Batch,
    BatchRefused,
    SignedFor,
    chained,
    checked_rows,
    read_batches,
)
from strongroom.enclave.primitives import Secret, SigningKey
from strongroom.node.clean_rooms import bringing
from strongroom.node.clean_rooms.gateway import Gateway, batches_in
from strongroom.node.client.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.client.identities import KeyFolder
from strongroom.node.client.trust.service import load_service
from strongroom.node.layout import ClusterLayout

TERMS = """
runs = 5
recipients = ["alice", "bob"]
programs = ["occupancy.hourly"]
purposes = ["planning"]
[tables.readings]
unit = "device"
k = 2
[tables.readings.columns]
time = { type = "integer", uses = ["group"] }
occupied = { type = "integer", uses = ["aggregate"], bounds = [0, 1] }
device = { type = "text", uses = ["identity"] }
"""


class Site(Owner):
    """An owner whose devices d1 and d2 sign."""

    async def sign(self, device: str, counter: int, out: str, data: str = "readings") -> Any:
        rows = "".join(f"{600 * counter + 60 * at},1,{device}\n" for at in range(10))
        file = self.write(f"{device}-{counter}.csv", "time,occupied,device\n" + rows)
        terms, path = str(self.directory / "readings.toml"), str(self.directory / out)
        name = f"alice/{data}"
        words = ["--data", name, "--terms", terms, "--device", device, "--out", path]
        return await self.json("data", "sign", file, "--counter", str(counter), *words)

    async def start(self, *more: str) -> Any:
        return await self.data(
            *("put", str(self.directory / "first.batches"), "--name", "readings"),
            *("--terms", str(self.directory / "readings.toml"), "--device", "d1", "--device", "d2"),
            *more,
        )

    async def add(self, file: str, code: int = 0) -> Any:
        return await self.data(
            "extend", str(self.directory / file), "--name", "readings", code=code
        )

    async def refusal(self, file: str) -> str:
        path = str(self.directory / file)
        return str(
            (await self("data", "extend", path, "--name", "readings", "--as", "alice")).stderr
        )


async def site(run: Owner) -> Site:
    """With three batches of two devices in first.batches."""
    made = Site(run.directory, run.service)
    made.chunks = run.chunks
    made.write("readings.toml", TERMS)
    for device in ("d1", "d2"):
        await made.json("keys", "new", device)
    for device, counter in (("d1", 1), ("d2", 1), ("d1", 2)):
        await made.sign(device, counter, "first.batches")
    return made


async def test_signed_batches_are_sealed_in_order_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        here = await site(run)
        made = await here.start()
        assert made["result"]["version"] == 1
        assert (await here.start())["steps"] == ["stands already"]
        await here.sign("d1", 3, "second.batches")
        assert (await here.add("second.batches"))["result"]["version"] == 2
        assert (await here.add("second.batches"))["steps"] == ["stands already"]
        listed = await here.data("devices", "readings")
        public = KeyFolder(ClusterLayout(run.directory).keys).show("d1").public.hex()
        assert {one["device"]: one["last"] for one in listed}[public] == 3

        await here.sign("d1", 5, "late.batches")
        assert "batch 4 of device" in await here.refusal("late.batches")
        assert "came before" in await here.refusal("first.batches")
        await here.sign("d2", 2, "other.batches", data="elsewhere")
        assert "not signed by its device for this data set" in await here.refusal("other.batches")
        await here.json("keys", "new", "d3")
        await here.sign("d3", 1, "foreign.batches")
        assert "no device of this data set" in await here.refusal("foreign.batches")
        (tmp_path / "cut.batches").write_bytes((tmp_path / "second.batches").read_bytes()[:-1])
        assert "cut short" in await here.refusal("cut.batches")
        here.write("plain.csv", "time,occupied,device\n1,1,d1\n")
        assert "takes signed batches alone" in await here.refusal("plain.csv")
        changed = await here.data("devices", "readings", "--add", "d3", "--remove", "d2")
        assert changed["result"]["devices"] == 2
        assert (await here.add("foreign.batches"))["result"]["version"] == 3
        await here.sign("d2", 2, "gone.batches")
        assert "no device of this data set" in await here.refusal("gone.batches")


async def test_T64_a_gateway_that_skips_its_own_check_is_stopped_by_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        here = await site(run)
        await here.start()
        shown = (await here.data("show", "readings"))["versions"][-1]
        device = KeyFolder(ClusterLayout(run.directory).keys).show("d1").public
        async with Client.connect(run.directory, "alice", one_shot=True) as client:
            with pytest.raises(ProgramFailed) as refused:
                await client.call(
                    "rooms.extend",
                    name="readings",
                    root=bytes(32),
                    chunks=shown["chunks"] + 1,
                    size_class=22,
                    batches=[(device, 2, 2)],
                )
        assert refused.value.code == "replayed"


async def test_T64_what_is_sealed_is_what_a_worker_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes under the owner's key are the devices' own, and their chain is the ledger's."""
    told: list[Any] = []
    async with owner(tmp_path, monkeypatch) as run:
        here = await site(run)
        add = bringing._Here.add

        async def heard(self: Any, name: str, /, *arguments: Any) -> None:
            told.append(arguments[-1])
            await add(self, name, *arguments)

        monkeypatch.setattr(bringing._Here, "add", heard)
        await here.start()
        chain = load_service(run.directory).chain
        data = (tmp_path / "first.batches").read_bytes()
        stream = SignedFor(chain, await run.identity("alice"), "readings")
        assert len(checked_rows([data], stream, bytes(chained(b"", told[0])))) == 3


KEYS = [SigningKey(Secret(bytes([at]) * 32)) for at in (1, 2)]
HERE = SignedFor(ChainId(bytes(32)), bytes([5]) * 32, "readings")


def test_a_gateway_goes_on_where_the_ledger_stands() -> None:
    gateway = Gateway(HERE, {KEYS[0].public: 7, KEYS[1].public: 0})
    for key, counter in ((0, 8), (1, 3), (0, 9), (1, 4)):
        gateway.take(Batch.sign(KEYS[key], HERE, counter, b"rows"))
    assert {(one.first, one.last) for one in gateway.moves} == {(8, 9), (3, 4)}
    assert [one.device for one in gateway.moves] == sorted(key.public for key in KEYS)
    for key, counter, code in ((0, 9, "replayed"), (0, 11, "gap"), (1, 4, "replayed")):
        with pytest.raises(BatchRefused) as refused:
            gateway.take(Batch.sign(KEYS[key], HERE, counter, b"rows"))
        assert refused.value.code == code
    forged = replace(Batch.sign(KEYS[0], HERE, 10, b"rows"), readings=b"others")
    with pytest.raises(BatchRefused) as refused:
        gateway.take(forged)
    assert refused.value.code == "foreign-batch"
    gateway.take(Batch.sign(KEYS[0], HERE, 10, b"rows"))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_batches_are_cut_out_of_any_parts(size: int) -> None:
    made = [Batch.sign(KEYS[0], HERE, at, bytes(at * 50)) for at in range(1, 9)]
    data = b"".join(one.encode() for one in made)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(batches_in(parts)) == made == list(read_batches(data))
    with pytest.raises(BatchRefused, match="cut short"):
        list(batches_in([*parts, b"\x00"]))
