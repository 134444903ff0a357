"""The nodes of a service as they were told of, and what follows from all of their words together.

Owns which nodes are kept, within a bound, and what is believed: how many vote, up to where a
height, a view or an epoch may be. No node's word alone decides that. Knows no blocks and no clock;
what is worth a line is model.py's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from strongroom.consensus.quorum import Quorum
from strongroom.node.shown_text import shown
from strongroom.node.watch.numbers import agreed, members_of, order
from strongroom.node.watch.view import NodeRow

NODES_KEPT = 64
VOTING = ("voting", "following")
NO_ANSWER = "no answer"
AHEAD_MAX = 1_000
"""Blocks or views beyond what honest nodes are known to have reached: more is a lie."""


@dataclass(slots=True)
class KnownNode:
    """What was told of one node."""

    name: str
    endpoint: str
    status: dict[str, Any] | None = None
    seen: float | None = None
    """When it last answered."""
    asked: bool = False
    members: int | None = None
    """How many vote, as it told last."""
    registered: dict[str, Any] | None = None


class KnownNodes:
    """All that are known, by endpoint."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, KnownNode] = {}
        self._asked: set[str] = set()
        """Endpoints of those that are asked; others are known by word alone."""

    def __iter__(self) -> Iterator[KnownNode]:
        return iter(self._by_endpoint.values())

    def asked_at(self, endpoint: str) -> KnownNode | None:
        """The one that is asked there; None: too many are known."""
        if endpoint in self._by_endpoint or len(self._by_endpoint) < NODES_KEPT:
            self._by_endpoint.setdefault(endpoint, KnownNode(shown(endpoint), endpoint))
            self._asked.add(endpoint)
        return self._by_endpoint.get(endpoint)

    def told_of(self, name: str, endpoint: str) -> KnownNode | None:
        """The one of this name, which another node tells of; None: too many are known."""
        node = next((one for one in self if one.name == name), None)
        if node is None and len(self._by_endpoint) < NODES_KEPT:
            node = self._by_endpoint.setdefault(endpoint, KnownNode(name, endpoint, asked=True))
            node.name = name
        return node

    def name_at(self, endpoint: str) -> str:
        """How the one at an endpoint is called."""
        node = self._by_endpoint.get(endpoint)
        return shown(endpoint) if node is None else node.name

    @property
    def all_asked(self) -> bool:
        """Was each asked at least once?"""
        return all(node.asked for node in self)

    @property
    def voting(self) -> int:
        """How many vote."""
        return sum(node.status is not None and node.status["state"] in VOTING for node in self)

    @property
    def alarms(self) -> tuple[str, ...]:
        """What nodes raise."""
        return tuple(
            f"{one.name}: {one.status['alarm']}"
            for one in self
            if one.status and one.status["alarm"]
        )

    def sizes(self) -> tuple[int | None, int | None]:
        """(quorum, members): the quorum follows from the number of members, whatever a node
        says."""
        told = [node.members for node in self if node.members is not None]
        members = members_of(told, len(self._asked))
        return (None, None) if members is None else (Quorum(members).size, members)

    def bound(self, name: str, ahead: int = AHEAD_MAX) -> int | None:
        """Up to where a height, a view or an epoch is believed; None: nothing is known to compare
        it with."""
        _, members = self.sizes()
        told = [node.status[name] for node in self if node.status is not None]
        reached = None if members is None else agreed(told, Quorum(members).faults)
        return None if reached is None else reached + ahead

    def rows(self, newest: int | None, leader: str) -> tuple[NodeRow, ...]:
        """As they are shown: n2 before n10."""
        ordered = sorted(self, key=lambda one: order(one.name))
        return tuple(_row(one, newest, leader) for one in ordered)


def _row(node: KnownNode, newest: int | None, leader: str) -> NodeRow:
    status, registered = node.status or {}, node.registered or {}
    height = status.get("height")
    answers = node.status is not None
    state = status["state"] if answers else (NO_ANSWER if node.asked else "…")
    return NodeRow(
        name=node.name,
        endpoint=node.endpoint,
        state=state,
        leads=bool(leader) and node.name == leader,
        height=height,
        lag=None if height is None or newest is None else max(0, newest - height),
        mempool=status.get("mempool"),
        peers=status.get("peers"),
        view=status.get("view"),
        operator=registered.get("operator", ""),
        region=registered.get("region", ""),
        verdict=registered.get("verdict", ""),
        alarm=status.get("alarm", ""),
        last_seen=None if answers else (node.seen or 0.0),
    )
