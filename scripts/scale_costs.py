"""What the simulated machines of `./scripts/scale` pay: seconds of one processor, measured here or
on record (docs/scale.md).

`measured` takes on this machine, alone, what depends on it most: a signature, a frame through TLS,
a message into the replica. The rest (a block's fixed work, a payment's) are docs/performance.md's.
"""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.honest import Honest
from tests.simulation.network import Network, kind_of
from tests.simulation.scenes import Scene

from strongroom.consensus.messages import decode_message, encode_message
from strongroom.consensus.replica.events import Now, Received
from strongroom.enclave.primitives import Secret, SigningKey, verify
from strongroom.node.framing import FrameProtocol
from strongroom.node.tls import make_certificate

REPEATS = 2_000
LARGE_BYTES = 64 * 1024
KIB = 1024
STEPPED_SIZE = 16
STEPPED_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of one processor of one node; the defaults were measured as docs/scale.md says."""

    frame: float = 0.000020
    """One frame at one end of a link: TLS, framing, a turn of the loop."""
    kib: float = 0.0000015
    """Each KiB of it, at one end: TLS, hash, decoding."""
    step: float = 0.000045
    """A message, decoded and taken in by the participant, signatures apart."""
    verify: float = 0.000062
    """One Ed25519 signature."""
    cast: float = 0.00030
    """A statement of one's own: record, fsync, the enclave's signature."""
    block_host: float = 0.0012
    """A block's fixed work in the host: store, index, fsyncs, crossings."""
    block_enclave: float = 0.00060
    """The same in the enclave, without the certificate's signatures."""
    payment_host: float = 0.000010
    """On each node (docs/performance.md, The suite)."""
    payment_enclave: float = 0.000017


def _each(act: Callable[[], object], times: int = REPEATS) -> float:
    began = time.process_time()
    for _ in range(times):
        act()
    return (time.process_time() - began) / times


def verify_seconds() -> float:
    """One Ed25519 signature over a statement's 119 bytes."""
    key, message = SigningKey(Secret(bytes(32))), bytes(119)
    signature = key.sign(message)
    return _each(lambda: verify(key.public, signature, message))


def step_seconds(size: int = STEPPED_SIZE) -> dict[str, float]:
    """A message decoded and taken in, by kind, in a cluster under load; fake signatures, which cost
    a microsecond or two."""
    spent: Counter[str] = Counter()
    times: Counter[str] = Counter()
    inner = Honest.on_event

    def timed(self: Honest, event: ActorEvent, now: Now) -> list[Send]:
        if not isinstance(event, Received):
            return inner(self, event, now)
        data = encode_message(event.message)
        began = time.process_time()
        sends = inner(self, Received(event.sender, decode_message(data)), now)  # type: ignore[arg-type]
        spent[kind_of(event.message)] += time.process_time() - began  # type: ignore[assignment]
        times[kind_of(event.message)] += 1
        return sends

    Honest.on_event = timed  # type: ignore[method-assign]
    try:
        scene = Scene(size, network=Network(Random(1), delay=(0.001, 0.001)))
        scene.start()
        scene.load(int(STEPPED_SECONDS * 100), every=0.01)
        scene.run(STEPPED_SECONDS)
    finally:
        Honest.on_event = inner  # type: ignore[method-assign]
    return {kind: spent[kind] / times[kind] for kind in sorted(times)}


async def _frames(size: int, count: int) -> float:
    """Seconds of a frame of this size over TLS, both ends, each frame in a turn of its own."""
    identity = make_certificate("n1")
    with TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "c.pem", Path(folder) / "k.pem"
        certificate.write_bytes(identity.certificate)
        key.write_bytes(identity.key)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    came = asyncio.Event()
    loop = asyncio.get_running_loop()

    def make(on_frame: Callable[[bytes], None]) -> FrameProtocol:
        return FrameProtocol(on_frame, lambda _: None, frame_bytes_max=1 << 25)

    listener = await loop.create_server(
        lambda: make(lambda _: came.set()), "127.0.0.1", 0, ssl=server
    )
    port = listener.sockets[0].getsockname()[1]
    _, sender = await loop.create_connection(
        lambda: make(lambda _: None), "127.0.0.1", port, ssl=client
    )
    frame = bytes(size)
    began = time.process_time()
    for _ in range(count):
        sender.send(frame)
        await came.wait()
        came.clear()
    spent = (time.process_time() - began) / count
    sender.transport.close()
    listener.close()
    return spent


def frame_seconds() -> tuple[float, float]:
    """(A small frame at one end, each KiB more of a large one)."""
    small = asyncio.run(_frames(170, REPEATS)) / 2
    large = asyncio.run(_frames(LARGE_BYTES, REPEATS // 10)) / 2
    return small, (large - small) / (LARGE_BYTES / KIB)


def measured() -> tuple[Costs, dict[str, float]]:
    """What this machine takes, and its steps by kind of message."""
    steps = step_seconds()
    frame, kib = frame_seconds()
    votes = (steps["vote-NOTARIZE"] + steps["vote-FINALIZE"]) / 2
    return replace(Costs(), verify=verify_seconds(), frame=frame, kib=kib, step=votes), steps
