"""Secrets hunted in a custodian that runs, is killed and goes on: what it may know (its PIN), what
passes through it (the half), and what it must never see (the ledger's half, the data key; T10,
T55)."""

import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.node.custodian import test_custody_processes as processes
from tests.node.custodian.softhsm import PIN, needs_softhsm
from tests.node.custodian.test_custody_processes import Plant, design_put, half, plant_in
from tests.waiting import so

from strongroom.enclave.outside.half_request import open_half
from strongroom.enclave.outside.split_key import KeyName
from strongroom.node.client.client import Client
from strongroom.node.custodian.journal import read_journal
from strongroom.node.demo.hunt import hunt_files, hunt_memory
from strongroom.node.machine.processes import ProcessId, children_of

pytestmark = [
    pytest.mark.processes,
    pytest.mark.long,
    needs_softhsm,
    pytest.mark.skipif(os.geteuid() != 0, reason="another process' memory is read by root"),
]
LONG_PIN = f"{PIN}-the-pin-of-acme"
"""Long enough to be told from chance."""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.setattr(processes, "PIN", LONG_PIN)
    monkeypatch.setattr("tests.node.custodian.softhsm.PIN", LONG_PIN)
    with plant_in(tmp_path) as made:
        yield made


def running_of(plant: Plant) -> ProcessId:
    """The custodian's process: the child of ours that runs its folder."""
    own = ProcessId.of(os.getpid())
    assert own is not None
    for child in children_of(own):
        line = Path(f"/proc/{child.pid}/cmdline").read_bytes().split(b"\0")
        if b"run" in line and str(plant.custodian).encode() in line:
            return child
    raise AssertionError("no custodian runs")


def hunt_running(custodian: ProcessId, never: list[str | bytes], *, control: str) -> None:
    """What stands in the memory of a custodian and its child, and what others may see of both."""
    (child,) = children_of(custodian)
    seen = hunt_memory(custodian.pid, [*never, LONG_PIN, control]).found
    assert seen[control], "the search is not blind"
    assert seen[LONG_PIN], "it starts its child anew with it"
    assert not any(seen[one] for one in never)
    seen = hunt_memory(child.pid, never).found
    assert not any(seen.values())
    for process in (custodian, child):
        for name in ("cmdline", "environ"):
            assert LONG_PIN not in Path(f"/proc/{process.pid}/{name}").read_text()
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        core = next(line.split() for line in limits if line.startswith("Max core file size"))
        assert core[4:6] == ["0", "0"], "a core file would hold the PIN"


@asynccontextmanager
async def killed(plant: Plant) -> AsyncIterator[tuple[str, ProcessId]]:
    """A custodian that is killed at the end; its child ends with it."""
    try:
        async with plant.running() as door:
            custodian = running_of(plant)
            (child,) = children_of(custodian)
            yield door, custodian
            custodian.send(signal.SIGKILL)
            await so(lambda: not child.alive, "its child ends with it")
    except ProcessLookupError:
        pass  # it is killed before it is told to end
    except AssertionError as ended:
        if "-9" not in str(ended):
            raise


async def test_T55_what_a_custodian_holds_passes_on_and_never_sees(plant: Plant) -> None:
    async with (
        Client.connect(plant.data, "maker") as maker,
        Client.connect(plant.data, "acme") as acme,
    ):
        room, owner = await design_put(plant, maker, acme)
        kept = plant.data / "keys" / "maker.vault" / "design@1.json"
        data_key = bytes.fromhex(json.loads(kept.read_text())["secret"])
        key = KeyName(chain=maker.service.chain, owner=owner, name="design", version=1)
        async with Client.connect(plant.data, room.identity) as inside:
            inside.height = maker.height
            lease = await room.ask(inside, owner)
            ledgers = bytes(lease.result["half"])
            async with killed(plant) as (door, custodian):
                status, sealed, nonce = await half(door, room, owner, lease)
                assert status == 200
                assert isinstance(sealed, bytes)
                own = open_half(
                    room.seal, sealed, key=key, lease=lease.result["lease"], nonce=nonce
                ).reveal()
                never: list[str | bytes] = [data_key, ledgers]
                hunt_running(custodian, never, control=lease.result["lease"].hex())
            async with plant.running() as door:
                status, sealed, nonce = await half(door, room, owner, lease)
                assert status == 200, sealed
                assert isinstance(sealed, bytes)
                again = open_half(
                    room.seal, sealed, key=key, lease=lease.result["lease"], nonce=nonce
                )
                assert again.reveal() == own
    whats = [entry.what for entry in read_journal(plant.custodian)]
    assert whats == ["opened", "asked", "given"] * 2
    secrets: list[str | bytes] = [data_key, ledgers, own, LONG_PIN]
    found = hunt_files(plant.folder, secrets).found
    places = {str(kept.relative_to(plant.folder)), str(plant.pin.relative_to(plant.folder))}
    assert {one.rpartition(" (")[0] for where in found.values() for one in where} == places
    assert found[data_key], "the maker's own file"
    assert found[LONG_PIN], "the operator's own file"
