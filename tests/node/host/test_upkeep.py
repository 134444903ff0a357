"""Whom a node dials when it starts, and from then on."""

import asyncio
import ssl
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

from strongroom.consensus.types import PublicKey
from strongroom.node.config import Address
from strongroom.node.host.upkeep import keep_dialling
from strongroom.node.network.address_book import PeerBook

A, B, C = (PublicKey(bytes([number]) * 32) for number in (1, 2, 3))


class RecordedLinks:
    """Who is dialled how."""

    def __init__(self) -> None:
        self.once: list[PublicKey] = []
        self.forever: list[PublicKey] = []

    async def dial_once(self, key: PublicKey, *_: object) -> None:
        self.once.append(key)

    async def dial_forever(self, key: PublicKey, *_: object) -> None:
        self.forever.append(key)
        await asyncio.Event().wait()


async def test_who_starts_dials_everybody_once_and_larger_keys_for_ever() -> None:
    """Else a restarted node waits until those who dial it try again, up to a second."""
    book, links = PeerBook(B), RecordedLinks()
    book.addresses |= {key: Address("127.0.0.1", 1 + key[0]) for key in (A, C)}
    description = SimpleNamespace(
        validators=tuple(SimpleNamespace(node_key=key) for key in (A, B, C))
    )
    run = SimpleNamespace(description=description)
    wiring: Any = SimpleNamespace(links=links, book=book, participant=SimpleNamespace(run=run))
    epochs: Any = SimpleNamespace(newest=description)
    begun: list[asyncio.Task[None]] = []

    def begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        begun.append(asyncio.create_task(work))
        return begun[-1]

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    keeping = asyncio.create_task(keep_dialling(wiring, epochs, context, begin))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (links.once, links.forever) == ([A], [C])
    for task in (keeping, *begun):
        task.cancel()
    await asyncio.gather(keeping, *begun, return_exceptions=True)
