"""Which node a client talks to: the current connection, and the next one when it fails.

Owns the order in which endpoints are tried, how long a failed one rests, and which one is home. A
connection is handed out only after `Trust.admit` has admitted the node behind it (doors.py); one
that is open already comes first (spare.py).
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from strongroom.consensus.errors import AttestationError, StrongroomError
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.types import PublicKey
from strongroom.enclave.outside.trust import Trust
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.doors import ADMIT_SECONDS_MAX, Doors
from strongroom.node.client.calls.lifetime import CLOSED
from strongroom.node.client.calls.pulse import PATIENCE_SECONDS_MAX, PATIENCE_SECONDS_MIN
from strongroom.node.client.calls.racing import Entered, first_open
from strongroom.node.client.calls.spare import Spare
from strongroom.node.client.errors import (
    Busy,
    Disconnected,
    NoQuorum,
    NotTrusted,
    Returning,
    Unreachable,
)
from strongroom.node.faults import Overloaded
from strongroom.node.shown_text import listed

REST_SECONDS_MIN = 0.1
REST_SECONDS_MAX = 2.0
"""A failed endpoint rests; each further failure in a row doubles the time."""
DISTRUST_SECONDS = 30.0
"""One that does not verify rests this long."""
PATIENT_SECONDS = 30.0
"""After a node that was left as hung, and was only slow, the next ones get twice the time for a
sign of life, for so long: nobody runs from node to node of a service that is slow."""
ASKED_MS_MAX = 10_000
"""A node that asks for more is not believed."""
RETRY_SPREAD = 0.5
"""Of the time that a node asks to be left alone: up to so much longer, drawn anew each time, so
that not all who were refused come back at once."""


class Nodes:
    """The endpoints of one service; at most one connection at a time."""

    def __init__(
        self,
        endpoints: tuple[str, ...],
        trust: Trust,
        doors: Doors,
        group: asyncio.TaskGroup,
        *,
        first: int = 0,
        name_of: Callable[[str], str] = str,
        behind: str = "",
    ) -> None:
        self.endpoints = endpoints
        self._name_of, self._behind = name_of, behind
        self._seen: list[dict[str, Any] | None] = []
        """What the last survey saw."""
        self.failures: dict[str, StrongroomError] = {}
        """Why the last attempt at an endpoint failed; emptied by success."""
        self.name = ""
        """Name of the node behind the current connection, from its verified claims."""
        self.busy: Overloaded | None = None
        """What was said last, if that was that there is no room."""
        self.closed = False
        """The client is being closed: no connection is opened any more."""
        self._trust, self._doors, self._group = trust, doors, group
        self._home = self._turn = first % len(endpoints)
        self._rests: dict[str, float] = {}
        self._until: dict[str, float] = {}
        self._current: Connection | None = None
        self._lock = asyncio.Lock()
        self._spare = Spare(lambda: self.current, self._epoch)
        self._only: str | None = None
        """The endpoint that it is gone back to."""
        self._patience, self._patient_until = PATIENCE_SECONDS_MIN, 0.0

    async def connection(self, on_end: Callable[[], None] | None = None) -> Connection:
        """The current connection, or a new one to the next endpoint that can be had; waits as long
        as it takes.

        Raises:
            NotTrusted, AttestationError: every endpoint answers, and none verifies.
            Unreachable: the client was closed.
        """
        async with self._lock:
            while self._current is None or not self._current.alive:
                if self.closed:
                    raise Unreachable(CLOSED)
                self._current = self._take_spare() or await self._try_next()
                self._only = None
            if on_end is not None:
                self._current.on_end = on_end
            return self._current

    @property
    def current(self) -> Connection | None:
        """The current connection, if it lives."""
        return self._current if self._current is not None and self._current.alive else None

    @property
    def at_home(self) -> bool:
        """Is the current connection to the first endpoint, or is there none?"""
        return self.current is None or self.current.endpoint == self.endpoints[self._home]

    async def home_serves(self) -> bool:
        """Does the first endpoint say that it takes part? Trusting nothing: it is admitted when it
        is connected to."""
        home, now = self.endpoints[self._home], asyncio.get_running_loop().time()
        if self._until.get(home, 0.0) > now:
            return False  # it rests: it has failed just now, or did not verify
        status = await self._doors.status(home)
        return status is not None and status.get("state") == "voting"

    async def leave(self, connection: Connection, why: StrongroomError) -> None:
        """End this connection; its endpoint rests, and the next one comes in turn."""
        if connection is self._current:
            self._current = None
            if isinstance(why, Returning):
                self._turn, self._only = self._home, self.endpoints[self._home]
                self._until.pop(self.endpoints[self._home], None)
            else:
                self._fail(connection.endpoint, why)
        await connection.close()

    async def check_again(self, connection: Connection | None = None) -> None:
        """Admit the current node once more, because another epoch may have begun; if it does not
        verify, it is left.

        Raises:
            StrongroomError: why it was left.
        """
        async with self._lock:
            connection = connection or self.current
            if connection is None or connection is not self._current:
                return
            try:
                async with asyncio.timeout(ADMIT_SECONDS_MAX):
                    await self._trust.admit(connection)
            except TimeoutError:
                fault: StrongroomError = Disconnected(
                    f"{connection.endpoint}: no answer in {ADMIT_SECONDS_MAX:g} s"
                )
            except NoQuorum:
                raise
            except StrongroomError as error:
                fault = error
            else:
                return
            await self.leave(connection, fault)
            raise fault

    async def close(self) -> None:
        """End the current connection."""
        if self._current is not None:
            await self._current.close()

    async def survey(self) -> list[dict[str, Any] | None]:
        """Ask every endpoint for its status, trusting none: for words to a waiting user. None: no
        answer."""
        self._seen = await asyncio.gather(*(self._doors.status(one) for one in self.endpoints))
        return self._seen

    def executed(self) -> int | None:
        """The newest height that any endpoint said it had executed in the last survey; None: too
        few answered. For words alone."""
        heights = [one.get("executed") for one in self._seen if one is not None]
        known = [height for height in heights if type(height) is int]
        return max(known) if len(known) >= Quorum(len(self.endpoints)).size else None

    async def opinions(
        self,
        method: str,
        *,
        few: int = 0,
        enough: Callable[[list[dict[str, Any]]], bool] = lambda _: False,
        **params: Any,
    ) -> list[dict[str, Any]]:
        """What nodes say that can be had and admitted now: one document per validator.

        Args:
            method: its name.
            few: so many are asked first, the node that is talked to before others.
            enough: is what they say all that is wanted? Else all others are asked, too.
            params: of the method, by name.
        """
        at = None if self.current is None else self.current.endpoint
        order = sorted(self.endpoints, key=lambda endpoint: endpoint != at)
        by_node: dict[PublicKey, dict[str, Any]] = {}
        for some in (order[:few], order[few:]):
            asked = (self._opinion(endpoint, method, params) for endpoint in some)
            by_node |= filter(None, await asyncio.gather(*asked))
            # Another epoch may have begun meanwhile: f+1 of the newest have an honest one among
            # them, a mixture of two need not.
            said = [document for key, document in by_node.items() if self._is_validator(key)]
            if some and enough(said):
                break
        return said

    async def keep_spare(self) -> None:
        """Keep a second connection ready, until cancelled."""

        def candidate(current: str) -> str | None:
            others = [one for one in self._ready() if one != current]
            return any_of(others) if others else None

        await self._spare.keep(candidate, partial(self._enter, self._rest))

    def served(self) -> None:
        """A node did what it was asked for."""
        self.busy = None

    async def _opinion(
        self, endpoint: str, method: str, params: dict[str, Any]
    ) -> tuple[PublicKey, dict[str, Any]] | None:
        current = self.current
        try:
            async with asyncio.timeout(ADMIT_SECONDS_MAX):
                if (
                    current is not None
                    and current.endpoint == endpoint
                    and self._is_validator(current.node_key)
                ):
                    document = await current.ask(method, **params)
                    return (current.node_key, document) if isinstance(document, dict) else None
                connection, _, key = await self._doors.enter(endpoint, PATIENCE_SECONDS_MAX)
                try:
                    document = await connection.ask(method, **params)
                finally:
                    await connection.close()
        except (StrongroomError, TimeoutError):
            return None
        return (key, document) if isinstance(document, dict) else None

    def _is_validator(self, node_key: PublicKey) -> bool:
        """Is the node of this key a validator of the newest epoch?"""
        epoch = self._trust.epoch
        return epoch is not None and epoch.description.index_of(node_key) is not None

    def _ready(self) -> list[str]:
        """Endpoints that do not rest, the next one first."""
        now, count = asyncio.get_running_loop().time(), len(self.endpoints)
        order = (self.endpoints[(self._turn + step) % count] for step in range(count))
        return [one for one in order if self._until.get(one, 0.0) <= now]

    def _take_spare(self) -> Connection | None:
        taken = self._spare.take(self._only)
        return None if taken is None else self._adopt(*taken)

    async def _try_next(self) -> Connection | None:
        """One attempt at the endpoints that do not rest, in turn."""
        ready = self._ready()
        if not ready:
            self._refuse_if_none_verifies()
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, min(self._until.values()) - loop.time()))
            return None
        opened = await first_open(self._group, ready, partial(self._enter, self._fail))
        return None if opened is None else self._adopt(*opened)

    async def _enter(
        self, failed: Callable[[str, StrongroomError], None], endpoint: str
    ) -> Entered:
        try:
            connection, name, _ = await self._doors.enter(endpoint, self._patience_now())
        except StrongroomError as fault:
            failed(endpoint, fault)
            raise
        return connection, name

    def _adopt(self, connection: Connection, name: str) -> Connection:
        connection.on_in_vain = self._in_vain
        connection.admitted(self._patience_now())
        self.name = name
        self.failures.clear()
        self._rests.clear()
        self._until.pop(connection.endpoint, None)
        self._turn = self.endpoints.index(connection.endpoint)
        return connection

    def _fail(self, endpoint: str, why: StrongroomError) -> None:
        self._rest(endpoint, why)
        self.failures[endpoint] = why
        if isinstance(why, Overloaded):
            self.busy = why
        self._turn = (self.endpoints.index(endpoint) + 1) % len(self.endpoints)

    def _rest(self, endpoint: str, why: StrongroomError) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(why, (NotTrusted, AttestationError)):
            rest = DISTRUST_SECONDS
        elif isinstance(why, Overloaded):
            rest = retry_seconds(why)
        else:
            rest = self._rests.get(endpoint, REST_SECONDS_MIN)
            self._rests[endpoint] = min(2 * rest, REST_SECONDS_MAX)
        self._until[endpoint] = now + rest

    def _in_vain(self) -> None:
        """A node was left as hung, and was only slow: the next one gets twice the time, for a
        while."""
        now = asyncio.get_running_loop().time()
        self._patience = min(2 * self._patience_now(), PATIENCE_SECONDS_MAX)
        self._patient_until = now + PATIENT_SECONDS

    def _patience_now(self) -> float:
        now = asyncio.get_running_loop().time()
        return self._patience if now < self._patient_until else PATIENCE_SECONDS_MIN

    def _epoch(self) -> int:
        epoch = self._trust.epoch
        return -1 if epoch is None else epoch.epoch

    def _refuse_if_none_verifies(self) -> None:
        faults = [self.failures.get(endpoint) for endpoint in self.endpoints]
        distrusted = [
            fault for fault in faults if isinstance(fault, (NotTrusted, AttestationError))
        ]
        if len(distrusted) == len(self.endpoints):
            raise distrusted[0]

    def unreachable(self, what: str) -> Unreachable:
        """An error that says what failed at which endpoints, and what to do next."""
        named = self._name_of
        faults = {at: self.failures[at] for at in self.endpoints if at in self.failures}
        seen = list(zip(self.endpoints, self._seen, strict=False))
        silent = [named(at) for at, status in seen if status is None] or [
            named(at) for at, fault in faults.items() if isinstance(fault, Disconnected)
        ]
        voting = [named(at) for at, status in seen if (status or {}).get("state") == "voting"]
        quorum = Quorum(len(self.endpoints))
        if silent and 0 < len(voting) < quorum.size:
            return Unreachable(
                f"{what}: no quorum: {listed(voting)} {_verb(voting, 'answers', 'answer')}, "
                f"{quorum.size} of {quorum.members} are needed; {listed(silent)} "
                f"{_verb(silent, 'does', 'do')} not. {self._start(silent)}"
            )
        if self.busy is not None and not any(isinstance(one, NoQuorum) for one in faults.values()):
            return Busy(
                f"{what}: nodes have no room ({self.busy}). Ask for less at a time, or later",
                retry_after=asked_seconds(self.busy),
            )
        return Unreachable(f"{what}{_reasons(faults, named)}. {self._start(silent)}")

    def _start(self, silent: Sequence[str]) -> str:
        """What to do about nodes that do not answer."""
        local = next((name for name in silent if "." not in name and ":" not in name), None)
        if local is None:
            return "Look at the nodes (`strongroom cluster status` tells which run)"
        every = len(silent) == len(self.endpoints)
        command = "cluster up" if every else f"cluster start {local}"
        return f"Start {'them' if every else 'one'} with `strongroom {command}{self._behind}`"


def _reasons(faults: Mapping[str, StrongroomError], named: Callable[[str], str]) -> str:
    """Who failed how; those that failed alike together."""
    alike: dict[str, list[str]] = {}
    for endpoint, fault in faults.items():
        alike.setdefault(str(fault).removeprefix(f"{endpoint}: "), []).append(named(endpoint))
    told = "; ".join(f"{listed(names)}: {reason}" for reason, names in alike.items())
    return f": {told}" if told else ""


def _verb(names: Sequence[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def any_of(endpoints: Sequence[str]) -> str:
    """Where a spare connection goes: by chance, lest all clients of one node flee to the same."""
    return random.choice(endpoints)


def retry_seconds(fault: Overloaded) -> float:
    """How long to leave a node alone that is overloaded: as long as it asks for, and a share more
    by chance."""
    return asked_seconds(fault) * (1 + RETRY_SPREAD * random.random())


def asked_seconds(fault: Overloaded) -> float:
    """How long a node that is overloaded asks to be left alone; bounded, for it may lie."""
    milliseconds = fault.data.get("retry_after_ms")
    return (
        min(milliseconds, ASKED_MS_MAX) / 1000
        if type(milliseconds) is int and milliseconds > 0
        else REST_SECONDS_MIN
    )
