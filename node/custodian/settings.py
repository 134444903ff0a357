"""One custodian's folder: `custodian.toml`, a journal, and a release policy of the customer's own.

Owns the keys of the file, and its writing by `strongroom custodian init`. No secret is in it: the
PIN stands elsewhere. Relative paths are relative to the folder.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.config import Address, ConfigInvalid
from strongroom.node.custodian.halves import CHECK_SIZE
from strongroom.node.custodian.token_words import KEY_ID_SIZE, Form
from strongroom.node.machine.durable_files import write_new
from strongroom.node.toml_reader import TableReader, line_numbers

FILE = "custodian.toml"
SETTINGS_BYTES_MAX = 64 * 1024
PER_MINUTE = 60
PER_MINUTE_MAX = 100_000
OWNERS_MAX = 1024
_OWNER = re.compile(r"id:[0-9a-f]{64}")
ENVIRONMENT_MAX = 16
_CUSTOMER = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one custodian is told."""

    folder: Path
    customer: str
    """Whose HSM it is; stands in errors and in the journal."""
    module: str
    """Path of the PKCS#11 module."""
    token: str
    serial: str
    """Of the token that `init` found."""
    form: Form
    key_label: str
    key_id: bytes
    """CKA_ID, KEY_ID_SIZE bytes."""
    check: bytes
    """By which the key is known again, CHECK_SIZE bytes."""
    service: Path | None = None
    """The service.json whose leases count."""
    identity: str = "custodian"
    """Name of the key file beside it."""
    listen: Address | None = None
    """Where rooms ask."""
    policy: Path | None = None
    """The customer's own release policy, beside that of each key."""
    per_minute: int = PER_MINUTE
    """Halves given in a minute, at most."""
    owners: tuple[bytes, ...] = ()
    """Identities whose keys this custodian serves; none: everybody's that name it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the module wants, for example where its configuration is."""


