"""The public methods of a node, answered from its ledger's files: the same documents, by the same
code (node/api), without a node.

Owns which methods files can answer. What only a running node knows (its links, its mempool, what it
found in others' evidence) is none here. The shape of answers is that of `client/audit/reader.py`,
so that the explorer reads either.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import ChainId
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.node.api.access_state import access_document
from strongroom.node.api.ledger import LedgerDesk
from strongroom.node.api.public_state import (
    epoch_documents,
    member_documents,
    node_document,
    policy_document,
    proposal_document,
    rules_of,
    users_document,
    validators_shown,
)
from strongroom.node.api.receipts import ReceiptDesk
from strongroom.node.explorer.ledger_replay import FileLedger
from strongroom.node.faults import NotFound
from strongroom.node.rpc.backend import Blob, Document, Rows
from strongroom.node.rpc.jsonrpc import encode_json
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.parameters import bind

STATE = "files"
"""What stands where a node has its state."""


class FilesService(NamedTuple):
    """Whose ledger it is, as `service.json` says it of nodes."""

    pin: str
    chain: ChainId
    endpoints: tuple[str, ...]


class LedgerReader:
    """A ledger's files as a node's public face: `async with LedgerReader(ledger) as reader`."""

    def __init__(self, ledger: FileLedger, pin: str | None = None) -> None:
        """Make it.

        Args:
            ledger: what was read.
            pin: of the service that was meant; without it, of the genesis that lies there.
        """
        self.ledger = self._ledger = ledger
        self._desk = LedgerDesk(ledger)
        genesis = ledger.genesis
        self.service = FilesService(pin or genesis.pin, genesis.chain, (str(ledger.folder),))
        self._answers: dict[str, Callable[..., Any]] = {
            "service_info": lambda genesis=True: self._info(with_genesis=genesis),
            "service_epochs": self._epochs,
            "service_policy": lambda: policy_document(self._rules.policy),
            "service_members": lambda: member_documents(self._rules),
            "service_users": lambda: users_document(genesis, self._governance),
            "service_nodes": self._nodes,
            "node_status": self._status,
            "ledger_block": self._block,
            "ledger_blocks": self._blocks,
            "ledger_transactions": lambda *given: self._desk.rows_reading(*given)(),
            "ledger_transaction": lambda id: self._desk.transaction_reading(id)(),
            "ledger_receipt": ReceiptDesk(ledger).receipt,
            "ledger_header": lambda height: self._desk.header_reading(height)(),
            "ledger_consistency": self._desk.consistency,
            "governance_proposals": self._proposals,
            "governance_proposal": self._proposal,
            "governance_state": lambda: {"state": Blob(codec.encode(self._governance))},
            "governance_access": lambda: access_document(self._governance),
        }

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to close."""

    async def ask(self, method: str, **params: Any) -> Any:
        """What a node would answer, in its JSON form.

        Raises:
            RpcFault: what a node would refuse.
            ClientFault: only a running node knows it.
        """
        given = bind(METHODS[method].parameters, params) if method in self._answers else []
        return json.loads(encode_json(self.tell(method, *given)))

    def tell(self, method: str, *given: Any) -> Any:
        """The same before it has a form: its bytes are raw.

        Raises:
            RpcFault: what a node would refuse.
            ClientFault: only a running node knows it.
        """
        answer = self._answers.get(method)
        if answer is None:
            raise ClientFault(f"{method}: files do not tell it; ask a node, without --from-ledger")
        return answer(*given)

    async def ask_all(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Several calls."""
        return [await self.ask(method, **params) for method, params in calls]

    async def ask_each(self, method: str, **params: Any) -> list[tuple[str, Any]]:
        """(folder, answer), in place of a row per endpoint."""
        return [(self.service.endpoints[0], await self.ask(method, **params))]

    def head(self, height: int) -> Document:
        """A block's head, as the topic `heads` tells it."""
        head: Document = json.loads(encode_json(self._desk.head_reading(height)()))
        return head

    # --- inside ---

    @property
    def _governance(self) -> PublicState:
        state = self._ledger.end.governance
        assert state is not None
        return state

    @property
    def _rules(self) -> Any:
        return rules_of(self._ledger.genesis, self._governance)

    @property
    def _description(self) -> EpochDescription:
        return self._ledger.epochs.newest

    def _info(self, *, with_genesis: bool) -> Document:
        ledger, genesis, description = self._ledger, self._ledger.genesis, self._description
        key = (
            ledger.epochs.public_key(description.epoch) if description.epoch else genesis.public_key
        )
        return {
            "chain": genesis.chain,
            "pin": genesis.pin,
            "name": genesis.constitution.name,
            "genesis": Blob(genesis.data) if with_genesis else None,
            "height": ledger.store.newest_block,
            "executed": ledger.end.executed,
            "epoch": description.epoch,
            "epoch_key": Blob(key or b""),
            "epoch_key_digest": description.public_key_digest,
            "measurement": None,
            "node": None,
            "validators": self._validators(),
            "limits": {**RpcLimits().public(), **dict(self._rules.limits)},
            "simulated": genesis.simulated,
        }

    def _validators(self) -> list[Document]:
        return validators_shown(self._ledger.genesis, self._governance, self._description)

    def _nodes(self) -> list[Document]:
        registered = {node.node_key: node_document(node) for node in self._governance.nodes}
        unseen: Document = dict.fromkeys(
            ("checked", "evidence_digest", "height", "executed", "executes", "view", "faults")
        )
        unseen |= {"verdict": "not seen: from files", "connected": None}
        validators = [
            {
                **registered.pop(one["node_key"], {"status": "validator", "offence": None}),
                **one,
                **unseen,
            }
            for one in self._validators()
        ]
        others = [
            {**one, "index": None, "verdict": one["status"], "connected": None}
            for one in registered.values()
        ]
        return [*validators, *others]

    def _status(self) -> Document:
        unknown = dict.fromkeys(
            (
                "archived",
                "boot",
                "clock_behind_ms",
                "executes",
                "executing",
                "fresh",
                "grace_ms",
                "leader",
                "mempool",
                "peers",
                "strikes",
                "version",
            )
        )
        description = self._description
        return {
            **unknown,
            "node": self._ledger.folder.name,
            "state": STATE,
            "height": self._ledger.store.newest_block,
            "executed": self._ledger.end.executed,
            "view": self._ledger.newest.view,
            "epoch": description.epoch,
            "quorum": description.quorum.size,
            "members": len(description.validators),
            "blocks_behind": self._ledger.store.newest_block - self._ledger.end.executed,
            "alarm": None,
        }

    def _epochs(self, start: int) -> list[Document]:
        ledger = self._ledger
        return epoch_documents(ledger.genesis, ledger.epochs, start, self._governance)

    def _block(self, height: int | bytes, transactions: bool) -> Document:
        block = self._desk.block_reading(height, transactions=transactions)()
        return {
            name: value.page(0, value.count) if isinstance(value, Rows) else value
            for name, value in block.items()
        }

    def _blocks(self, start: int, end: int, transactions: bool) -> list[Document]:
        last = min(end, start + RpcLimits().blocks_max - 1, self._desk.newest_block)
        read = partial(self._block, transactions=transactions)
        return [read(height) for height in range(max(1, start), last + 1)]

    def _proposals(self) -> list[Document]:
        return [proposal_document(one) for one in self._governance.proposals]

    def _proposal(self, id: str) -> Document:
        found = next((one for one in self._proposals() if one["id"] == id), None)
        if found is None:
            raise NotFound("no proposal of this id is open, and none of the newest has it")
        return found
