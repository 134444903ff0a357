"""What a node looks after now and then: its status to all, links, the enclave's mark, snapshots.

Owns the rhythm. Each loop works until it is cancelled.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.messages import encode_message
from strongroom.consensus.types import PublicKey
from strongroom.node.api.node_state import clock_in_words
from strongroom.node.config import Address
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.host.wiring import Wiring
from strongroom.node.membership.joining import Introduction
from strongroom.node.network.address_book import Dialling
from strongroom.node.sync.snapshots import Snapshots

log = structlog.get_logger()

STATUS_SECONDS = 1.0
SEAL_SECONDS = 5.0
"""How often the enclave's mark is written to disk, at most."""
SNAPSHOT_SECONDS = 1.0
"""How often the enclave is asked for chunks of snapshots, at most."""
RECONCILE_SECONDS = 1.0
CLOCK_SECONDS = 1.0
CERTIFICATE_SECONDS = 3_600.0
"""How often the TLS certificate's end is looked at."""


async def report_status(wiring: Wiring) -> None:
    """Say where this node stands: the liveness signal of R11, to validators and to whoever only
    follows."""
    while True:
        wiring.links.broadcast(encode_message(await wiring.status()))
        await asyncio.sleep(STATUS_SECONDS)


async def keep_dialling(
    wiring: Wiring,
    epochs: EpochChain,
    context: ssl.SSLContext,
    begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None],
) -> None:
    """Whom to dial follows from configuration, ledger and epoch, looked at anew each second. Who
    starts dials everybody once: those who dial this node try but each second while it is away."""
    dialling = Dialling(wiring.links, context, begin)
    wanted = _dialled(wiring, epochs, wiring.book.wanted)
    dialling.reconcile(wanted)
    for key, address in _dialled(wiring, epochs, wiring.book.reachable).items():
        if key not in wanted:
            begin(wiring.links.dial_once(key, address, context))
    while True:
        await asyncio.sleep(RECONCILE_SECONDS)
        dialling.reconcile(_dialled(wiring, epochs, wiring.book.wanted))


def _dialled(
    wiring: Wiring,
    epochs: EpochChain,
    of: Callable[[frozenset[PublicKey]], dict[PublicKey, Address]],
) -> dict[PublicKey, Address]:
    """Those of this epoch's validators and the newest's whom `of` picks."""
    validators = wiring.participant.run.description.validators + epochs.newest.validators
    return of(frozenset(validator.node_key for validator in validators))


async def be_introduced(wiring: Wiring, introduction: Introduction) -> None:
    """Nobody answers a node that the ledger does not know: be admitted first."""
    while not wiring.links.links:
        await introduction.introduce()
        await asyncio.sleep(RECONCILE_SECONDS)


async def watch_clock(behind_ms: Callable[[], int]) -> None:
    """Say when this machine's clock falls behind the chain's time, and when it has passed it: once
    each."""
    told = False
    while True:
        behind = behind_ms()
        if behind and not told:
            log.error("node.clock_behind", text=clock_in_words(behind))
        elif told and not behind:
            log.info("node.clock_passed", text="this clock has passed the chain's time again")
        told = behind > 0
        await asyncio.sleep(CLOCK_SECONDS)


async def keep_certificate(renew: Callable[[], None]) -> None:
    """Renew the TLS certificate before it ends, as long as the node runs."""
    while True:
        await asyncio.sleep(CERTIFICATE_SECONDS)
        await asyncio.to_thread(renew)


async def keep_mark(
    wiring: Wiring, enclave: EnclaveClient, store_sealed: Callable[[bytes], Awaitable[None]]
) -> None:
    """Seal the newest executed height: a disk older than that is noticed (T05)."""
    sealed_at = -1
    while True:
        await asyncio.sleep(SEAL_SECONDS)
        if wiring.pipeline.reached != sealed_at:
            sealed_at = wiring.pipeline.reached
            await store_sealed(await enclave.seal())


async def keep_snapshots(wiring: Wiring, snapshots: Snapshots) -> None:
    """Store what the enclave has sealed of its snapshots beside executing."""
    taken_at = -1
    while True:
        await asyncio.sleep(SNAPSHOT_SECONDS)
        if wiring.pipeline.reached != taken_at:
            taken_at = wiring.pipeline.reached
            await snapshots.collect()
