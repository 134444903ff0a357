"""Links between nodes: by node key, whatever the epoch; one that says nothing is given up (PROTOCOL §3, R16)."""

import asyncio
import ssl
from dataclasses import replace
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.types import Epoch, PublicKey, SignerIndex
from strongroom.consensus.validators import EpochDescription
from strongroom.node.config import Address
from strongroom.node.enclave_process import CheckedPeer
from strongroom.node.links import SILENCE_SECONDS_MAX, Link, Links

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
    assert (dials.is_set(), frames.connected, PEER in made.links) == (dialled, not dialled, not dialled)
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
    return replace(samples.EPOCH, epoch=Epoch(samples.EPOCH.epoch + 1), validators=samples.EPOCH.validators[1:])


def test_T42_after_a_change_of_epochs_an_index_means_the_new_member_and_the_link_stands() -> None:
    """R16: a vote is counted for whoever's link it came through; indexes of the old epoch mean others now."""
    made = links()
    first, second = (validator.node_key for validator in samples.EPOCH.validators[:2])
    (to_first, to_second) = linked(made, first, second)
    made.send(SignerIndex(0), b"old")
    made.turn_to(later_epoch())
    made.send(SignerIndex(0), b"new")
    assert (to_first.sent, to_second.sent) == ([b"old"], [b"new"])
    assert (made.index_of(first), made.index_of(second)) == (None, SignerIndex(0))
    assert to_first.connected, "whoever fell out is still served"
