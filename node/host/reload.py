"""SIGHUP: `[limits]` and `log_level` of node.toml are read again; everything else needs a start.

Owns what may change while a node runs, how it is told, and that a file with a mistake changes
nothing. What a limit means is its part's.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import structlog

from strongroom.node.config import ConfigInvalid, Limits, NodeConfig, load
from strongroom.node.machine.logs import set_level

log = structlog.get_logger()

LIVE = frozenset({"limits", "log_level"})
"""What is taken while the node runs; any other key is refused by its name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a file says otherwise than the running node goes by."""

    changed: dict[str, tuple[object, object]]
    """Key that can be taken now → (before, now)."""
    refused: tuple[str, ...]
    """Keys that need a start."""


def difference(before: NodeConfig, now: NodeConfig) -> Difference:
    """Compare two configurations, key by key."""
    changed: dict[str, tuple[object, object]] = {
        f"limits.{one.name}": (getattr(before.limits, one.name), getattr(now.limits, one.name))
        for one in fields(Limits)
        if getattr(before.limits, one.name) != getattr(now.limits, one.name)
    }
    if before.log_level != now.log_level:
        changed["log_level"] = (before.log_level, now.log_level)
    refused = (
        one.name
        for one in fields(NodeConfig)
        if one.name not in LIVE and getattr(before, one.name) != getattr(now, one.name)
    )
    return Difference(changed, tuple(refused))


class Reload:
    """Reads the configuration again, and has what may change take effect."""

    def __init__(self, path: Path, config: NodeConfig, apply: Callable[[Limits], None]) -> None:
        """Make it.

        Args:
            path: the file that the node was started with.
            config: what it said then.
            apply: has the parts of the node go by other limits.
        """
        self._path, self._apply = path, apply
        self.config = config
        """What the node goes by."""

    def again(self) -> Difference | None:
        """Read the file; None: it cannot be used, and nothing changed. Never raises for what stands
        in it."""
        try:
            read = load(self._path)
        except ConfigInvalid as fault:
            log.error("config.not_reloaded", file=str(self._path), problems=list(fault.problems))
            return None
        found = difference(self.config, read)
        if "log_level" not in found.changed:
            self._tell(found)
        else:  # said by the more talkative of the two
            order = ("debug", "info", "warning", "error").index
            set_level(min(self.config.log_level, read.log_level, key=order))
            self._tell(found)
            set_level(read.log_level)
        self.config = replace(self.config, limits=read.limits, log_level=read.log_level)
        if any(key.startswith("limits.") for key in found.changed):
            self._apply(read.limits)
        return found

    def _tell(self, found: Difference) -> None:
        changed = {key: f"{before} -> {now}" for key, (before, now) in found.changed.items()}
        if found.refused:
            log.warning(
                "config.reloaded",
                changed=changed,
                refused=list(found.refused),
                text="what is refused needs a start of the node; until then the old values hold",
            )
        else:
            log.info("config.reloaded", changed=changed, refused=[])
