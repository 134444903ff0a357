"""What a feed tells of a service, from nodes or from files: the only thing that the model reads.

Owns the vocabulary. Every event carries its moment, so that whoever reads them needs no clock.
Documents are those of the JSON-RPC methods, of hostile nodes perhaps: model.py takes from them what
it knows, and shows nothing unescaped.
"""

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was told; `now` in Unix seconds."""

    now: float


@dataclass(frozen=True, slots=True)
class Asked(Event):
    """Which endpoints are asked for their status from now on."""

    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceTold(Event):
    """`service_info`."""

    document: Document


@dataclass(frozen=True, slots=True)
class StatusTold(Event):
    """`node_status` of one endpoint; None: it did not answer."""

    endpoint: str
    document: Document | None


@dataclass(frozen=True, slots=True)
class NodesTold(Event):
    """`service_nodes`, as the node of the feed sees them."""

    documents: list[Document]


@dataclass(frozen=True, slots=True)
class HeadTold(Event):
    """The head of an executed block (topic `heads`)."""

    document: Document


@dataclass(frozen=True, slots=True)
class VotesTold(Event):
    """The votes under way at the node of the feed (topic `consensus`); None: it tells no more."""

    document: Document | None


@dataclass(frozen=True, slots=True)
class Missed(Event):
    """The feed left out these heights: it lay too far behind."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PublicTold(Event):
    """Public transactions of one height: what members and nodes said."""

    height: int
    transactions: list[Document]


@dataclass(frozen=True, slots=True)
class FeedOpened(Event):
    """From now on heads come from here."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class FeedLost(Event):
    """No heads come."""

    why: str


@dataclass(frozen=True, slots=True)
class ChainChecked(Event):
    """The headers down to genesis were checked against the pin."""

    height: int
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class FilesEnded(Event):
    """Files tell no more."""

    height: int
