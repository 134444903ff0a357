"""Where the explorer reads: at the nodes of a service, or in the files of one ledger.

Owns the choice. Both answer the same public methods with the same documents.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from strongroom.consensus.types import ChainId


class Whose(Protocol):
    """The service that is read."""

    @property
    def pin(self) -> str: ...
    @property
    def chain(self) -> ChainId: ...
    @property
    def endpoints(self) -> tuple[str, ...]: ...


class Source(Protocol):
    """What answers the public methods: `client/audit/reader.py`, or `files_reader.py`."""

    @property
    def service(self) -> Whose: ...
    async def ask(self, method: str, **params: Any) -> Any: ...
    async def ask_all(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]: ...
    async def ask_each(self, method: str, **params: Any) -> list[tuple[str, Any]]: ...


@asynccontextmanager
async def reading(
    directory: Path,
    ledger: Path | None,
    progress: Callable[[int], None] = lambda _: None,
    left_out: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[Source]:
    """Read at nodes, or with `ledger` in files.

    Args:
        directory: the cluster's folder; with `ledger` not looked at.
        ledger: a node's folder, or that of its segments.
        progress: told how far the files are read.
        left_out: told how many blocks at the end no quorum certified, if any.

    Raises:
        OperatorFault: there is no cluster in the folder.
        ReceiptInvalid: the files are no ledger, or a damaged or forged one.
    """
    if ledger is not None:
        from strongroom.node.explorer.files_reader import FilesReader

        async with FilesReader(ledger, progress, left_out) as files:
            yield files
        return
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as nodes:
        yield nodes
