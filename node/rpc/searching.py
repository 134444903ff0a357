"""`ledger_search`: what a few characters name in this service.

Owns where it looks: heights, digests, names. It asks the index and what is in memory; no block is
read for it.
"""

from collections.abc import Iterator

from strongroom.consensus.types import TransactionId
from strongroom.node.faults import NotFound, RpcFault
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.parameters import HEIGHT_MAX

HITS_MAX = 20
_DIGEST_DIGITS = 64
PROPOSAL_DIGITS_MIN = 4
"""Digits of an id that name it: fewer are a height, and begin some id by chance."""


def search(caller: Caller, text: str) -> list[Document]:
    """At most `HITS_MAX` hits, exact ones first."""
    word = text.strip().lower()
    hits: list[Document] = []
    for hit in (*_places(caller, word), *_names(caller, word)):
        if len(hits) == HITS_MAX:
            break
        hits.append(hit)
    return hits


def _places(caller: Caller, word: str) -> Iterator[Document]:
    backend = caller.backend
    if word == "latest" and backend.newest_block:
        newest = backend.newest_block
        yield _hit("block", str(newest), "the newest final block", newest)
    is_height = word.isascii() and word.isdigit() and len(word) <= len(str(HEIGHT_MAX))
    if is_height and 0 < int(word) <= backend.newest_block:
        yield _hit("block", str(int(word)), f"block {int(word)}", int(word))
    if len(word) == _DIGEST_DIGITS and set(word) <= set("0123456789abcdef"):
        digest = bytes.fromhex(word)
        try:
            backend.block_reading(digest, transactions=False)
            yield _hit("block", word, "a block's header has this digest")
        except NotFound:
            pass
        status = backend.transaction_status(TransactionId(digest))
        if status is not None:
            yield _hit("transaction", word, f"a {status} transaction")


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
