"""Where rooms ask, and the process that answers them: `strongroom custodian announce | run`.

Owns the order in which ledger, HSM and journal are opened; options stand in custodian.py. What a
room must show: node/custodian/releasing.py.
"""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.attestation.release_policy import POLICY_BYTES_MAX, ReleasePolicy
from strongroom.node.cli.custodian_device import (
    client_of,
    half_key,
    open_device,
    pin_of,
)
from strongroom.node.config import Address
from strongroom.node.custodian.door_key import DoorKey, read_address
from strongroom.node.custodian.journal import Journal
from strongroom.node.custodian.ledger import ServiceLedger
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.releasing import Releaser
from strongroom.node.custodian.service import CustodianService
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.custodian.token_keys import TokenKeys
from strongroom.node.machine.interrupts import told_by_signals
from strongroom.node.terminal.commands import run
from strongroom.node.terminal.printing import emit, note, say


def announce(endpoint: str, folder: Path, timeout: float, as_json: bool) -> None:
    """Say it on the ledger."""
    settings = load_settings(folder)
    endpoint = DoorKey.load_or_make(folder).pinned(endpoint)
    read_address(endpoint)
    document = run(_announce(settings, endpoint, timeout))
    emit(document, as_json, lambda: _show_announced(document))


def run_(
    folder: Path,
    listen: str,
    plain: bool,
    pin_file: Path | None,
    pin_fd: int | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Answer rooms until told to end."""
    settings = load_settings(folder)
    address = _address(listen, settings)
    policy = read_policy(settings.policy)
    pin = pin_of(pin_file, pin_fd, settings.customer)
    door = None if plain else DoorKey.load_or_make(folder)

    def ready(bound: Address) -> None:
        url = f"http://{bound}" if door is None else door.pinned(f"https://{bound}")
        document = {"ok": True, "listening": url, "customer": settings.customer}
        emit(document, as_json, lambda: say(f"{settings.customer}: rooms ask {url}"))

    run(serve(settings, address, policy, pin, door=door, timeout=timeout, ready=ready))


async def serve(
    settings: Settings,
    address: Address,
    policy: ReleasePolicy | None,
    pin: Pin,
    *,
    door: DoorKey | None,
    timeout: float,
    ready: Any,
) -> None:
    """Answer rooms until SIGTERM or SIGINT; nothing is begun before ledger, HSM and journal hold.

    Raises:
        OperatorFault: the HSM, its key or the journal is not as it must be.
    """
    with Journal.open(settings.folder) as journal:
        async with client_of(settings, timeout) as client, open_device(settings, pin) as device:
            halves = half_key(settings, device)
            await halves.known()
            ledger = ServiceLedger(client)
            releaser = Releaser(
                customer=settings.customer,
                ledger=ledger,
                halves=halves,
                keys=TokenKeys(device),
                journal=journal,
                policy=policy,
                per_minute=settings.per_minute,
                owners=settings.owners,
            )
            service = CustodianService(releaser, device)
            context = None if door is None else door.context()
            bound = await service.start(address.host, address.port, context=context)
            journal.append(
                "opened",
                time_ms=time.time_ns() // 1_000_000,
                customer=settings.customer,
                identity=client.identity.id.hex(),
                chain=client.service.chain.hex(),
            )
            ready(bound)
            try:
                await _until_told(service)
            finally:
                await service.close()


async def _until_told(service: CustodianService) -> None:
    """Until SIGTERM, SIGINT, or the journal takes nothing more."""
    with told_by_signals((signal.SIGTERM, signal.SIGINT)) as told:
        running = asyncio.ensure_future(service.run())
        waiting = asyncio.ensure_future(told.wait())
        try:
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            for task in (running, waiting):
                task.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)


async def _announce(settings: Settings, endpoint: str, timeout: float) -> dict[str, Any]:
    async with client_of(settings, timeout, one_shot=True) as client:
        done = await client.call("vault.announce", endpoint=endpoint, customer=settings.customer)
        return {"ok": True, "id": done.id.hex(), "height": done.height, **done.result}


def _address(listen: str, settings: Settings) -> Address:
    if listen:
        try:
            return Address.parse(listen)
        except ValueError as fault:
            raise OperatorFault(f"--listen: {fault}") from None
    if settings.listen is None:
        raise OperatorFault(
            "nowhere to listen: name it with --listen, or in custodian.toml, as in "
            '`listen = "127.0.0.1:7443"`'
        )
    return settings.listen


def read_policy(path: Path | None) -> ReleasePolicy | None:
    """The customer's own release policy.

    Raises:
        OperatorFault: it cannot be read.
        PolicyRefused: it is none.
    """
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return ReleasePolicy.parse(file.read(POLICY_BYTES_MAX + 1))
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None


def _show_announced(document: dict[str, Any]) -> None:
    say(f"{document['custodian']} answers at {document['endpoint'] or 'no place for now'}")
    note("next: `strongroom custodian run`; owners name this identity in `vault new --custodian`")
