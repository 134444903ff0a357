"""A `.byok` file becomes a split key, and its owner never has the key outside the room (VAULT §4;
T55)."""

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.room.test_import_byok import vendors_tool
from tests.node.rooms.custody_world import CUSTODIAN, Custody, custody
from tests.node.rooms.world import Started
from tests.waiting import so

from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.primitives import Secret
from strongroom.node.client.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.custodian.importing import NotTheRooms, ShownKey, check_exchange_key
from strongroom.node.custodian.ledger import ServiceLedger
from strongroom.node.rooms.starting import measured, program_file

pytestmark = pytest.mark.processes
IMPORT = program_file("import_byok")
NOBODYS = "id:" + "00" * 32 + "/none"
LOOKER = """\"\"\"Says which key it opened.\"\"\"

from hashlib import sha256

from strongroom.enclave.room.sdk import Room


async def program(room: Room) -> None:
    lease = await room.open(room.parameters["key"], "look")
    room.tell("opened", digest=sha256((await lease.data_key()).reveal()).digest())
    await lease.end()
"""


async def exchange_key(room: Started) -> ShownKey:
    await so(lambda: room.said("exchange-key"), "the room makes an exchange key")
    (said,) = room.said("exchange-key")
    return ShownKey(**said)


async def checked(customer: Custody, shown: ShownKey, key: str = NOBODYS, **changes: Any) -> bytes:
    """The measurement of the room whose key it is."""
    async with Client.connect(customer.world.directory, CUSTODIAN) as client:
        ledger = ServiceLedger(client)
        how: dict[str, Any] = {
            "key": key,
            "chain": ledger.chain,
            "policy": await ledger.policy(),
            "time_ms": (await ledger.newest()).time_ms,
            "measurements": [measured(IMPORT).digest],
        }
        return check_exchange_key(shown, **how | changes).measurement


async def tried(room: Started, times: int) -> None:
    await so(lambda: len(room.said("not-taken")) >= times, f"{times} files were tried")


def put_there(file: Path, data: bytes) -> None:
    """Whole at once, as `mv` does it."""
    new = file.with_suffix(".new")
    new.write_bytes(data)
    new.rename(file)


async def test_a_byok_file_becomes_a_split_key_and_nobody_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, blob = os.urandom(32), tmp_path / "payroll.byok"
    looker = tmp_path / "engraver.py"
    looker.write_text(LOOKER)
    async with custody(tmp_path, monkeypatch) as customer:
        plant = customer.world
        key = await customer.key("payroll", Secret.fresh(), programs=[IMPORT, looker])
        plant.program = IMPORT
        frames: list[bytes] = []
        async with plant.room(key, files={"blob": blob}) as room:
            took = room.process._frames._on_frame

            def hear(frame: bytes) -> None:
                frames.append(frame)
                took(frame)

            room.process._frames._on_frame = hear
            shown = await exchange_key(room)
            assert await checked(customer, shown, key) == measured(IMPORT).digest
            put_there(blob, vendors_tool(shown.pem, target, kid="elsewhere"))
            await so(lambda: room.said("not-taken"), "another exchange key's file is refused")
            put_there(blob, vendors_tool(shown.pem, target, kid=shown.kid))
            ended = await room.end()
        assert ended.ok, ended.text
        (imported,) = room.said("imported")
        assert imported["key"] == f"{key}@1"
        assert not [one for one in (*frames, *room.relay.carried) if target in one]
        with pytest.raises(ProgramFailed, match="another's"):
            async with Client.connect(tmp_path, "member0", one_shot=True) as other:
                await other.call("vault.rewrap", key=imported["key"], wrapped=imported["wrapped"])
        await plant.act("alice", "rewrap", key=imported["key"], wrapped=imported["wrapped"])

        plant.program = looker
        async with plant.room(key, state="b", name="hall-8") as room:
            ended = await room.end()
        assert ended.ok, ended.text
        assert room.said("opened")[0]["digest"] == sha256(target).digest()
        assert "rewrap" in await customer.records("payroll")


async def test_an_exchange_key_that_is_no_rooms_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room's host puts a key of its own in place of the room's, or has the room import into one
    whose halves are its own; another program makes one; a file that does not open is tried a few
    times."""
    async with custody(tmp_path, monkeypatch) as customer:
        plant = customer.world
        plant.program = IMPORT
        blob = tmp_path / "payroll.byok"
        async with plant.room(NOBODYS, files={"blob": blob}) as room:
            shown = await exchange_key(room)
            async with plant.room(
                NOBODYS, state="b", name="hall-8", files={"blob": blob}
            ) as second:
                other = await exchange_key(second)
            for false in (
                replace(shown, pem=other.pem),
                replace(shown, pem=other.pem, signature=other.signature),
                replace(shown, signature=other.signature),
                replace(shown, signature=b""),
                replace(shown, evidence=other.evidence),
                replace(shown, evidence=b"none"),
            ):
                with pytest.raises(NotTheRooms):
                    await checked(customer, false)
            assert await checked(customer, shown) == measured(IMPORT).digest
            for own in (f"id:{person('alice').id.hex()}/payroll", f"{NOBODYS}@1", ""):
                with pytest.raises(NotTheRooms, match="another key"):
                    await checked(customer, shown, own)
            with pytest.raises(NotTheRooms, match="does not hold"):
                await checked(customer, shown, chain=ChainId(Digest(b"c" * 32)))
            with pytest.raises(NotTheRooms, match="other code"):
                await checked(
                    customer, shown, measurements=[measured(program_file("printer")).digest]
                )
            for number in range(8):
                put_there(blob, vendors_tool(other.pem, bytes([number]) * 32, kid=shown.kid))
                await tried(room, number + 1)
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "byok")
