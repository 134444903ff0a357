"""The instruments of the fault matrix: what they are to find, they find."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from scripts.fault_matrix.fault import percentiles
from scripts.fault_matrix.matrix import FAULTS
from scripts.fault_matrix.network import Network, Relay
from scripts.fault_matrix.node_logs import NodeLogs
from scripts.fault_matrix.statements import Statements
from scripts.fault_matrix.watch import Door
from tests.consensus import samples

from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, View
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.errors import Disconnected
from strongroom.node.config import Address

A, B = samples.digest("a"), samples.digest("b")


def statement(kind: Kind, digest: Digest = NO_DIGEST, view: int = 7) -> Statement:
    return Statement(kind, Epoch(0), View(view), digest)


def notarize(digest: Digest) -> Statement:
    return statement(Kind.NOTARIZE, digest)


def finalize(digest: Digest) -> Statement:
    return statement(Kind.FINALIZE, digest)


NULLIFY = statement(Kind.NULLIFY)
LATER = statement(Kind.NULLIFY, view=8)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([(notarize(A), 0), (notarize(B), 0)], "member 0 said two different NOTARIZE in view 7"),
        ([(finalize(A), 1), (finalize(B), 1)], "member 1 said two different FINALIZE in view 7"),
        ([(NULLIFY, 2), (finalize(A), 2)], "member 2 said NULLIFY and FINALIZE in view 7"),
        ([(notarize(A), 0), (notarize(A), 1), (notarize(A), 2), (notarize(B), 3)], ""),
        ([(notarize(A), 0), (NULLIFY, 0)], ""),
        ([(notarize(A), 0), (notarize(A), 0), (finalize(A), 0), (LATER, 0)], ""),
    ],
)
def test_a_vote_key_that_contradicts_itself_is_named(
    said: list[tuple[Statement, int]], found: str
) -> None:
    """PROTOCOL §8: a NOTARIZE and a NULLIFY of one member in one view are no contradiction."""
    seen = Statements(4)
    for what, signer in said:
        seen.add(what, signer)
    members = [text for text in seen.contradictions() if text.startswith("member")]
    assert members == ([f"{found} of epoch 0"] if found else [])


def test_two_quorums_that_exclude_each_other_are_named_whoever_is_in_them() -> None:
    seen = Statements(4)
    for signer in range(4):
        seen.add(finalize(A), signer)
        seen.add(NULLIFY, signer)
    assert "view 7 of epoch 0 is both nullified and final" in seen.contradictions()
    seen = Statements(4)
    for signer in range(4):
        seen.add(notarize(A), signer)
        seen.add(notarize(B), signer)
    assert "two blocks have a quorum in view 7 of epoch 0" in seen.contradictions()


def test_a_line_that_no_node_may_write_is_shown_once(tmp_path: Path) -> None:
    log = tmp_path / "n2" / "node.log"
    log.parent.mkdir()
    logs = NodeLogs()
    assert logs.news(log) == []
    log.write_text(
        '{"event": "peer.fault", "reason": "Traceback"}\n{"event": "evidence", "signer": 1}\n'
    )
    assert logs.news(log) == ['n2 says: {"event": "evidence", "signer": 1}']
    with log.open("a") as file:
        file.write("error: n2/wal: no space\nTraceback (most recent call last):\n{'event'")
    assert logs.news(log) == ["n2 says: Traceback (most recent call last):"]
    assert logs.news(log) == []


def test_every_fault_has_a_name_of_its_own_and_says_what_is_done() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 25
    assert all(fault.words.endswith(".") for fault in FAULTS)


def test_percentiles_of_few_values_end_with_the_largest() -> None:
    assert percentiles([3.0, 1.0, 2.0]) == {"p50": 2.0, "p99": 3.0, "max": 3.0}
    assert percentiles([number / 100 for number in range(200)])["p99"] == 1.98


@asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Network, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection from n0 to n1, who sends back what it gets, through a relay."""

    echoing: list[asyncio.Task[None]] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        echoing.append(task)
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)
        writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = Relay(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
    address = await relay.start()
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield Network({("n0", "n1"): relay}), reader, writer
    finally:
        await relay.close()
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
        server.close()
        await asyncio.gather(*echoing, return_exceptions=True)


async def test_a_relay_carries_bytes_in_order_in_any_weather() -> None:
    async with relayed() as (network, reader, writer):
        network.worsen(delay=0.001, loss=0.2)
        for number in range(20):
            writer.write(bytes([number]) * 10)
            await writer.drain()
        data = await asyncio.wait_for(reader.readexactly(200), 30)
        assert data == b"".join(bytes([number]) * 10 for number in range(20))


async def test_what_is_held_arrives_when_the_network_is_fair_again() -> None:
    async with relayed() as (network, reader, writer):
        network.hold(["n0"], ["n1"])
        writer.write(b"late")
        reading = asyncio.create_task(reader.readexactly(4))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not reading.done()
        network.fair()
        assert await asyncio.wait_for(reading, 30) == b"late"


async def test_a_cut_breaks_what_is_open_and_refuses_what_comes() -> None:
    async with relayed() as (network, reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        network.cut(["n0"], ["n1"])
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 30) == b""
        again, other = await asyncio.open_connection(*writer.get_extra_info("peername"))
        with suppress(ConnectionError):
            assert await asyncio.wait_for(again.read(1), 30) == b""
        other.close()


class _Line:
    """A connection that answers, or ended unnoticed."""

    def __init__(self, *, answers: bool) -> None:
        self.alive, self._answers = True, answers

    async def ask(self, method: str) -> str:
        if not self._answers:
            self.alive = False
            raise Disconnected("Cannot write to closing transport")
        return method

    async def run(self) -> None:
        """Nothing is read."""


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_door_whose_connection_had_ended_unnoticed_is_asked_anew_once(
    monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    opened: list[_Line] = []

    async def opening(*_: object) -> _Line:
        opened.append(_Line(answers=comes_back))
        return opened[-1]

    monkeypatch.setattr(Connection, "open", opening)
    unused: Any = None
    door = Door("n0", "https://nowhere", unused, unused, _Line(answers=False))  # type: ignore[arg-type]
    if comes_back:
        assert await door.ask("node_status") == "node_status"
    else:
        with pytest.raises(Disconnected):
            await door.ask("node_status")
    assert len(opened) == 1
