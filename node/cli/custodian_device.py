"""The HSM beside the custodian: its key made and known again, and what other commands open first.

Owns words and documents of `custodian init | check`; their options stand in custodian.py. The
device: node/custodian/device.py.
"""

import secrets
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import ask_passphrase
from strongroom.node.client.client import Client
from strongroom.node.config import Address
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.halves import HalfKey
from strongroom.node.custodian.pin import Pin, keep_from_others, read_pin
from strongroom.node.custodian.settings import Settings, load_settings, save_settings
from strongroom.node.custodian.token_words import KEY_ID_SIZE, Form, KeyFacts
from strongroom.node.terminal.commands import fail, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say

_T = TypeVar("_T")


def init(
    customer: str,
    module: Path,
    token: str,
    folder: Path,
    serial: str,
    form: Form | None,
    label: str,
    service: Path | None,
    identity: str,
    listen: str,
    variables: list[str] | None,
    pin_file: Path | None,
    pin_fd: int | None,
    as_json: bool,
) -> None:
    """Make the key, and the folder."""
    if (folder / "custodian.toml").exists():
        raise OperatorFault(f"{folder}/custodian.toml exists: name another folder with --dir")
    settings = Settings(
        folder=folder,
        customer=customer,
        module=str(module.resolve() if module.exists() else module),
        token=token,
        serial=serial,
        form=form or Form.HMAC,
        key_label=label,
        key_id=secrets.token_bytes(KEY_ID_SIZE),
        check=b"",
        service=service,
        identity=identity,
        listen=_address(listen),
        environment=variables_of(variables or []),
    )
    pin = pin_of(pin_file, pin_fd, customer)
    settings, made = run(_with(settings, pin, lambda device: _make(settings, device, form)))
    path = save_settings(settings)
    document = {
        "ok": True,
        "settings": str(path),
        "customer": customer,
        "token": settings.token,
        "serial": settings.serial,
        "form": settings.form.value,
        "key_label": label,
        "key_id": settings.key_id.hex(),
        "check": settings.check.hex(),
        "key": _key_document(made),
    }

    def human() -> None:
        say(f"made        {settings.form.value} key {label!r}, id {settings.key_id.hex()}")
        say(f"in token    {settings.token} (serial number {settings.serial})")
        say(f"the key     {_words(made)}")
        say(f"settings    {path}")
        note("next: `strongroom custodian check`, then `announce` and `run`")

    emit(document, as_json, human)


def check(
    folder: Path,
    pin_file: Path | None,
    pin_fd: int | None,
    as_json: bool,
) -> None:
    """Show the token, and whether the key is ours."""
    settings = load_settings(folder)
    pin = pin_of(pin_file, pin_fd, settings.customer)
    document = run(_with(settings, pin, lambda device: _checked(settings, device)))

    def human() -> None:
        for name, value in document["token"].items():
            say(f"{name:<14}{value}")
        say()
        for row in document["can"]:
            lacks = f"no: lacks {', '.join(row['lacks'])}" if row["lacks"] else "yes"
            say(f"{row['what']:<34}{lacks}")
        say()
        say(f"key           {document['key_words']}")
        say(f"is ours       {'yes' if document['same_key'] else 'NO: another key than at init'}")

    emit(document, as_json, human)
    if not document["ok"]:
        raise typer.Exit(int(ExitCode.NO))


async def _make(
    settings: Settings, device: Device, wanted: Form | None
) -> tuple[Settings, KeyFacts]:
    """The key in the token, and the settings that know it again."""
    table = {what: can for what, can, _ in await device.probe()}
    form = wanted or (Form.HMAC if table["half by HMAC"] else Form.ECDH)
    if not table[f"half by {form.name}"]:
        fail(
            f"{settings.customer}: the token {settings.token!r} cannot make halves by {form.name}: "
            "it has not the mechanisms; see `strongroom custodian check`",
            ExitCode.USAGE,
        )
    made = await device.create(form, settings.key_id, settings.key_label)
    key = HalfKey(device, form=form, id=settings.key_id, label=settings.key_label)
    serial = device.facts.serial if device.facts is not None else settings.serial
    return replace(settings, form=form, check=await key.check_value(), serial=serial), made


