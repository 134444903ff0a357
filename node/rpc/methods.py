"""The methods of the front door: one table of names, parameters and words, from which openrpc.json
is made too.

Owns what each method asks of the backend and the shape of its result; submitting has a file of its
own. Knows no socket: who asks, and what its connection may do, is the `Caller`.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import structlog

from strongroom.consensus.errors import ClientFault, InvariantBroken, NotCanonical
from strongroom.consensus.types import TransactionId
from strongroom.node.faults import Archived, Overloaded, Refused, RpcFault, TooLarge
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.metrics.catalogue import SLOW
from strongroom.node.metrics.tallies import Count, Histograms
from strongroom.node.rpc import blobs, latest
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.caller import Caller, Subscriptions
from strongroom.node.rpc.door import GUARDED, REASON
from strongroom.node.rpc.failures import archived_fault, log_failure
from strongroom.node.rpc.feed import TOPICS
from strongroom.node.rpc.forms import Encoded, Form
from strongroom.node.rpc.governing import GOVERNANCE
from strongroom.node.rpc.jsonrpc import InternalError, InvalidParams, Kept, MethodNotFound
from strongroom.node.rpc.method import Method
from strongroom.node.rpc.openrpc import openrpc
from strongroom.node.rpc.parameters import (
    BLOB,
    BLOBS,
    BOOLEAN,
    DIGEST,
    DIGESTS,
    HEIGHT,
    HEIGHT_OR_HASH,
    HEIGHT_OR_LATEST,
    OPTIONAL_HEIGHT,
    TEXT,
    Parameter,
    bind,
    one_of,
)
from strongroom.node.rpc.reading import refused_late
from strongroom.node.rpc.receipts import WAIT_SECONDS_MAX, wait_for_receipt
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.searching import search
from strongroom.node.rpc.submitting import submit_and_wait, submit_many
from strongroom.node.rpc.weights import weight_of

_METHOD_SHOWN_MAX = 64


OK, CANCELLED, UNKNOWN = "ok", "cancelled", "unknown"
"""Labels: of a call that was answered, of one whose caller went away; of a method that is none."""


LOGGED_ONE_IN = 1_000
"""Of so many calls the log tells of one, with its request id."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Counts:
    """What was asked and how it ended, since the start."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (method, `ok` or the code of its error)."""
    seconds: Histograms = field(default_factory=lambda: Histograms(SLOW))
    """How long calls took, by method."""
    rejected: Count = field(default_factory=Counter)
    """Requests that came to no call, by reason (monitoring.py)."""
    requests: int = 0
    """Calls, of whatever method."""
    life: str = field(default_factory=lambda: secrets.token_hex(4))
    """How the request ids of this start begin: a number alone would come again after each."""

    def begin(self) -> tuple[str, bool]:
        """The id of one more call, and whether the log tells of it: one in `LOGGED_ONE_IN`."""
        self.requests += 1
        return f"{self.life}-{self.requests:x}", self.requests % LOGGED_ONE_IN == 1


async def perform(
    caller: Caller, counts: Counts, name: str, params: list[Any] | dict[str, Any], room: Room
) -> Any:
    """Perform one call.

    Raises:
        RpcFault: unknown method, wrong params, or what the method refuses; InternalError for a bug,
            telling nothing.
    """
    method, began, code = METHODS.get(name), time.perf_counter(), CANCELLED
    shown = UNKNOWN if method is None else name
    request, sampled = counts.begin()
    try:
        value = await _performed(caller, method, name, params, room)
        code = OK
        return value
    except RpcFault as fault:
        code = str(fault.code)
        caller.turned_away |= fault.data.get("reason") == REASON
        raise
    except (ClientFault, NotCanonical):
        code = str(Refused.code)  # as answering.py tells it
        raise
    except InvariantBroken:
        raise
    except SegmentNotAtHand as gone:
        code = str(Archived.code)
        raise archived_fault(gone) from None
    except Exception as error:
        code = str(InternalError.code)
        log_failure(name, error, request)
        raise InternalError("Internal error", request=request) from None
    finally:
        seconds = time.perf_counter() - began
        counts.calls[shown, code] += 1
        counts.seconds[shown].observe(seconds)
        if sampled:
            _log.info(
                "rpc.call", request=request, method=shown, code=code, ms=round(1000 * seconds, 3)
            )


