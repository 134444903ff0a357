"""What `LedgerDesk` reads: a running node's parts, or a ledger's files (node/explorer).

Owns the shape alone, so that both give the same documents by the same code.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.ledger.pending_index import Finding, IdKnown
from strongroom.node.ledger.segments import Kind

_T = TypeVar("_T")


class Records(Protocol):
    """Blocks and outcomes by height, transactions by id (node/ledger/store.py)."""

    @property
    def newest_block(self) -> int: ...
    def block(self, height: int) -> bytes | None: ...
    def outcome(self, height: int) -> bytes | None: ...
    def reading(
        self, kind: Kind, height: int, decode: Callable[[bytes], _T]
    ) -> Callable[[], _T] | None: ...
    def finding(self, identifier: bytes, told: IdKnown = ...) -> Finding: ...
    def find_block(self, hash: bytes) -> int | None: ...


class Executed(Protocol):
    """How far, and what governance says there."""

    @property
    def executed(self) -> int: ...
    @property
    def governance(self) -> PublicState | None: ...


class Waiting(Protocol):
    """Envelopes that wait for a block."""

    def pending(self, id: TransactionId) -> bool: ...


class LedgerSources(Protocol):
    """A ledger, with what names and proves it."""

    @property
    def store(self) -> Records: ...
    @property
    def genesis(self) -> VerifiedGenesis: ...
    @property
    def epochs(self) -> EpochChain: ...
    @property
    def history(self) -> HistoryTree: ...
    @property
    def mempool(self) -> Waiting: ...
    @property
    def state(self) -> Callable[[], Executed]: ...
