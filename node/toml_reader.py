"""Typed reading of TOML tables: every problem is gathered, with its line, instead of stopping at
the first.

Owns how a wrong value is reported. It knows no key of any configuration: see config.py.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

_HEADER = re.compile(r"\s*(?P<many>\[)?\[(?P<name>[^\[\]]+)\]")
_ASSIGNMENT = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s*=")
_T = TypeVar("_T")


class TableReader:
    """Takes typed values out of a TOML table and gathers every problem; a missing or wrong value
    reads as None."""

    def __init__(
        self, table: Mapping[str, Any], prefix: str, problems: list[str], lines: Mapping[str, int]
    ) -> None:
        self._left = dict(table)
        self._prefix = prefix
        self._lines = lines
        self.problems = problems

    def problem(self, key: str, text: str) -> None:
        """Note what is wrong with a key, with its line where the text shows it."""
        path = self._prefix + key
        line = self._lines.get(path)
        self.problems.append(f"line {line}: {path}: {text}" if line else f"{path}: {text}")

    def take(self, key: str, kind: type, described: str, default: Any = None) -> Any:
        """The value of exactly this type, the default if absent, None after a problem."""
        if key not in self._left:
            if default is None:
                self.problem(key, "is missing")
            return default
        value = self._left.pop(key)
        if type(value) is kind:
            return value
        self.problem(key, f"is {described}, got {value!r}")
        return None

    def text(self, key: str) -> str | None:
        """A string that is not empty."""
        value = self.take(key, str, "a string")
        if value == "":
            self.problem(key, "is empty")
            return None
        return value  # type: ignore[no-any-return]

    def parsed(self, key: str, parse: Callable[[str], _T], default: _T | None = None) -> _T | None:
        """A string that `parse` understands."""
        absent = key not in self._left
        value = self.take(key, str, "a string", default)
        if absent or value is None:
            return default if absent else None
        try:
            return parse(value)
        except ValueError as fault:
            self.problem(key, str(fault))
            return None

    def positive(self, key: str, default: int) -> int:
        """A whole number of at least 1."""
        value = self.take(key, int, "a whole number", default)
        if value is not None and value < 1:
            self.problem(key, f"is at least 1, got {value}")
        return value or default

    def table(self, key: str) -> "TableReader":
        """A nested table; absent reads as empty."""
        value = self.take(key, dict, f"a table, written [{key}]", {})
        return TableReader(value or {}, f"{self._prefix}{key}.", self.problems, self._lines)

    def tables(self, key: str, at_most: int) -> list["TableReader"]:
        """A list of tables; absent reads as empty."""
        value = self.take(key, list, f"a list of tables, written [[{key}]]", [])
        if value is not None and (
            len(value) > at_most or not all(isinstance(entry, dict) for entry in value)
        ):
            self.problem(key, f"are at most {at_most} tables, written [[{key}]]")
            return []
        return [
            TableReader(entry, f"{self._prefix}{key}[{index}].", self.problems, self._lines)
            for index, entry in enumerate(value or [])
        ]

    def finish(self) -> None:
        """Every key that nobody took is unknown."""
        for key in self._left:
            self.problem(key, "is not a known key")


def line_numbers(text: str) -> dict[str, int]:
    """Line of each `key = …` by its dotted path (`peers[1].address`), for messages only."""
    lines: dict[str, int] = {}
    prefix, seen = "", Counter[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            name = header["name"].strip()
            prefix = f"{name}[{seen[name]}]." if header["many"] else f"{name}."
            seen[name] += 1
        elif assignment := _ASSIGNMENT.match(line):
            lines.setdefault(prefix + assignment["key"], number)
    return lines


def resolve_path(base: Path, text: str) -> Path:
    """A path of a configuration, relative to `base`; `~` is a home folder.

    Raises:
        ValueError: it is empty, or of a home folder that is not known here.
    """
    if not text:
        raise ValueError("is empty")
    try:
        return Path(os.path.normpath(base / Path(text).expanduser()))
    except RuntimeError:
        user = Path(text).parts[0]
        raise ValueError(
            f"{text!r}: this machine knows no home folder of {user}; write the path out"
        ) from None