async def _performed(
    caller: Caller,
    method: Method | None,
    name: str,
    params: list[Any] | dict[str, Any],
    room: Room,
) -> Any:
    if method is None:
        raise MethodNotFound(f"no method {name[:_METHOD_SHOWN_MAX]!r}: see rpc.discover")
    caller.door.check(name, caller.account, shown=caller.shown)
    if name not in GUARDED:
        _weigh(caller, room, name)
    arguments = bind(method.parameters, params)
    result = (
        method.call(caller, room, *arguments) if method.roomy else method.call(caller, *arguments)
    )
    value = await result if isinstance(result, Awaitable) else result
    return Kept(value) if method.kept else value


def _weigh(caller: Caller, room: Room, name: str) -> None:
    now = asyncio.get_running_loop().time()
    try:
        caller.library.allowances.spend(caller.payer, weight_of(name), now)
    except Overloaded:
        room.late = True
        raise


# --- reading --------------------------------------------------------------------------------------


def _service_info(caller: Caller, genesis: bool) -> Document:
    told = caller.backend.service_info()
    return told if genesis else {**told, "genesis": None}


def _known(caller: Caller, height: int | str) -> int:
    return caller.backend.newest_block if isinstance(height, str) else height


async def _block(
    caller: Caller, room: Room, height: int | bytes | str, transactions: bool
) -> Encoded:
    which = caller.backend.newest_block if isinstance(height, str) else height
    prepare = partial(caller.backend.block_reading, which, transactions=transactions)
    return await caller.library.one(room, caller.payer, prepare, short=not transactions)


async def _transaction(caller: Caller, room: Room, id: bytes) -> Encoded:
    prepare = partial(caller.backend.transaction_reading, TransactionId(id))
    return await caller.library.one(room, caller.payer, prepare, short=True)


async def _receipt(caller: Caller, room: Room, id: bytes, wait: str) -> Encoded:
    seconds = WAIT_SECONDS_MAX if wait == "receipt" else 0.0
    with refused_late(room):
        return await wait_for_receipt(caller, room.form, TransactionId(id), seconds)


async def _header(caller: Caller, room: Room, height: int | str) -> Encoded:
    prepare = partial(caller.backend.header_reading, _known(caller, height))
    return await caller.library.one(room, caller.payer, prepare, short=True)


async def _blocks(caller: Caller, room: Room, start: int, end: int, transactions: bool) -> Encoded:
    if end < start:
        raise InvalidParams(f"param 'to' must not be below 'from' ({start})")
    if end - start >= caller.limits.blocks_max:
        raise TooLarge(
            f"{end - start + 1} blocks, at most {caller.limits.blocks_max} are given in one call: "
            f"ask for {start} to {start + caller.limits.blocks_max - 1} first",
            blocks_max=caller.limits.blocks_max,
        )
    heights = range(max(1, start), min(end, caller.backend.newest_block) + 1)
    read = partial(caller.backend.block_reading, transactions=transactions)
    return await caller.library.many(
        room, caller.payer, (partial(read, height) for height in heights)
    )


async def _transactions(
    caller: Caller, room: Room, height: int | str, offset: int, limit: int
) -> Encoded:
    if limit > caller.limits.rows_max:
        raise TooLarge(
            f"{limit} transactions, at most {caller.limits.rows_max} are given in one call: go on "
            f"with offset {offset + caller.limits.rows_max}",
            rows_max=caller.limits.rows_max,
        )
    prepare = partial(caller.backend.rows_reading, _known(caller, height), offset, limit)
    return await caller.library.one(room, caller.payer, prepare, short=True)


def _consistency(caller: Caller, start: int, end: int) -> Document:
    if end < start:
        raise InvalidParams(f"param 'to' must not be below 'from' ({start})")
    return caller.backend.consistency(start, end)


def _query(caller: Caller, envelope: bytes) -> Awaitable[Document]:
    if caller.account is not None:
        caller.account.charge(1, len(envelope))
    return caller.backend.query(envelope)


