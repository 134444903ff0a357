"""What `--peer etcd` leaves behind when it fails: nothing."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench import peer_etcd
from strongroom.node.bench.peer_etcd import EtcdPeer, measure_etcd, running_etcd


async def test_where_no_port_is_free_no_folder_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: int) -> Any:
        raise OperatorFault("no port is free")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(peer_etcd, "etcd", lambda: "etcd")
    monkeypatch.setattr(peer_etcd, "reserve_free", refused)
    with pytest.raises(OperatorFault, match="no port"):
        async with running_etcd():
            pass
    assert list(tmp_path.iterdir()) == []


class Load:
    """A load process that never answers."""

    returncode: int | None = None

    def __init__(self) -> None:
        self.said: list[str] = []

    async def communicate(self, _: bytes) -> tuple[bytes, bytes]:
        raise asyncio.CancelledError

    def kill(self) -> None:
        self.said.append("killed")

    async def wait(self) -> int:
        self.said.append("gone")
        return -9


async def test_a_load_that_is_given_up_is_gone_when_the_measurement_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = Load()

    @asynccontextmanager
    async def running() -> AsyncIterator[EtcdPeer]:
        yield EtcdPeer(())
        load.said.append("members end")

    async def started(*_: object, **__: object) -> Load:
        return load

    monkeypatch.setattr(peer_etcd, "running_etcd", running)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
    with pytest.raises(asyncio.CancelledError):
        await measure_etcd(1.0, 0.0)
    assert load.said == ["killed", "gone"]