async def _checked(settings: Settings, device: Device) -> dict[str, Any]:
    facts = device.facts
    probed = await device.probe()
    key = half_key(settings, device)
    shown = await device.show(settings.form, settings.key_id, settings.key_label)
    same = shown.stays_inside and await key.check_value() == settings.check
    return {
        "ok": same and shown.stays_inside,
        "customer": settings.customer,
        "token": {
            "label": facts.label if facts else "",
            "serial": facts.serial if facts else "",
            "manufacturer": facts.manufacturer if facts else "",
            "model": facts.model if facts else "",
            "firmware": facts.firmware if facts else "",
            "library": facts.library if facts else "",
        },
        "can": [{"what": what, "can": can, "lacks": list(lacks)} for what, can, lacks in probed],
        "key": _key_document(shown),
        "key_words": _words(shown),
        "same_key": same,
    }


async def _with(settings: Settings, pin: Pin, act: Callable[[Device], Awaitable[_T]]) -> _T:
    async with open_device(settings, pin) as device:
        return await act(device)


def open_device(settings: Settings, pin: Pin) -> Device:
    """The device of these settings, not started yet."""
    return Device(
        customer=settings.customer,
        module=settings.module,
        token=settings.token,
        serial=settings.serial,
        pin=pin,
        environment=settings.environment,
    )


def half_key(settings: Settings, device: Device) -> HalfKey:
    """The key that `init` made in it."""
    return HalfKey(
        device,
        form=settings.form,
        id=settings.key_id,
        label=settings.key_label,
        check=settings.check,
    )


def service_file(settings: Settings) -> Path:
    """The service's, as the settings name it.

    Raises:
        OperatorFault: they name none.
    """
    if settings.service is None:
        raise OperatorFault(
            f"{settings.folder}/custodian.toml names no service: add "
            '`service = "PATH/service.json"`, the file that the operator gave you'
        )
    return settings.service


def client_of(settings: Settings, timeout: float, *, one_shot: bool = False) -> Client:
    """A client of the custodian's identity, not entered yet.

    Raises:
        OperatorFault: the settings name no service, or its files are not as they must be.
    """
    return Client.connect(
        service_file(settings),
        settings.identity,
        passphrase=ask_passphrase,
        timeout=timeout,
        one_shot=one_shot,
    )


def pin_of(file: Path | None, descriptor: int | None, customer: str) -> Pin:
    """The PIN, from where the options say; the prompt where there is a terminal. From here on this
    process leaves no core file."""
    keep_from_others()

    def ask() -> str:
        text: str = typer.prompt(f"PIN of {customer}'s HSM", hide_input=True, err=True)
        return text

    return read_pin(
        file=file, descriptor=descriptor, ask=ask if sys.stdin and sys.stdin.isatty() else None
    )


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text) if text else None
    except ValueError as fault:
        raise OperatorFault(f"--listen: {fault}") from None


def variables_of(given: list[str]) -> dict[str, str]:
    """Variables of --env. Raises OperatorFault."""
    read = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator:
            raise OperatorFault("--env: expected NAME=VALUE")
        read[name] = value
    return read


def _key_document(facts: KeyFacts) -> dict[str, Any]:
    return {
        "kind": facts.kind,
        "sensitive": facts.sensitive,
        "extractable": facts.extractable,
        "never_extractable": facts.never_extractable,
        "local": facts.local,
    }


def _words(facts: KeyFacts) -> str:
    stays = "never leaves the token" if facts.stays_inside else "MAY LEAVE THE TOKEN"
    return f"{stays}; {'made inside it' if facts.local else 'brought in from outside'}"