def _subscribe(caller: Caller, room: Room, topic: str, start: int | None) -> int:
    return _telling(caller).subscribe(topic, start, room)


def _unsubscribe(caller: Caller, id: int) -> bool:
    _telling(caller).unsubscribe(id)
    return True


def _telling(caller: Caller) -> Subscriptions:
    if caller.subscriptions is None:
        raise InvalidParams("subscriptions need a WebSocket: connect to /ws")
    return caller.subscriptions


@cache
def discovered(form: Form) -> Encoded:
    """The table as an OpenRPC document, encoded once."""
    return Encoded(form.encode(openrpc(METHODS.values())))


def _discover(_caller: Caller, room: Room) -> Encoded:
    return discovered(room.form)


_NONCE = Parameter("nonce", DIGEST, "Fresh randomness of the caller, which the answer is bound to.")
_ID = Parameter("id", DIGEST, "Transaction id: SHA-256 of the envelope.")
_FROM = Parameter("from", HEIGHT, "First height.")
_TO = Parameter("to", HEIGHT, "Last height.")
_WITH_TRANSACTIONS = Parameter("transactions", BOOLEAN, "With a row for each transaction.", True)
_WAIT = Parameter("wait", one_of("commit", "none", "receipt"), "What to wait for.", "commit")
_WAIT_MANY = Parameter("wait", one_of("none", "commit"), "What to wait for.", "none")
_AFTER = Parameter(
    "after",
    DIGEST,
    "Id of the last envelope of this connection's submission "
    "before this one: if that was refused, so is this.",
    None,
)

_WAIT_RECEIPT = Parameter(
    "wait",
    one_of("none", "receipt"),
    "With `receipt`, it is waited for, for five seconds at most.",
    "none",
)

_GENESIS = Parameter(
    "genesis",
    BOOLEAN,
    "With all of the genesis (some 9 KB a founder); false: null, `chain` is its SHA-256.",
    True,
)

