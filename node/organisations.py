"""Who may submit at this node's front door: organisations, their credentials' digests and their
quotas.

Owns the table, `[door]` and `[[organisations]]` of node.toml, and nothing that happens with it
(node/rpc/door.py). Without an organisation nobody may submit here, unless the door is `open`.
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.node.toml_reader import TableReader

ORGANISATIONS_MAX = 1024
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one organisation may do at one node."""

    envelopes_per_second: int = 2_000
    bytes_per_second: int = 8 * _MIB
    refusals_per_second: int = 64
    """Envelopes that execution refuses: each costs one; a burst of 128 seconds' worth is
    forgiven."""
    weight: int = 1
    """Its share of the mempool's room and of every batch, beside the others' weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """One organisation."""

    name: str
    digest: bytes = field(repr=False)
    """SHA-256 of its credential, 32 bytes."""
    quota: Quota = Quota()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorPolicy:
    """Who comes in."""

    organisations: tuple[Organisation, ...] = ()
    open: bool = False
    """Anyone may submit, as one organisation without quotas: for development only."""
    reading: bool = False
    """Reading needs a credential too."""
    credential: Path | None = None
    """The file of the credential that this node shows at other nodes' doors, absolute; it joins by
    it."""


NOBODY = DoorPolicy()
"""May submit."""


def read_door(table: TableReader, organisations: list[TableReader], base: Path) -> DoorPolicy:
    """Take `[door]` and `[[organisations]]` out of a configuration; problems are noted there."""
    opened = table.take("open", bool, "true or false", False)
    reading = table.take("reading_needs_credential", bool, "true or false", False)
    path = table.parsed("credential", str, "")
    table.finish()
    known = [one for one in map(_read_organisation, organisations) if one is not None]
    for what, values in (
        ("name", [one.name for one in known]),
        ("credential", [one.digest for one in known]),
    ):
        if len(set(values)) != len(values):
            table.problem("organisations", f"two have one {what}")
    return DoorPolicy(
        organisations=tuple(known),
        open=bool(opened),
        reading=bool(reading),
        credential=Path(base / path).resolve() if path else None,
    )


def door_lines(policy: DoorPolicy, relative: str | None) -> list[str]:
    """The TOML lines of a policy; `relative` is its credential's path as it stands in the file."""
    lines = [
        "",
        "[door]",
        f"open = {_bool(policy.open)}",
        f"reading_needs_credential = {_bool(policy.reading)}",
    ]
    if relative is not None:
        lines.append(f"credential = {json.dumps(relative, ensure_ascii=False)}")
    for one in policy.organisations:
        lines += organisation_lines(one)
    return lines


def organisation_lines(one: Organisation) -> list[str]:
    """The TOML lines of one organisation: they may be put at the end of any configuration."""
    lines = ["", "[[organisations]]", f"name = {json.dumps(one.name, ensure_ascii=False)}"]
    lines.append(f'credential = "{one.digest.hex()}"')
    return lines + [f"{entry.name} = {getattr(one.quota, entry.name)}" for entry in fields(Quota)]


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _read_organisation(table: TableReader) -> Organisation | None:
    name, digest = table.text("name"), table.parsed("credential", _digest)
    values = {entry.name: table.positive(entry.name, int(entry.default)) for entry in fields(Quota)}  # type: ignore[arg-type]
    table.finish()
    if name is None or digest is None:
        return None
    return Organisation(name=name, digest=digest, quota=Quota(**values))


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_SIZE:
        raise ValueError(
            f"is the SHA-256 of a credential, {2 * DIGEST_SIZE} hex "
            "digits: never the credential itself"
        )
    return digest
