"""What a node refuses to batch: envelopes whose public bytes alone show that execution would refuse
them (DESIGN §4).

Owns these checks, in execution's order: form and size class, epoch, and for a call whether its
session was ever opened here. It refuses what it knows to be useless, and nothing else: a session
may be known to a later block than this node has executed, so a node that lags says so instead.
Keeps a bounded number of session ids; all others are in the index.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.envelope import CALL, OPENING, PUBLIC
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.governance.public import Unsigned, read_public
from strongroom.node.faults import Overloaded, Refused, RpcFault, WrongChainOrEpoch
from strongroom.node.rpc.jsonrpc import InvalidParams

SESSIONS_KEPT_MAX = 65_536
"""Ids that were found in the index, so that the next call in their session costs one look-up."""
SOUGHT_MAX = 64
"""Sessions of one submission that are looked for, found or not: that takes a look into each run of
the index (ledger/transaction_table.py), some 100 µs together, and nothing of who asks. Any id of
the ledger may be named as a session."""
BEHIND_BLOCKS = 16
"""A node that lags further behind than this does not judge sessions; clients ask again over smaller
gaps."""
BEHIND_RETRY_MS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is asked of the node."""

    epoch: Callable[[], int]
    """The newest epoch whose beginning is proven here."""
    grace_over: Callable[[], bool]
    """Is it known that calls in sessions of the epoch before do not open any more?"""
    may_be_executed: Callable[[bytes], bool]
    """Was a transaction of this id executed here, as far as the index knows without a block?"""
    pending: Callable[[bytes], bool]
    """Was this id taken here, and not executed yet?"""
    lag: Callable[[], int]
    """Blocks that f+1 members have executed beyond this node."""


class Screen:
    """Looks at every envelope that somebody submits."""

    def __init__(self, chain: ChainId, ledger: Ledger) -> None:
        self._chain, self._ledger = chain, ledger
        self._sessions: dict[bytes, None] = {}

    def faults(self, envelopes: Iterable[bytes]) -> dict[int, RpcFault]:
        """Which of these envelopes, in one submission, are not worth batching, by position, and
        why."""
        epoch = self._ledger.epoch()
        faults: dict[int, RpcFault] = {}
        opened: set[bytes] = set()
        sought = 0
        for at, envelope in enumerate(envelopes):
            try:
                fields = read_envelope(envelope)
            except NotCanonical as error:
                faults[at] = _malformed(envelope, str(error))
                continue
            kind = fields[1]
            fault: RpcFault | None = None
            if kind == CALL:
                if fields[2] != epoch:
                    fault = self._call_of_another_epoch(envelope, fields[2], epoch)
                if fault is None and not self._is_known(fields[3], opened):
                    fault = self._sought(envelope, fields[3]) if sought < SOUGHT_MAX else _many()
                    sought += 1
            elif kind == OPENING:
                if fields[2] != epoch:
                    fault = wrong_epoch(envelope, "opens a session in", fields[2], epoch)
                else:
                    opened.add(sha256(envelope).digest())
            elif kind == PUBLIC:
                fault = self._public(envelope, fields)
            else:
                fault = _malformed(
                    envelope, "a query is asked with ledger_query, it is never ordered"
                )
            if fault is not None:
                faults[at] = fault
        return faults

    def _call_of_another_epoch(self, envelope: bytes, named: int, epoch: int) -> RpcFault | None:
        if named == epoch - 1 and not self._ledger.grace_over():
            return None
        return wrong_epoch(envelope, "is of a session of", named, epoch)

    def _is_known(self, session: bytes, opened: set[bytes]) -> bool:
        """Without a look into the index."""
        return session in self._sessions or session in opened or self._ledger.pending(session)

    def _sought(self, envelope: bytes, session: bytes) -> RpcFault | None:
        """Nothing, once the session is found; else why the call is not taken now."""
        ledger = self._ledger
        if ledger.may_be_executed(session):
            if len(self._sessions) >= SESSIONS_KEPT_MAX:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session] = None
            return None
        if ledger.lag() > BEHIND_BLOCKS:
            return Overloaded(
                "this node is behind and does not know this "
                "session yet: try again, or another node",
                retry_after_ms=BEHIND_RETRY_MS,
            )
        return _refused(envelope, Code.UNKNOWN_SESSION)

    def _public(self, envelope: bytes, fields: tuple[Any, ...]) -> RpcFault | None:
        try:
            protected, payload, signature = fields[2:]
            read_public(protected, payload, signature, self._chain)
        except NotCanonical as error:
            return _malformed(envelope, str(error))
        except Unsigned:
            return _refused(envelope, Code.DOES_NOT_OPEN)
        return None


def _many() -> RpcFault:
    return Overloaded(
        f"{SOUGHT_MAX} sessions of this submission were looked for, there are more: ask again, "
        "what was found is known then",
        retry_after_ms=BEHIND_RETRY_MS,
    )


def wrong_epoch(envelope: bytes, what: str, named: int, epoch: int) -> WrongChainOrEpoch:
    """The refusal that says which epoch this is."""
    reason = Code.WRONG_EPOCH.text
    return WrongChainOrEpoch(
        f"{what} epoch {named}, this is epoch {epoch}", epoch=epoch, reason=reason
    )


def _malformed(envelope: bytes, detail: str) -> InvalidParams:
    reason = Code.MALFORMED.text
    return InvalidParams(
        f"no envelope that could be executed: {detail}", reason=reason, **_place(envelope)
    )


def _refused(envelope: bytes, code: Code) -> Refused:
    return Refused(
        f"refused before it was ordered: {code.text}", reason=code.text, **_place(envelope)
    )


def _place(envelope: bytes) -> dict[str, Any]:
    """Height 0: it stands nowhere."""
    return {"id": sha256(envelope).digest(), "height": 0, "index": 0}