_TABLE = (
    Method(
        "service_info",
        "The service: chain, genesis, pin, heights, epoch and its public key, validators, limits.",
        (_GENESIS,),
        "document",
        _service_info,
    ),
    Method(
        "service_heads",
        "What each member that answers knows to be newest, signed by its node key over the nonce.",
        (_NONCE,),
        "list of {name, node_key, head}",
        lambda caller, nonce: caller.backend.service_heads(nonce),
    ),
    Method(
        "service_epochs",
        "The chain of epochs: terminal header, its certificate, next validators, epoch public key.",
        (Parameter("from", HEIGHT, "First epoch.", 0),),
        "list of {epoch, reason, height, members, header, certificate, description, epoch_key}",
        lambda caller, start: caller.backend.service_epochs(start),
    ),
    Method(
        "service_policy",
        "The governed attestation policy.",
        (),
        "document",
        lambda caller: caller.backend.service_policy(),
    ),
    Method(
        "service_members",
        "The members who govern.",
        (),
        "list of documents",
        lambda caller: caller.backend.service_members(),
    ),
    Method(
        "service_users",
        "Who may open sessions, as far as everybody may know, and the limits of each.",
        (),
        "document",
        lambda caller: caller.backend.service_users(),
    ),
    Method(
        "service_nodes",
        "The nodes, with the verdict over each one's evidence.",
        (),
        "list of documents",
        lambda caller: caller.backend.service_nodes(),
    ),
    Method(
        "node_status",
        "This node: state, heights, view, peers, mempool, version.",
        (),
        "document",
        lambda caller: caller.backend.node_status(),
    ),
    Method(
        "node_consensus",
        "The votes under way, as this node sees them: view, leader, proposal, who said what, what "
        "waits in each lane, timers; the topic `consensus` tells of each change.",
        (),
        "document",
        lambda caller: caller.backend.node_consensus(),
    ),
    Method(
        "node_evidence",
        "Fresh attestation evidence of this node over the nonce.",
        (_NONCE,),
        "{evidence, nonce}",
        lambda caller, nonce: caller.backend.node_evidence(nonce),
    ),
    Method(
        "ledger_submit",
        "Submit one sealed envelope.",
        (Parameter("envelope", BLOB, "The sealed transaction."), _WAIT),
        "{id, height, index, status, result}; {id} with wait "
        '"none"; also {receipt} with wait "receipt"',
        submit_and_wait,
        roomy=True,
        kept=True,
    ),
    Method(
        "ledger_submit_many",
        "Submit envelopes, in order, in one round trip.",
        (Parameter("envelopes", BLOBS, "The sealed transactions."), _WAIT_MANY, _AFTER),
        'list, in the same order, of ids, with wait "commit" of {id, height, index, status, '
        "result}; or of {error}",
        submit_many,
        kept=True,
    ),
    Method(
        "ledger_transaction",
        "Where a transaction stands: unknown, pending or final, "
        "with its sealed result and public part.",
        (_ID,),
        "document",
        _transaction,
        roomy=True,
    ),
    Method(
        "ledger_receipt",
        "The receipt of a final transaction, once a certified header anchors its outcome.",
        (_ID, _WAIT_RECEIPT),
        "receipt",
        _receipt,
        roomy=True,
    ),
    Method(
        "ledger_block",
        "One block.",
        (
            Parameter("height", HEIGHT_OR_HASH, "Its height, or its header's digest."),
            _WITH_TRANSACTIONS,
        ),
        "block",
        _block,
        roomy=True,
    ),
    Method(
        "ledger_blocks",
        "Blocks of a range of heights, ends included; as many "
        "from the first on as one reply holds.",
        (_FROM, _TO, _WITH_TRANSACTIONS),
        "list of blocks",
        _blocks,
        roomy=True,
    ),
    Method(
        "ledger_transactions",
        "Transactions of one block, in its order.",
        (
            Parameter("height", HEIGHT_OR_LATEST, "Of the block."),
            Parameter("offset", HEIGHT, "Position of the first.", 0),
            Parameter("limit", HEIGHT, "How many at most.", 500),
        ),
        "{height, offset, count, transactions}",
        _transactions,
        roomy=True,
    ),
    Method(
        "ledger_search",
        "What a text names here: a height, a digest of a block or transaction, the beginning of a "
        "node's or member's name, or four or more digits of a proposal's id; at most 20 hits.",
        (Parameter("text", TEXT, "What to look for."),),
        "list of {kind, id, words, height}",
        search,
        roomy=True,
    ),
    Method(
        "ledger_header",
        "One header, with the FINALIZE certificate of its own if it has one.",
        (Parameter("height", HEIGHT_OR_LATEST, "Its height."),),
        "{header, certificate}",
        _header,
        roomy=True,
    ),
    Method(
        "ledger_consistency",
        "Proof that the history root at one height extends that at another (RFC 6962 §2.1.2).",
        (_FROM, _TO),
        "document",
        _consistency,
    ),
    Method(
        "ledger_query",
        "One sealed query; its sealed answer names height and root.",
        (Parameter("envelope", BLOB, "The sealed query."),),
        "{answer, height}",
        _query,
    ),
    Method(
        "ledger_subscribe",
        "Be told of executed blocks as `ledger_event` notifications; a "
        "slow reader is told which heights it missed. Of the votes under way, topic `consensus`: "
        "the newest alone.",
        (
            Parameter("topic", one_of(*TOPICS, latest.TOPIC), "What to be told of."),
            Parameter("from", OPTIONAL_HEIGHT, "First height; without it, the next block.", None),
        ),
        "subscription id",
        _subscribe,
        roomy=True,
    ),
    Method(
        "ledger_unsubscribe",
        "End a subscription.",
        (Parameter("id", HEIGHT, "Subscription id."),),
        "true",
        _unsubscribe,
    ),
    Method(
        "blob_missing",
        "Which of these sealed chunks of data sets and results are not stored here; they come and "
        "go by PUT and GET of /blob/NAME, lists of their names by /blobs/ROOT.",
        (Parameter("names", DIGESTS, "SHA-256 of each chunk."),),
        "list of names",
        lambda caller, names: blobs.missing(caller.chunks, names),
    ),
    *GOVERNANCE,
    Method(
        "rpc.discover", "This table, as an OpenRPC document.", (), "document", _discover, roomy=True
    ),
)
METHODS = {method.name: method for method in _TABLE}
