"""Links between nodes: by node key, whatever the epoch; one that says nothing is given up (PROTOCOL
§3, R16)."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.consensus import samples
from tests.hang import HANG_SECONDS

from strongroom.consensus.types import ChainId, Epoch, PublicKey, SignerIndex
from strongroom.consensus.validators import EpochDescription
from strongroom.node import tls
from strongroom.node.config import Address
from strongroom.node.enclave_client.replies import CheckedPeer
from strongroom.node.machine import ports
from strongroom.node.network import links as links_module
from strongroom.node.network.handshake import HANDSHAKE_BYTES_MAX, Handshake, Wire
from strongroom.node.network.links import SILENCE_SECONDS_MAX, SILENT_MAX, Link, Links

PEER = samples.EPOCH.validators[1].node_key
SOMEWHERE = Address("127.0.0.1", 1)


class StandInFrames:
    """A connection that nobody has closed, and what was said over it."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.connected, self.transport = True, self
        self.sent: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def abort(self) -> None:
        self.connected = False


def links() -> Links:
    loose: dict[str, Any] = dict.fromkeys(("handshake", "on_message", "on_link"))
    made = Links(on_lost=lambda _: None, **loose)
    made.turn_to(samples.EPOCH)
    return made


@pytest.mark.parametrize(("silent_for", "dialled"), [(0.0, False), (SILENCE_SECONDS_MAX + 1, True)])
async def test_a_member_that_says_nothing_for_long_is_dialled_anew(
    monkeypatch: pytest.MonkeyPatch, silent_for: float, dialled: bool
) -> None:
    """A machine without power, or a network that drops everything, closes no connection."""
    made, frames, dials = links(), StandInFrames(), asyncio.Event()
    loose: Any = frames
    heard = asyncio.get_running_loop().time() - silent_for
    made.links[PEER] = Link(CheckedPeer(PEER, "n1", bytes(32), "good", ""), loose, heard)

    async def dial(*_: object) -> bool:
        dials.set()
        return False

    monkeypatch.setattr(Links, "_dial", dial)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    dialling = asyncio.create_task(made.dial_forever(PEER, SOMEWHERE, context))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (dials.is_set(), frames.connected, PEER in made.links) == (
        dialled,
        not dialled,
        not dialled,
    )
    dialling.cancel()
    await asyncio.gather(dialling, return_exceptions=True)


@pytest.mark.parametrize("lost", [True, False])
async def test_a_link_is_dialled_anew_when_it_is_lost_and_looked_at_when_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """Whoever dials sleeps while a link stands."""
    monkeypatch.setattr(links_module, "LOOK_SECONDS", 10 * HANG_SECONDS if lost else 0.01)
    made, dials, wire = links(), asyncio.Event(), Wire()
    made.on_link = lambda _: None
    made._establish(CheckedPeer(PEER, "n1", bytes(32), "good", ""), wire)

    async def dial(*_: object) -> bool:
        dials.set()
        return False

    monkeypatch.setattr(Links, "_dial", dial)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    dialling = asyncio.create_task(made.dial_forever(PEER, SOMEWHERE, context))
    await asyncio.sleep(0)
    assert not dials.is_set()
    if lost:
        wire.frames.connection_lost(None)
    else:
        made.links[PEER].heard -= SILENCE_SECONDS_MAX + 1
    async with asyncio.timeout(HANG_SECONDS):
        await dials.wait()
    dialling.cancel()
    await asyncio.gather(dialling, return_exceptions=True)


def linked(made: Links, *keys: PublicKey) -> list[StandInFrames]:
    """Links to these nodes."""
    streams = [StandInFrames() for _ in keys]
    for key, stream in zip(keys, streams, strict=True):
        loose: Any = stream
        made.links[key] = Link(CheckedPeer(key, key.hex()[:4], bytes(32), "good", ""), loose, 0.0)
    return streams


def later_epoch() -> EpochDescription:
    """The samples' epoch without its first member: everybody else's index is another one."""
    return replace(
        samples.EPOCH, epoch=Epoch(samples.EPOCH.epoch + 1), validators=samples.EPOCH.validators[1:]
    )


def test_T42_after_a_change_of_epochs_an_index_means_the_new_member_and_the_link_stands() -> None:
    """R16: a vote is counted for whoever's link it came through; indexes of the old epoch mean
    others now."""
    made = links()
    first, second = (validator.node_key for validator in samples.EPOCH.validators[:2])
    (to_first, to_second) = linked(made, first, second)
    made.send(SignerIndex(0), b"old")
    made.turn_to(later_epoch())
    made.send(SignerIndex(0), b"new")
    assert (to_first.sent, to_second.sent) == ([b"old"], [b"new"])
    assert (made.index_of(first), made.index_of(second)) == (None, SignerIndex(0))
    assert to_first.connected, "whoever fell out is still served"


