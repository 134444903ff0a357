"""The changes of a proposal as a person writes them: words of the command line, or a TOML file.

Owns both forms. What a change takes is the table's (enclave/governance/changes.py); a name of keys/
stands for its identity or public key.

    [[changes]]
    change = "add_member"
    name = "bank-e"
    key = "5f…"
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.governance.arguments import IDENTITIES, IDENTITY, KEY, Kind
from strongroom.enclave.governance.changes import change_named, parse_change
from strongroom.enclave.governance.proposals import (
    CHANGES_OF_PROPOSAL_BYTES_MAX,
    CHANGES_OF_PROPOSAL_MAX,
)
from strongroom.enclave.governance.records import Arguments, Changes
from strongroom.enclave.programs.framework import ProgramError
from strongroom.node.client.identities import KeyFolder

FILE_BYTES_MAX = 4 * CHANGES_OF_PROPOSAL_BYTES_MAX
"""Of a file of changes: hex takes twice the bytes."""


def read_words(words: Sequence[str], keys: KeyFolder) -> Changes:
    """Changes from CHANGE KEY=VALUE… CHANGE KEY=VALUE…: a word without = begins the next.

    Raises:
        ClientFault: no such change, other arguments than it takes, one twice, or too many.
    """
    given: list[tuple[str, dict[str, str]]] = []
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            given.append((word, {}))
            continue
        if not given or not key:
            raise ClientFault(f"{word!r}: write CHANGE KEY=VALUE, like rotate compromised=false")
        if key in given[-1][1]:
            raise ClientFault(f"{given[-1][0]}: {key} is given twice")
        given[-1][1][key] = value
    return _read(given, keys)


def read_file(path: Path, keys: KeyFolder) -> Changes:
    """Changes from a file.

    Raises:
        ClientFault: it cannot be read, or is no list of changes; with the place.
    """
    try:
        data = path.read_bytes()
        if len(data) > FILE_BYTES_MAX:
            raise ClientFault(f"{path}: at most {FILE_BYTES_MAX} bytes")
        document = tomllib.loads(data.decode())
    except OSError as error:
        raise ClientFault(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ClientFault(f"{path}: {error}") from None
    tables = document.pop("changes", None)
    if document or not isinstance(tables, list):
        raise ClientFault(f"{path}: write [[changes]] tables, each with change = NAME")
    given = []
    for number, table in enumerate(tables, start=1):
        name = table.pop("change", None) if isinstance(table, dict) else None
        if not isinstance(name, str):
            raise ClientFault(f"{path}: table {number} of [[changes]] has no change = NAME")
        place = f"{path}: {name}"
        given.append((name, {key: _text(value, f"{place}: {key}") for key, value in table.items()}))
    return _read(given, keys)


def read_change(change: str, texts: Mapping[str, str], keys: KeyFolder) -> Arguments:
    """Arguments of a change from KEY=VALUE texts; a name of keys/ stands for its identity, or its
    public key.

    Raises:
        ClientFault: no such change, or other arguments than it takes.
    """
    try:
        takes = change_named(change).takes
        return parse_change(
            change, {name: _named(takes.get(name), text, keys) for name, text in texts.items()}
        )
    except ProgramError as error:
        raise ClientFault(f"{error.code}: {error.message}") from None


def _read(given: Sequence[tuple[str, Mapping[str, str]]], keys: KeyFolder) -> Changes:
    if not 1 <= len(given) <= CHANGES_OF_PROPOSAL_MAX:
        raise ClientFault(
            f"a proposal has 1 to {CHANGES_OF_PROPOSAL_MAX} changes, not {len(given)}"
        )
    changes = []
    for number, (name, texts) in enumerate(given, start=1):
        try:
            changes.append((name, read_change(name, texts, keys)))
        except ClientFault as error:
            if len(given) == 1:
                raise
            raise ClientFault(f"change {number}, {name}: {error}") from None
    return tuple(changes)


def _text(value: object, place: str) -> str:
    """As the command line would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, list):
        return ",".join(_text(one, place) for one in value)
    raise ClientFault(f"{place}: expected a text, a whole number, true, false, or a list of them")


def _named(kind: Kind | None, text: str, keys: KeyFolder) -> str:
    """The hex digits that a name stands for; any other text as it is."""
    if kind is IDENTITIES:
        return ",".join(_named(IDENTITY, part.strip(), keys) for part in text.split(","))
    if kind is not IDENTITY and kind is not KEY:
        return text
    if text not in {file.name for file in keys.list()}:
        return text
    file = keys.show(text)
    return (file.id if kind is IDENTITY else file.public).hex()
