"""`ledger_search`: what a few characters name in this service.

Owns where it looks: heights, digests, names. It asks the index and what is in memory; only whether
a digest is a transaction's may a block have to tell, which is read where all reading is done.
"""

from collections.abc import Iterator
from functools import partial

from strongroom.consensus.types import TransactionId
from strongroom.node.faults import NotFound, RpcFault
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.parameters import HEIGHT_MAX
from strongroom.node.rpc.room import Room

HITS_MAX = 20
_DIGEST_DIGITS = 64
PROPOSAL_DIGITS_MIN = 4
"""Digits of an id that name it: fewer are a height, and begin some id by chance."""


async def search(caller: Caller, room: Room, text: str) -> list[Document]:
    """At most `HITS_MAX` hits, exact ones first.

    Raises:
        Overloaded: too many read, or this address has read too much.
    """
    word = text.strip().lower()
    hits = list(_heights(caller, word))
    if len(word) == _DIGEST_DIGITS and set(word) <= set("0123456789abcdef"):
        hits += await _digests(caller, room, word)
    return [*hits, *_names(caller, word)][:HITS_MAX]


def _heights(caller: Caller, word: str) -> Iterator[Document]:
    backend = caller.backend
    if word == "latest" and backend.newest_block:
        newest = backend.newest_block
        yield _hit("block", str(newest), "the newest final block", newest)
    is_height = word.isascii() and word.isdigit() and len(word) <= len(str(HEIGHT_MAX))
    if is_height and 0 < int(word) <= backend.newest_block:
        yield _hit("block", str(int(word)), f"block {int(word)}", int(word))


async def _digests(caller: Caller, room: Room, word: str) -> list[Document]:
    backend, digest, hits = caller.backend, bytes.fromhex(word), list[Document]()
    try:
        backend.block_reading(digest, transactions=False)
        hits.append(_hit("block", word, "a block's header has this digest"))
    except NotFound:
        pass
    look = partial(backend.status_reading, TransactionId(digest))
    status = await caller.library.told(room, caller.payer, look)
    if status is not None:
        hits.append(_hit("transaction", word, f"a {status} transaction"))
    return hits


def _names(caller: Caller, word: str) -> Iterator[Document]:
    backend = caller.backend
    if not word:
        return
    for node in backend.service_nodes():
        if str(node["name"]).lower().startswith(word):
            yield _hit("node", str(node["name"]), f"a node, {node['status']}")
    for member in backend.service_members():
        if str(member["name"]).lower().startswith(word):
            yield _hit("member", str(member["name"]), "a member")
    if len(word) < PROPOSAL_DIGITS_MIN:
        return
    try:
        proposals = backend.proposals()
    except RpcFault:
        return
    for proposal in proposals:
        if str(proposal["id"]).startswith(word):
            yield _hit(
                "proposal", str(proposal["id"]), f"{proposal['change']}, {proposal['status']}"
            )


def _hit(kind: str, id: str, words: str, height: int | None = None) -> Document:
    return {"kind": kind, "id": id, "words": words, "height": height}