def test_whoever_is_linked_by_certificates_alone_shows_evidence_once_the_policy_is_known() -> None:
    """T20, T24: a joiner judges by genesis until it knows better; links that were judged stand."""
    made = links()
    first, second = (validator.node_key for validator in samples.EPOCH.validators[:2])
    (judged, certified) = linked(made, first, second)
    made.links[second].peer = replace(made.links[second].peer, judged=False)
    made.judge_anew()
    assert (judged.connected, certified.connected) == (True, False)


class Aborted(asyncio.Transport):
    """A transport that only knows whether it was given up."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_T31_who_has_proven_nothing_is_given_no_memory_for_a_large_frame() -> None:
    """A link's frames are megabytes; before it is one, the announced length alone ends the
    stream."""
    announced = (HANDSHAKE_BYTES_MAX + 1).to_bytes(4, "big")
    wire, transport = Wire(), Aborted()
    wire.frames.connection_made(transport)
    wire.frames.data_received(announced)
    assert transport.aborted
    wire, transport = Wire(), Aborted()
    wire.frames.connection_made(transport)
    wire.established(lambda _: None, lambda: None)
    wire.frames.data_received(announced)
    assert not transport.aborted


async def test_T31_a_handshake_begins_with_the_diallers_first_word(tmp_path: Path) -> None:
    """Until then a connection costs a place, and gives way to newer ones: the enclave is asked for
    nothing."""
    made, begun = links(), asyncio.Event()
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    tls.write_identity(tls.make_certificate("n0"), certificate=certificate, key=key)

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        work.close()
        begun.set()

    free = ports.reserve_free(1)
    address = Address("127.0.0.1", free.ports[0])
    free.release()
    listener = await made.listen(address, tls.server_context(certificate, key), spawn)
    writers = []
    async with asyncio.timeout(HANG_SECONDS):
        for _ in range(SILENT_MAX + 5):
            _, writer = await asyncio.open_connection(
                address.host, address.port, ssl=tls.dial_context()
            )
            writers.append(writer)
        assert len(listener.guests) == SILENT_MAX
        assert not begun.is_set()
        writers[-1].write(b"\0\0\0\1x")
        await begun.wait()
        writers.append(
            (await asyncio.open_connection(address.host, address.port, ssl=tls.dial_context()))[1]
        )
    listener.close()
    for writer in writers:
        writer.transport.abort()
    for guest in list(listener.guests):
        guest.drop()
    await asyncio.sleep(0)


async def test_T31_a_bug_that_a_peers_bytes_lead_to_costs_its_link_and_not_the_node(
    tmp_path: Path,
) -> None:
    """T31: whatever a handshake raises would end every task of the host."""

    class Failing:
        async def dial(self, *_: object) -> CheckedPeer:
            raise KeyError("which nothing had foreseen")

        answer = dial

    made = links()
    loose: Any = Failing()
    made.handshake = loose
    assert not await made._dial(PEER, SOMEWHERE, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    await made._accept(Wire())
    assert made.links == {}


async def test_a_name_is_resolved_anew_at_each_dial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer whose address changes behind its name is found again, and one whose name is gone costs
    no more than a dial."""
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    tls.write_identity(tls.make_certificate("n0"), certificate=certificate, key=key)
    reached: list[int] = []

    def door(number: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reached.append(number)
            writer.close()

        return hang_up

    made, context = links(), tls.server_context(certificate, key)
    enclave: Any = None  # it is asked for nothing: nobody says a word
    made.handshake = Handshake(
        chain=ChainId(bytes(32)),
        node_key=PublicKey(bytes(32)),
        tls_key=bytes(32),
        enclave=enclave,
        wall_ms=lambda: 0,
    )
    servers = [await asyncio.start_server(door(n), "127.0.0.1", 0, ssl=context) for n in range(2)]
    places = [server.sockets[0].getsockname()[:2] for server in servers]
    found: list[tuple[str, int] | None] = [places[0], None, places[1]]
    asked: list[str] = []

    async def resolve(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        place = found.pop(0)
        if place is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", place)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    address = Address("ledger.bank2.example", 7410)
    for _ in range(3):
        assert not await made._dial(PEER, address, tls.dial_context())
    assert asked == [address.host] * 3
    assert reached == [0, 1]
    for server in servers:
        server.close()
