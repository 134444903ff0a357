"""What the front door needs from the node behind it: the contract between `rpc` and `host`.

Documents are JSON-shaped: None, bool, int, float, str, lists and dicts, and bytes. A JSON frame
shows plain bytes as lowercase hex and a `Blob` as base64; a msgpack frame carries both raw.
"""

from asyncio import Future
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from strongroom.consensus.types import TransactionId
from strongroom.node.faults import RpcFault
from strongroom.node.ledger.place import Place

Document = dict[str, Any]


class Blob(bytes):
    """Bytes that a JSON frame shows as base64: envelopes, sealed results, evidence, encoded
    documents."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the way to a document."""

    run: Callable[[], Document | None]
    """In whatever thread; None: go on with the next."""
    long: bool = False
    """It reads a whole block, and goes where such reading is done."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A list in a document that is too long to be described at once: page by page instead."""

    count: int
    page: Callable[[int, int], list[Document]]
    """(offset, limit) → the rows there, in whatever thread it is called."""


class Backend(Protocol):
    """One node, as its RPC server sees it. Faults are ClientFault subclasses of
    strongroom.node.faults."""

    def service_info(self) -> Document: ...
    async def service_heads(self, nonce: bytes) -> list[Document]: ...
    def service_epochs(self, start: int) -> list[Document]: ...
    def service_policy(self) -> Document: ...
    def service_members(self) -> list[Document]: ...

    def service_users(self) -> Document: ...
    def service_nodes(self) -> list[Document]: ...
    def proposals(self) -> list[Document]: ...
    def proposal(self, id: str) -> Document: ...
    def access(self) -> Document: ...
    async def diagnostics(self, grant: str, recipient: bytes) -> Document: ...

    def public_state(self) -> bytes:
        """The enclave's public document of governance, encoded."""
        ...

    def node_status(self) -> Document: ...
    def node_consensus(self) -> Document: ...
    async def node_evidence(self, nonce: bytes) -> Document: ...

    def screen(self, envelopes: list[bytes]) -> dict[int, RpcFault]:
        """Which of these envelopes would be refused in execution for all to see, by position, and
        why."""
        ...

    def submit(
        self, envelopes: list[bytes], *, wait: bool, organisation: str = ""
    ) -> "Future[list[Place]] | list[TransactionId]":
        """Take envelopes into the mempool, all or none, as an organisation's.

        Returns:
            Their ids at once without `wait`; else a future of their places, in the given order,
            done when the last of them is executed and durable here. A caller that goes away cancels
            the future.

        Raises:
            Overloaded: the mempool is full; nothing of this call was taken.
            TooLarge: an envelope is over the limit.
            NotReady: this node is not serving yet.
        """
        ...

    def transaction_reading(self, id: TransactionId) -> Callable[[], Document]:
        """What tells of one transaction, in whatever thread it is called."""
        ...

    def status_reading(self, id: TransactionId) -> Callable[[], str | None]:
        """What says `final` or `pending`, in whatever thread it is called; None: nothing is known
        of it here."""
        ...

    def receipt_steps(self, id: TransactionId) -> Iterator[Step]:
        """The way to a transaction's receipt; what is next is asked for on the event loop.

        Raises:
            NotFound: no executed transaction has this id.
            NotYet: it is not anchored yet.
        """
        ...

    @property
    def newest_block(self) -> int:
        """Height of the newest final block that is stored here; 0 for none."""
        ...

    def block_reading(
        self, height_or_hash: int | bytes, *, transactions: bool = True
    ) -> Callable[[], Document]:
        """What reads and describes one block, in whatever thread it is called; its `transactions`
        may be `Rows`.

        Raises:
            NotFound: there is no such block.
        """
        ...

    def rows_reading(self, height: int, offset: int, limit: int) -> Callable[[], Document]:
        """The same for some transactions of one block: {height, offset, count, transactions}."""
        ...

    def head_reading(self, height: int) -> Callable[[], Document]:
        """The same for what stands in a block's head, at most 1 KiB whatever the block holds."""
        ...

    def header_reading(self, height: int) -> Callable[[], Document]:
        """The same for a header and its certificate."""
        ...

    def consistency(self, start: int, end: int) -> Document: ...
    async def query(self, envelope: bytes) -> Document: ...

    async def next_height(self, after: int) -> int:
        """Wait until a block above `after` is executed here; returns the newest executed height
        (for subscriptions)."""
        ...

    @property
    def anchored(self) -> int:
        """The newest height known of whose transactions receipts can be made; it may lie below what
        was anchored before the node started."""
        ...

    async def next_anchored(self, after: int) -> int:
        """Wait until receipts of a height above `after` can be made; the newest such height."""
        ...

    def metrics(self) -> str:
        """Prometheus text."""
        ...

    @property
    def live(self) -> bool: ...

    @property
    def ready(self) -> bool: ...

    @property
    def replicas(self) -> Document:
        """This node's state; how many validators execute, of how many, and how many must."""
        ...
