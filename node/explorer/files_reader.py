"""A ledger's files as the explorer reads them: a part of them where that is enough, else all.

Owns that choice. What a part can show, and what must hold for it, is ledger_part.py's; documents
are those of ledger_reader.py both times.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strongroom.node.explorer.ledger_part import LedgerPart, NotInPart, in_part
from strongroom.node.explorer.ledger_reader import FilesService, LedgerReader
from strongroom.node.explorer.ledger_replay import read_ledger

IN_PART = (
    "ledger_block",
    "ledger_blocks",
    "ledger_header",
    "ledger_transaction",
    "ledger_transactions",
    "node_status",
)
"""Methods whose answers hang on a few blocks alone."""


class FilesReader:
    """`async with FilesReader(folder) as reader`; asked as a node is."""

    def __init__(
        self,
        folder: Path,
        progress: Callable[[int], None] = lambda _: None,
        left_out: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Make it.

        Args:
            folder: a node's, or that of its segments.
            progress: told how far all of it is read.
            left_out: told how many blocks at the end no quorum certified, if any.
        """
        self._folder, self._progress, self._left_out = folder, progress, left_out
        self._stack = ExitStack()
        self._part: LedgerReader | None = None
        self._whole: LedgerReader | None = None
        self._is_said = False

    async def __aenter__(self) -> Self:
        """Open a part; where that cannot be, read all.

        Raises:
            ReceiptInvalid: the files are no ledger, or a damaged or forged one.
        """
        try:
            ledger = self._stack.enter_context(LedgerPart(self._folder)).ledger
        except NotInPart:
            self.whole()
            return self
        self._part = LedgerReader(ledger)
        self._say_left_out(ledger.uncertified)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def service(self) -> FilesService:
        """Whose ledger it is."""
        return (self._part or self.whole()).service

    def whole(self) -> LedgerReader:
        """All of it, read when it is needed first.

        Raises:
            ReceiptInvalid: the files are no ledger, or a damaged or forged one.
        """
        if self._whole is None:
            ledger = read_ledger(self._folder, self._progress)
            self._say_left_out(ledger.uncertified)
            self._whole = LedgerReader(ledger)
        return self._whole

    async def ask(self, method: str, **params: Any) -> Any:
        """What a node would answer, in its JSON form.

        Raises:
            RpcFault: what a node would refuse.
            ClientFault: only a running node knows it.
            ReceiptInvalid: the files are no ledger, or a damaged or forged one.
        """
        if self._part is not None and self._whole is None and method in IN_PART:
            try:
                with in_part():
                    return await self._part.ask(method, **params)
            except NotInPart:
                pass
        return await self.whole().ask(method, **params)

    async def ask_all(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Several calls."""
        return [await self.ask(method, **params) for method, params in calls]

    async def ask_each(self, method: str, **params: Any) -> list[tuple[str, Any]]:
        """(folder, answer), in place of a row per endpoint."""
        return [(self.service.endpoints[0], await self.ask(method, **params))]

    def _say_left_out(self, blocks: int) -> None:
        if blocks and not self._is_said:
            self._is_said = True
            self._left_out(blocks)
