"""Links between members: one that says nothing is given up (PROTOCOL §3, STATUS every second)."""

import asyncio
import ssl
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.types import ChainId, SignerIndex
from strongroom.node.config import Address
from strongroom.node.enclave_process import CheckedPeer
from strongroom.node.links import SILENCE_SECONDS_MAX, Link, Links

PEER = SignerIndex(1)
SOMEWHERE = Address("127.0.0.1", 1)


class StandInFrames:
    """A connection that nobody has closed."""

    def __init__(self) -> None:
        self.connected, self.transport = True, self

    def abort(self) -> None:
        self.connected = False


def links() -> Links:
    loose: dict[str, Any] = dict.fromkeys(("enclave", "wall_ms", "on_message", "on_link"))
    chain = ChainId(samples.digest("chain"))
    return Links(chain=chain, members=samples.EPOCH, own=SignerIndex(0), own_tls_key=bytes(32), **loose)


@pytest.mark.parametrize(("silent_for", "dialled"), [(0.0, False), (SILENCE_SECONDS_MAX + 1, True)])
async def test_a_member_that_says_nothing_for_long_is_dialled_anew(
    monkeypatch: pytest.MonkeyPatch, silent_for: float, dialled: bool
) -> None:
    """A machine without power, or a network that drops everything, closes no connection."""
    made, frames, dials = links(), StandInFrames(), asyncio.Event()
    loose: Any = frames
    heard = asyncio.get_running_loop().time() - silent_for
    made.links[PEER] = Link(CheckedPeer(PEER, "n1", bytes(32), "good"), loose, heard)

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
