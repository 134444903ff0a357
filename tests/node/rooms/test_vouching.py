"""For whom an operator gives its word: the one session of the room that it starts."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.enclave.chain import person

from strongroom.node.rooms import starting
from strongroom.node.rooms.process import Ended
from strongroom.node.rooms.starting import Wanted, run_room

OWN, OTHER = b"o" * 32, b"x" * 32


class SayingRoom:
    """Its process says what session it has; then its program says the same of another."""

    @classmethod
    async def launch(cls, _chip: Any, _program: Any, _relay: Any, heard: Any, *_: Any) -> Any:
        for session in (OWN, OTHER):
            heard("started", {"boot": 1, "session": session})
        return cls()

    async def until_ended(self) -> Ended:
        for _ in range(5):
            await asyncio.sleep(0)
        return Ended(True, "", "")

    async def kill(self) -> None:
        pass


class Way:
    """Stands for what carries a room's bytes: there are none."""

    def __init__(self, *_: Any) -> None:
        pass

    async def __aenter__(self) -> "Way":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


async def test_T11_a_program_that_says_it_started_gets_nobody_else_admitted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever is vouched for calls at the operator's cost."""
    vouched: list[object] = []

    async def vouch(_where: Any, _operator: Any, session: object, _on_event: Any) -> None:
        vouched.append(session)

    monkeypatch.setattr(starting, "RoomProcess", SayingRoom)
    monkeypatch.setattr(starting, "Custodians", Way)
    monkeypatch.setattr(starting, "Relay", Way)
    monkeypatch.setattr(starting, "ChunkCarrier", Way)
    monkeypatch.setattr(starting, "vouch", vouch)
    monkeypatch.setattr(starting, "load_service", lambda _: SimpleNamespace(pin="pin"))
    monkeypatch.setattr(starting, "sign", lambda *_: bytes(64))
    wanted = Wanted(
        name="hall-7",
        program=tmp_path / "printer.py",
        chip=tmp_path,
        state=tmp_path,
        region="eu-west",
        operator="plant",
        files={},
        parameters={},
    )
    said: list[str] = []
    ended = await run_room(
        wanted, tmp_path, person("plant"), lambda what, _: said.append(what), asyncio.Event()
    )
    assert (ended.ok, said) == (True, ["started"] * 2)
    assert vouched == [OWN]
