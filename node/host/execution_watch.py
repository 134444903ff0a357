"""How many replicas execute what is final (DESIGN §5, §6; PROTOCOL §7): a ledger that only votes
answers nobody.

Owns the count and its alarm. Of itself a node knows by its pipeline; of others by STATUS: whoever
only follows cannot have more than what is anchored below its final block, whoever executes is ahead
of that again and again. Nobody is believed in anything that matters: the count is for people.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from strongroom.consensus.messages import StatusBody
from strongroom.consensus.types import Height, PublicKey
from strongroom.node.api.node_state import NodeState
from strongroom.node.ledger.reading import header_at
from strongroom.node.ledger.store import BlockStore

LOOK_SECONDS = 0.5
AHEAD_SECONDS = 5.0
"""So long a replica that was seen ahead of what is anchored counts as one that executes."""
ALARM_SECONDS = 10.0
"""So long fewer than a quorum must have executed before that is an alarm: starts take a while."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look shows."""

    validators: tuple[PublicKey, ...]
    """Validators of the current epoch."""
    quorum: int
    own: PublicKey | None
    """This node, while it is one of them."""
    executes: bool
    """Does this node's enclave execute, rather than follow by outcomes?"""
    said: Mapping[PublicKey, StatusBody]
    """The newest word of each linked node."""


class ExecutionWatch:
    """Counts replicas that execute."""

    def __init__(
        self, *, anchored_below: Callable[[Height], Height | None], on_alarm: Callable[[str], None]
    ) -> None:
        self._anchored_below, self._on_alarm = anchored_below, on_alarm
        self._ahead: dict[PublicKey, float] = {}
        """When each was seen to execute."""
        self._heard: dict[PublicKey, StatusBody] = {}
        """The words that were looked at last: one that is not renewed counts once."""
        self._short_since: float | None = None
        self.names: frozenset[PublicKey] = frozenset()
        """Validators that execute."""
        self.validators = self.quorum = 0
        self.alarm = ""
        """Fewer than a quorum execute; empty while enough do."""

    @property
    def count(self) -> int:
        """How many validators execute."""
        return len(self.names)

    def look(self, seen: Seen, now: float) -> None:
        """Count anew."""
        if seen.own is not None and seen.executes:
            self._ahead[seen.own] = now
        elif seen.own is not None:
            self._ahead.pop(seen.own, None)
        for key, body in seen.said.items():
            renewed = self._heard.get(key) is not body
            if key != seen.own and renewed and self._is_ahead(body):
                self._ahead[key] = now
        self._heard = dict(seen.said)
        self._ahead = {key: at for key, at in self._ahead.items() if now - at < AHEAD_SECONDS}
        linked = {*seen.said, seen.own}
        self.names = frozenset(
            key for key in seen.validators if key in self._ahead and key in linked
        )
        self.validators, self.quorum = len(seen.validators), seen.quorum
        self._judge(now)

    def _is_ahead(self, body: StatusBody) -> bool:
        if body.executed >= body.height:
            return True
        anchored = self._anchored_below(body.height)
        return anchored is not None and body.executed > anchored

    def _judge(self, now: float) -> None:
        if self.count >= self.quorum:
            self._short_since = None
            self._say("")
            return
        self._short_since = now if self._short_since is None else self._short_since
        if now - self._short_since >= ALARM_SECONDS:
            self._say(
                f"{self.count} of {self.validators} replicas execute, {self.quorum} needed: what "
                "is ordered waits for more. Look at nodes that are stopped, or that say "
                "`following` or `syncing`"
            )

    def _say(self, text: str) -> None:
        if text != self.alarm:
            self.alarm = text
            self._on_alarm(text)


async def keep_watch(watch: ExecutionWatch, state: Callable[[], NodeState]) -> None:
    """Look now and then, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        now = state()
        if now.begun:
            watch.look(seen_in(now), loop.time())
        await asyncio.sleep(LOOK_SECONDS)


def seen_in(state: NodeState) -> Seen:
    """What a node knows now."""
    statuses = state.statuses.items()
    return Seen(
        validators=tuple(validator.node_key for validator in state.description.validators),
        quorum=state.description.quorum.size,
        own=state.node_key if state.own is not None else None,
        executes=not state.behind,
        said={key: status.body for key, status in statuses if key in state.linked},
    )


def anchored_below(store: BlockStore, height: Height) -> Height | None:
    """The anchor's height in the header of a height; None where that header is not here: whoever
    stands where this node has archived is far behind."""
    if not store.archived.base.block < height <= store.newest_block:
        return None
    return header_at(store, height).anchor.height


def tell_of_execution(alarm: str) -> None:
    """That too few replicas execute, or that enough do again, is a fact of the log."""
    if alarm:
        log.error("node.alarm", alarm=alarm)
    else:
        log.info("node.alarm_over", what="a quorum of replicas executes again")
