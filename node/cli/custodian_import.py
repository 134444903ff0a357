"""A key from an HSM comes into a split key by way of a room (docs/custodian.md §7): `strongroom
custodian exchange | rewrap`.

Owns which line of the room's events is read; options stand in custodian_keys.py. Whether an
exchange key is a room's own: node/custodian/importing.py.
"""

import json
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.attestation.room_evidence import VerifiedRoom
from strongroom.node.cli.common import ask_passphrase
from strongroom.node.cli.custodian_device import (
    client_of,
    service_file,
)
from strongroom.node.client.client import Client
from strongroom.node.custodian.importing import ShownKey, check_exchange_key
from strongroom.node.custodian.ledger import ServiceLedger
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.rooms.starting import measured, program_file
from strongroom.node.terminal.commands import run
from strongroom.node.terminal.printing import emit, note, say

PROGRAM = "import_byok"
EVENTS_BYTES_MAX = 1024 * 1024


def exchange(
    events: Path, key: str, folder: Path, out: Path, timeout: float, as_json: bool
) -> None:
    """Check the room's exchange key, and write it."""
    settings = load_settings(folder)
    said = read_event(events, "exchange-key")
    shown = ShownKey(
        kid=_text(said, "kid"),
        pem=_bytes(said, "pem"),
        evidence=_bytes(said, "evidence"),
        signature=_bytes(said, "signature"),
    )
    room = run(_checked(settings, shown, key, timeout))
    try:
        out.write_bytes(shown.pem)
    except OSError as error:
        raise OperatorFault(f"cannot write {out}: {error.strerror}") from None
    document = {
        "ok": True,
        "kid": shown.kid,
        "key": key,
        "exchange_key": str(out),
        "measurement": room.measurement.hex(),
        "room": room.claims.room,
        "region": room.claims.region,
        "chip": room.chip_id.hex(),
        "simulated": room.simulated,
    }

    def human() -> None:
        chip = "a SIMULATED chip" if room.simulated else f"a {room.product.name.title()}"
        say(f"room       {room.claims.room} in {room.claims.region}, on {chip}")
        say(f"its code   {room.measurement.hex()}: the import program, as it is here")
        say(f"its key    {out}, kid {shown.kid}, for {key} alone")
        note(
            "next: let the HSM's tool wrap a key of 32 bytes for it, and give the file to the room"
        )

    emit(document, as_json, human)


def rewrap(events: Path, owner: str, folder: Path, timeout: float, as_json: bool) -> None:
    """Hand what was imported to the ledger."""
    settings = load_settings(folder)
    said = read_event(events, "imported")
    key, wrapped = _text(said, "key"), _bytes(said, "wrapped")
    document = run(_rewrap(service_file(settings), owner, key, wrapped, timeout))
    emit(
        document,
        as_json,
        lambda: say(f"{key} is {document['state']}: what the HSM sent, opened in rooms alone"),
    )


def read_event(file: Path, what: str) -> dict[str, Any]:
    """The last event of a kind in what a room printed.

    Raises:
        ClientFault: there is none.
        OperatorFault: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(EVENTS_BYTES_MAX)
    except OSError as error:
        raise OperatorFault(f"cannot read {file}: {error.strerror}") from None
    found: dict[str, Any] | None = None
    for line in data.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a line that is not written whole yet
        if isinstance(event, dict) and event.get("event") == what:
            found = event
    if found is None:
        raise ClientFault(
            f"{file} has no event {what!r} yet: it is what `strongroom room run {PROGRAM} --json` "
            "prints"
        )
    return found


async def _checked(settings: Settings, shown: ShownKey, key: str, timeout: float) -> VerifiedRoom:
    async with client_of(settings, timeout) as client:
        ledger = ServiceLedger(client)
        return check_exchange_key(
            shown,
            key=key,
            chain=ledger.chain,
            policy=await ledger.policy(),
            time_ms=(await ledger.newest()).time_ms,
            measurements=(measured(program_file(PROGRAM)).digest,),
        )


async def _rewrap(
    service: Path, owner: str, key: str, wrapped: bytes, timeout: float
) -> dict[str, Any]:
    async with Client.connect(
        service, owner, passphrase=ask_passphrase, timeout=timeout, one_shot=True
    ) as client:
        done = await client.call("vault.rewrap", key=key, wrapped=wrapped)
        return {"ok": True, "key": key, "id": done.id.hex(), **done.result}


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        raise ClientFault(f"the event has no {name}: give the file as the room printed it")
    return value


def _bytes(event: dict[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(_text(event, name))
    except ValueError:
        raise ClientFault(f"the event's {name} is not hex: give the file as it was") from None