def load_settings(folder: Path) -> Settings:
    """Read a folder's `custodian.toml`.

    Raises:
        OperatorFault: there is none.
        ConfigInvalid: it has problems; each is named, with its line.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            data = file.read(SETTINGS_BYTES_MAX + 1)
        if len(data) > SETTINGS_BYTES_MAX:
            raise ConfigInvalid(path, (f"longer than {SETTINGS_BYTES_MAX} bytes",))
        text = data.decode("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise OperatorFault(
            f"no {path}: make it with `strongroom custodian init --dir {folder} …`"
        ) from None
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigInvalid(path, ("not UTF-8",)) from None
    except tomllib.TOMLDecodeError as fault:
        raise ConfigInvalid(path, (str(fault),)) from None
    problems: list[str] = []
    reader = TableReader(table, "", problems, line_numbers(text))
    read = _read(folder, reader)
    reader.finish()
    if problems or read is None:
        raise ConfigInvalid(path, tuple(problems))
    return read


def _read(folder: Path, reader: TableReader) -> Settings | None:
    customer = reader.parsed("customer", _customer)
    module, token, key_label = reader.text("module"), reader.text("token"), reader.text("key_label")
    serial = reader.take("serial", str, "a string", "")
    form = reader.parsed("form", Form)
    key_id = reader.parsed("key_id", lambda text: _hex(text, KEY_ID_SIZE))
    check = reader.parsed("check", lambda text: _hex(text, CHECK_SIZE))
    service = reader.take("service", str, "a string", "")
    identity = reader.take("identity", str, "a string", "custodian")
    listen = reader.take("listen", str, "a string", "")
    address = None
    if listen:
        try:
            address = Address.parse(listen)
        except ValueError as fault:
            reader.problem("listen", str(fault))
    policy = reader.take("policy", str, "a string", "")
    per_minute = reader.positive("per_minute", PER_MINUTE)
    if per_minute > PER_MINUTE_MAX:
        reader.problem("per_minute", f"is at most {PER_MINUTE_MAX}")
    owners = _owners(reader)
    environment = _environment(reader)
    if reader.problems or customer is None or form is None or key_id is None or check is None:
        return None
    return Settings(
        folder=folder,
        customer=customer,
        module=module or "",
        token=token or "",
        serial=serial,
        form=form,
        key_label=key_label or "",
        key_id=key_id,
        check=check,
        service=folder / service if service else None,
        identity=identity,
        listen=address,
        policy=folder / policy if policy else None,
        per_minute=per_minute,
        owners=owners,
        environment=environment,
    )


def _owners(reader: TableReader) -> tuple[bytes, ...]:
    named = reader.take("owners", list, "a list", []) or []
    if len(named) > OWNERS_MAX:
        reader.problem("owners", f"has at most {OWNERS_MAX} identities")
    for one in named:
        if type(one) is not str or _OWNER.fullmatch(one) is None:
            reader.problem("owners", f"{one!r}: expected an identity, id:HEX")
            return ()
    return tuple(bytes.fromhex(one.removeprefix("id:")) for one in named)


def _environment(reader: TableReader) -> dict[str, str]:
    table = reader.take("environment", dict, "a table, written [environment]", {}) or {}
    if len(table) > ENVIRONMENT_MAX:
        reader.problem("environment", f"has at most {ENVIRONMENT_MAX} variables")
    for name, value in table.items():
        if _VARIABLE.fullmatch(name) is None or type(value) is not str or "\x00" in value:
            reader.problem("environment", f"{name!r}: a variable in capitals, and a string")
    return dict(table)


def save_settings(settings: Settings) -> Path:
    """Write a folder's `custodian.toml`; one that is there is never overwritten.

    Raises:
        OperatorFault: it exists, or cannot be written.
    """
    path = settings.folder / FILE
    try:
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(path, _toml(settings).encode())
    except FileExistsError:
        raise OperatorFault(
            f"{path} exists: a custodian has one key; name another folder with --dir"
        ) from None
    except OSError as error:
        raise OperatorFault(f"cannot write {path}: {error.strerror}") from None
    return path


def _toml(settings: Settings) -> str:
    lines = [
        "# Made by `strongroom custodian init`. No secret is in it; the PIN stands elsewhere.",
        f"customer = {_quoted(settings.customer)}",
        f"module = {_quoted(settings.module)}",
        f"token = {_quoted(settings.token)}",
        f"serial = {_quoted(settings.serial)}",
        f"form = {_quoted(settings.form.value)}",
        f"key_label = {_quoted(settings.key_label)}",
        f"key_id = {_quoted(settings.key_id.hex())}",
        "# By which the key is known again: if the HSM's key is another, nothing is given.",
        f"check = {_quoted(settings.check.hex())}",
        f"identity = {_quoted(settings.identity)}",
        f"per_minute = {settings.per_minute}",
    ]
    if settings.service is not None:
        lines.append(f"service = {_quoted(os.path.relpath(settings.service, settings.folder))}")
    if settings.owners:
        named = ", ".join(_quoted(f"id:{one.hex()}") for one in settings.owners)
        lines.append(f"owners = [{named}]")
    if settings.listen is not None:
        lines.append(f"listen = {_quoted(str(settings.listen))}")
    if settings.policy is not None:
        lines.append(f"policy = {_quoted(os.path.relpath(settings.policy, settings.folder))}")
    if settings.environment:
        lines += ["", "[environment]"]
        lines += [f"{name} = {_quoted(value)}" for name, value in settings.environment.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)


def _customer(text: str) -> str:
    if _CUSTOMER.fullmatch(text) is None:
        raise ValueError("is a name of 1 to 64 characters on one line")
    return text


def _hex(text: str, size: int) -> bytes:
    if re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text) is None:
        raise ValueError(f"is {2 * size} lowercase hex digits")
    return bytes.fromhex(text)
