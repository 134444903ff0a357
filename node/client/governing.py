"""Governance from a member's side: sign in the open, submit, and believe only what a receipt
proves.

Owns the check of what one votes on: a ballot is cast for the digest of the changes, computed here
from what is shown, so a node cannot have a member vote on something else (T43).
"""

import asyncio
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault, NotCanonical, ReceiptInvalid
from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.governance.document import ProposalEntry
from strongroom.enclave.governance.public import (
    BALLOT,
    PROPOSAL_NONCE_SIZE,
    PROPOSE,
    PROPOSE_SEVERAL,
    WITHDRAW,
    changes_digest,
    sign_public,
)
from strongroom.enclave.governance.records import Arguments, Changes
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import check_result, verify_receipt
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.calls.sealing import OnSealed
from strongroom.node.client.calls.waiting import OnWaiting, receipt_once_there, tell_while
from strongroom.node.client.errors import NotTrusted, ProgramFailed, Unreachable
from strongroom.node.faults import NotFound, NotReady, Overloaded, Refused, RpcFault

ACT_SECONDS_MAX = 60.0
AGAIN_SECONDS = 0.5
"""Between two rounds of asking all nodes to take the same envelope."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An executed public transaction, with the receipt that proves its result."""

    id: bytes
    height: int
    index: int
    value: Any
    """What it came to."""
    receipt: Receipt


class Member:
    """One member's way to govern: `Member(reader, identity)`."""

    def __init__(
        self,
        reader: Reader,
        identity: Identity,
        *,
        timeout: float = ACT_SECONDS_MAX,
        on_sealed: OnSealed | None = None,
        on_waiting: OnWaiting | None = None,
    ) -> None:
        """Prepare.

        Args:
            reader: asks the nodes.
            identity: who signs.
            timeout: seconds that each act waits, in all.
            on_sealed: told the id of what was signed, before it leaves.
            on_waiting: told, in words, why an answer does not come.
        """
        self._reader, self._identity, self._timeout = reader, identity, timeout
        self._on_sealed, self._on_waiting = on_sealed, on_waiting

    async def propose(self, change: str, arguments: Arguments) -> Decided:
        """Propose a change; one's own yes is counted.

        Raises:
            ProgramFailed: governance refuses it.
        """
        return await self.propose_all(((change, arguments),))

    async def propose_all(self, changes: Changes, *, lifetime_ms: int = 0) -> Decided:
        """Propose changes that take effect together or not at all; one's own yes is counted.

        Args:
            changes: in the order in which they are tried.
            lifetime_ms: block time in which it must be decided; 0: as long as the limit says.

        Raises:
            ProgramFailed: governance refuses it.
        """
        nonce = secrets.token_bytes(PROPOSAL_NONCE_SIZE)
        if len(changes) == 1 and not lifetime_ms:
            return await self.act(PROPOSE, (nonce, *changes[0]))
        return await self.act(PROPOSE_SEVERAL, (nonce, lifetime_ms, changes))

    async def vote(self, proposal: ProposalEntry, *, yes: bool) -> Decided:
        """Cast a ballot for exactly these changes and their arguments."""
        return await self.act(BALLOT, (proposal.id, changes_digest(proposal.changes), yes))

    async def withdraw(self, id: str) -> Decided:
        """Take back one's own proposal."""
        return await self.act(WITHDRAW, (id,))

    async def act(self, action: str, fields: tuple[Any, ...]) -> Decided:
        """Sign and submit a public transaction, and check its result against the pin.

        Raises:
            ProgramFailed: governance refuses it; a receipt proves that it does.
            ReceiptInvalid: the node's answer is not what a quorum certified.
            RpcFault: every node that answers refuses to take it.
            Unreachable: no proven answer in time; with the id to ask for later.
        """
        service, key = self._reader.service, self._identity.key
        envelope = sign_public(self._identity.public, key.sign, service.chain, action, fields)
        id = transaction_id(envelope)
        if self._on_sealed is not None:
            self._on_sealed(id)
        telling = None
        if self._on_waiting is not None:
            telling = asyncio.create_task(tell_while(self._reader, self._on_waiting))
        try:
            async with asyncio.timeout(self._timeout):
                return await self._acted(id, envelope)
        except TimeoutError:
            raise Unreachable(f"no proven answer in {self._timeout:g} s", id=id) from None
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    async def _acted(self, id: TransactionId, envelope: bytes) -> Decided:
        result = await self._result(id, envelope)
        try:
            ok, value = codec.decode(result)
            code, message = ("", "") if ok else value
        except (TypeError, ValueError, NotCanonical) as error:
            raise NotTrusted("answer", f"not what a public transaction comes to: {error}") from None
        receipt = await self._proven(id, result, Code.EXECUTED if ok else Code.REFUSED)
        if not ok:
            raise ProgramFailed(
                code, message, id=receipt.leaf.id, height=receipt.height, index=receipt.index
            )
        return Decided(id, receipt.height, receipt.index, value, receipt)

    async def _result(self, id: TransactionId, envelope: bytes) -> bytes:
        """Have any node order it: always the same envelope, so that it counts once; until one tells
        what it came to."""
        text = b64encode(envelope).decode()
        while True:
            faults = []
            for endpoint in self._reader.service.endpoints:
                try:
                    shown = await self._reader.ask_at(endpoint, "governance_submit", envelope=text)
                    if shown["id"] == id.hex():
                        return b64decode(shown["result"], validate=True)
                except RpcFault as fault:
                    faults.append(fault)
                except (Unreachable, NotTrusted, KeyError, TypeError, ValueError):
                    pass
                if (known := await self._known(id)) is not None:
                    return known
            if len(faults) == len(self._reader.service.endpoints) and not any(map(_passes, faults)):
                raise faults[0]
            await asyncio.sleep(AGAIN_SECONDS)

    async def _known(self, id: TransactionId) -> bytes | None:
        """What it came to, by the word of any node: one that was asked before may have had it
        ordered."""
        for _, found in await self._reader.ask_each("ledger_transaction", id=id.hex()):
            try:
                if found is not None and found["status"] == "final" and found["result"]:
                    return b64decode(found["result"], validate=True)
            except (KeyError, TypeError, ValueError):
                continue
        return None

    async def _proven(self, id: bytes, result: bytes, code: Code) -> Receipt:
        shown = await receipt_once_there(
            partial(self._reader.ask, "ledger_receipt", id=id.hex(), wait="receipt"),
            missing=(NotFound,),
        )
        receipt = Receipt.from_json(shown)
        verified = verify_receipt(receipt, self._reader.service.pin)
        if verified.id != id or verified.code is not code:
            raise ReceiptInvalid(f"the receipt is not that of transaction {id.hex()}, {code.text}")
        check_result(verified, result)
        return receipt


