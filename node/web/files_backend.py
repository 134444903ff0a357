"""A ledger's files as what stands behind a front door (rpc/backend.py), so that the page reads them
as it reads a node.

Owns what files refuse: everything that is submitted, sealed, or known to a running node alone.
Documents are those of `explorer/ledger_reader.py`.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable
from typing import Any, NoReturn

from strongroom.consensus import codec
from strongroom.consensus.types import TransactionId
from strongroom.node.api.ledger import LedgerDesk
from strongroom.node.api.receipts import ReceiptDesk
from strongroom.node.explorer.ledger_reader import LedgerReader
from strongroom.node.faults import Refused, RpcFault
from strongroom.node.ledger.place import Place
from strongroom.node.rpc.backend import Document

REASON = "files"


class FilesBackend:
    """One ledger that was read (`explorer/ledger_replay.py`); nothing of it changes."""

    live = True
    ready = True

    def __init__(self, reader: LedgerReader) -> None:
        self._reader, self._ledger = reader, reader.ledger
        desk = LedgerDesk(reader.ledger)
        self.transaction_reading = desk.transaction_reading
        self.receipt_steps = ReceiptDesk(reader.ledger).steps
        self.status_reading = desk.status_reading
        self.block_reading, self.rows_reading = desk.block_reading, desk.rows_reading
        self.head_reading, self.header_reading = desk.head_reading, desk.header_reading
        self.consistency = desk.consistency
        tell = reader.tell
        self.service_info: Callable[[], Document] = lambda: tell("service_info")
        self.service_policy: Callable[[], Document] = lambda: tell("service_policy")
        self.service_members: Callable[[], list[Document]] = lambda: tell("service_members")
        self.service_users: Callable[[], Document] = lambda: tell("service_users")
        self.service_nodes: Callable[[], list[Document]] = lambda: tell("service_nodes")
        self.node_status: Callable[[], Document] = lambda: tell("node_status")
        self.proposals: Callable[[], list[Document]] = lambda: tell("governance_proposals")
        self.access: Callable[[], Document] = lambda: tell("governance_access")

    @property
    def newest_block(self) -> int:
        """Height of the newest block that a quorum certified."""
        return self._ledger.store.newest_block

    @property
    def replicas(self) -> Document:
        """Nobody executes here."""
        return {"state": REASON}

    def service_epochs(self, start: int) -> list[Document]:
        """The succession of epochs from `start` on."""
        found: list[Document] = self._reader.tell("service_epochs", start)
        return found

    def proposal(self, id: str) -> Document:
        """One proposal."""
        found: Document = self._reader.tell("governance_proposal", id)
        return found

    def public_state(self) -> bytes:
        """The public document of governance at the end of the files, encoded."""
        return codec.encode(self._ledger.end.governance)

    async def next_height(self, after: int) -> int:
        """The newest height, to whoever has not seen it; then nothing more comes."""
        if after >= self._ledger.end.executed:
            await asyncio.Event().wait()
        return self._ledger.end.executed

    @property
    def anchored(self) -> int:
        """Nothing more is anchored here than what a look finds."""
        return self._ledger.end.executed

    async def next_anchored(self, after: int) -> int:
        """As with heights: then nothing more comes."""
        return await self.next_height(after)

    def metrics(self) -> str:
        """None."""
        return ""

    # --- what files do not tell ---

    async def service_heads(self, nonce: bytes) -> list[Document]:
        """Refused: nobody here signs."""
        _refuse("heads are signed")

    def node_consensus(self) -> Document:
        """Refused: nobody here votes."""
        _refuse("votes under way are told")

    async def node_evidence(self, nonce: bytes) -> Document:
        """Refused: no enclave is here."""
        _refuse("evidence is fresh")

    async def diagnostics(self, grant: str, recipient: bytes) -> Document:
        """Refused: no enclave is here."""
        _refuse("diagnostics are an enclave's")

    async def query(self, envelope: bytes) -> Document:
        """Refused: no enclave is here."""
        _refuse("queries are answered")

    def screen(self, envelopes: list[bytes]) -> dict[int, RpcFault]:
        """None is taken anyway."""
        return {}

    def submit(
        self, envelopes: list[bytes], *, wait: bool, organisation: str = ""
    ) -> "Future[list[Place]] | list[TransactionId]":
        """Refused: files do not grow."""
        _refuse("transactions are taken")


def _refuse(what: str) -> NoReturn:
    raise Refused(f"{what} by running nodes alone, and these are files: ask a node", reason=REASON)


def served(reader: LedgerReader) -> dict[str, Any]:
    """What the page says of where it comes from."""
    return {"from": "files", "node": reader.ledger.folder.name}
