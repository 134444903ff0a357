"""A disk that loses power: what survives is what was fsynced, plus any part of the rest.

Owns the model: a file's content is durable up to its last fsync, a name is durable once its
directory was fsynced. What was not durable survives whole, cut short, with sectors never written,
or not at all. Real files hold the running state; the real disk is spared the syncs.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

SECTOR = 512
CALLS = ("write", "fsync", "fdatasync", "unlink", "replace", "mkdir", "truncate")


class Disk:
    """Watches every call that changes the disk; `materialise` shows what a power loss at this
    moment may leave."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trace: list[tuple[str, str]] = []
        self.before_call: Callable[[], None] | None = None
        self._content: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._keys: dict[int, int] = {}
        self._fresh = count(1)
        self._watching = True
        for name in CALLS:
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Calls in here belong to the test, not to the machine under test."""
        before, self._watching = self._watching, False
        try:
            yield
        finally:
            self._watching = before

    def materialise(self, source: Path, target: Path, dice: random.Random) -> None:
        """What may stand in the directory after a power loss now."""
        with self.unwatched():
            target.mkdir()
            durable = self._names.get(self._key(source), {})
            present = {entry.name: self._key(source / entry.name) for entry in os.scandir(source)}
            for name in sorted(durable.keys() | present.keys()):
                choices = {key for key in (durable.get(name), present.get(name)) if key}
                if name not in durable or name not in present:
                    choices.add(0)
                key = dice.choice(sorted(choices))
                path = source / name
                if key and path.is_dir():
                    self.materialise(path, target / name, dice)
                elif key:
                    current = path.read_bytes() if present.get(name) == key else None
                    (target / name).write_bytes(
                        self._survivor(self._content.get(key, b""), current, dice)
                    )

    def copy(self, source: Path, target: Path) -> None:
        """What stands there after `kill -9` now: the kernel keeps all that was written."""
        with self.unwatched():
            shutil.copytree(source, target)

    def _survivor(self, durable: bytes, current: bytes | None, dice: random.Random) -> bytes:
        if current is None or current == durable:
            return durable
        if not current.startswith(durable):
            return dice.choice([durable, current])
        kind, start = dice.randrange(4), len(durable)
        if kind == 0:
            return durable
        if kind == 1:
            return current[: dice.randint(start, len(current))]
        if kind == 2:
            return current
        holes = bytearray(current)
        for sector in range(start - start % SECTOR, len(current), SECTOR):
            if dice.random() < 0.4:
                low, high = max(sector, start), min(sector + SECTOR, len(current))
                holes[low:high] = bytes(high - low)
        return bytes(holes)

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(target: Any, *arguments: Any, **options: Any) -> Any:
            syncs = name in ("fsync", "fdatasync")
            if not self._watching:
                return None if syncs else real(target, *arguments, **options)
            path = (
                Path(f"/proc/self/fd/{target}").readlink()
                if isinstance(target, int)
                else Path(target)
            )
            self.trace.append((name, path.name))
            if self.before_call:
                with self.unwatched():
                    self.before_call()
            if name in ("unlink", "replace"):
                self._forget_inode(path if name == "unlink" else Path(arguments[0]))
            if syncs:
                return self._settle(path)
            return real(target, *arguments, **options)

        return call

    def _settle(self, path: Path) -> None:
        if path.is_dir():
            self._names[self._key(path)] = {
                entry.name: self._key(path / entry.name) for entry in os.scandir(path)
            }
        else:
            self._content[self._key(path)] = path.read_bytes()

    def _key(self, path: Path) -> int:
        return self._keys.setdefault(path.stat().st_ino, next(self._fresh))

    def _forget_inode(self, path: Path) -> None:
        """The file system may give the number to another file."""
        if path.exists():
            self._keys.pop(path.stat().st_ino, None)