def _passes(fault: RpcFault) -> bool:
    """May a node that says so take it later, or its block have room for it?"""
    if isinstance(fault, Refused):
        return fault.data.get("reason") == Code.NO_ROOM.text
    return isinstance(fault, (NotReady, Overloaded))


class Asks(Protocol):
    """Whoever answers public methods: nodes, or a ledger's files."""

    async def ask(self, method: str, **params: Any) -> Any: ...


async def read_public_state(reader: Asks) -> PublicState:
    """Governance as one node tells it.

    Raises:
        NotTrusted: the node shows something else.
    """
    shown = await reader.ask("governance_state")
    try:
        return PublicState.read(codec.decode(b64decode(shown["state"], validate=True)))
    except (KeyError, TypeError, ValueError, NotCanonical) as error:
        raise NotTrusted("answer", f"no governance document: {error}") from None


def find_proposal(state: PublicState, id: str) -> ProposalEntry:
    """A proposal by its id, or by the beginning of one that no other has.

    Raises:
        NotFound: none.
        ClientFault: several.
        NotTrusted: its digest is not that of its changes.
    """
    found = [one for one in state.proposals if one.id.startswith(id)]
    if not found:
        raise NotFound(f"no proposal's id begins with {id!r}: `strongroom gov show` lists them")
    if len(found) != 1 or not id:
        raise ClientFault(
            f"the ids of {len(found)} proposals begin with {id!r}: write more of the one you mean"
        )
    if found[0].digest != changes_digest(found[0].changes):
        raise NotTrusted("answer", f"the node shows another change under proposal {found[0].id}")
    return found[0]
