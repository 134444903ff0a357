"""`./scripts/scale`: messages, bytes and time of a block as the cluster grows (docs/scale.md).

Real replicas in the simulator's world; each message is encoded to count its bytes as they go over a
link. Delays are a wide area's; processing takes no time here, so the times are the protocol's own.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.simulation.network import Network, kind_of
from tests.simulation.scenes import Scene

from strongroom.consensus.messages import BatchMessage, Message, Status, encode_message
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import SignerIndex

SIZES = (4, 7, 10, 16, 31)
WIDE_AREA_SECONDS = 0.1
BLOCKS = 4
FRAME_BYTES = 4 + 22
"""Length prefix, and what a TLS 1.3 record adds."""
SETTINGS = Settings(delta0=0.5, retry=3.0, skip_after=10.0, fetch_wait=0.5)
PAYMENT_BYTES = 235 + 3
"""An envelope of the smallest class, in a batch."""


@dataclass
class CountingNetwork(Network):
    """A network of one fixed delay that weighs what passes."""

    messages: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    sizes: dict[int, int] = field(default_factory=dict)
    kept: list[Message] = field(default_factory=list)

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        """Count, then deliver."""
        kind = kind_of(message)
        if isinstance(message, Status):  # each second, whatever happens: not a block's
            return [WIDE_AREA_SECONDS]
        self.messages[kind] += 1
        self.bytes[kind] += self._size_of(message)
        return [WIDE_AREA_SECONDS]

    def _size_of(self, message: Message) -> int:
        """Encoded once however many receive it: a broadcast hands over one object."""
        if id(message) not in self.sizes:
            self.kept.append(message)
            self.sizes[id(message)] = len(encode_message(message)) + FRAME_BYTES
        return self.sizes[id(message)]


def measure(size: int) -> tuple[float, float, float, Counter[str]]:
    """One cluster: (messages per block, bytes per block without payloads, seconds from batch to
    final, kinds)."""
    network = CountingNetwork(Random(size))
    scene = Scene(size, settings=SETTINGS, network=network)
    scene.start()
    scene.submit(0, b"warm up")
    scene.run(5.0, scene.everything_final)
    scene.run(5.0)
    network.messages.clear()
    network.bytes.clear()
    first = max(scene.heights())
    waits = []
    for number in range(BLOCKS):
        begun = scene.now
        scene.submit(number % size, b"payment %d" % number)
        scene.run(30.0, scene.everything_final)
        waits.append(scene.now - begun)
        scene.run(5.0)
    blocks = max(scene.heights()) - first
    sent = sum(network.bytes.values()) - network.bytes[BatchMessage.__name__]
    return (
        sum(network.messages.values()) / blocks,
        sent / blocks,
        sum(waits) / len(waits),
        network.messages,
    )


def main() -> None:
    """Print one row per size."""
    sizes = tuple(int(argument) for argument in sys.argv[1:]) or SIZES
    print(
        "| n | messages a block | of one node | kB a block, without data "
        "| of one node | batch to final, 100 ms links |"
    )
    print("|---|---|---|---|---|---|")
    began = time.monotonic()
    for size in sizes:
        messages, sent, wait, _ = measure(size)
        print(
            f"| {size} | {messages:,.0f} | {messages / size:,.0f} | {sent / 1000:,.0f} | "
            f"{sent / size / 1000:,.1f} kB | {wait * 1000:,.0f} ms |",
            flush=True,
        )
    print(f"{len(sizes)} sizes in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
