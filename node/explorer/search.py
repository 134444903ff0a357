"""Finding what a few words or digits name: a block, a transaction, a node, a member, a proposal, a
grant, an epoch, a region.

Owns where each is looked for, and the bound of it: whole ids in the ledger, beginnings of ids in
the newest blocks. What is found says how to look at it.
"""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from strongroom.node.client.errors import NotTrusted
from strongroom.node.explorer.source import Source
from strongroom.node.faults import NotFound, NotReady, RpcFault

BLOCKS_LOOKED_AT = 100
BEGINNING_MIN = 4
"""Digits of an id's beginning."""
FOUND_MAX = 100
_HEX = re.compile(r"[0-9a-f]+")
_PLACE = re.compile(r"(\d{1,18})/(\d{1,9})")
Found = dict[str, Any]


async def search(source: Source, text: str) -> list[Found]:
    """All that this text names, at most `FOUND_MAX`: {kind, id, words, command}.

    Raises:
        NotTrusted: the node shows other blocks than those it is asked for.
    """
    wanted = text.strip()
    found: list[Found] = []
    if not wanted:
        return found
    async for one in _found(source, wanted):
        if one not in found:
            found.append(one)
        if len(found) == FOUND_MAX:
            break
    return found


async def _found(source: Source, wanted: str) -> AsyncIterator[Found]:
    for look in (_block_at, _at_place, _by_digits, _named):
        for one in await look(source, wanted):
            yield one


async def _by_digits(source: Source, wanted: str) -> list[Found]:
    digits = wanted.lower().removeprefix("0x")
    if not _HEX.fullmatch(digits) or not BEGINNING_MIN <= len(digits) <= 64:
        return []
    look = _whole_id if len(digits) == 64 else _beginning
    found: list[Found] = []
    async for one in look(source, digits):
        found.append(one)
        if len(found) == FOUND_MAX:
            break
    return found


async def _block_at(source: Source, wanted: str) -> list[Found]:
    if wanted != "latest" and not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
        return []
    newest = int((await source.ask("node_status"))["height"])
    height = newest if wanted == "latest" else int(wanted)
    if not 0 < height <= newest:
        return []
    return [_block(await source.ask("ledger_block", height=height, transactions=False))]


async def _at_place(source: Source, wanted: str) -> list[Found]:
    place = _PLACE.fullmatch(wanted)
    if place is None:
        return []
    height, index = int(place[1]), int(place[2])
    try:
        page = await source.ask("ledger_transactions", height=height, offset=index, limit=1)
    except RpcFault:
        return []
    return [_transaction(row, height) for row in page["transactions"]]


async def _whole_id(source: Source, digits: str) -> AsyncIterator[Found]:
    with suppress(NotFound):
        yield _block(await source.ask("ledger_block", height=digits, transactions=False))
    known = await source.ask("ledger_transaction", id=digits)
    if known["status"] == "final":
        words = f"{known['refusal'] or 'executed'} at height {known['height']}"
        yield _told("transaction", digits, words, f"explorer tx {digits}")
    elif known["status"] == "pending":
        yield _told("transaction", digits, "waits for a block", f"explorer tx {digits}")


async def _beginning(source: Source, digits: str) -> AsyncIterator[Found]:
    newest = int((await source.ask("node_status"))["height"])
    first = max(1, newest - BLOCKS_LOOKED_AT + 1)
    while first <= newest:
        blocks = await source.ask("ledger_blocks", **{"from": first, "to": newest})
        for height, block in enumerate(blocks, first):
            if height > newest or block["height"] != height:
                raise NotTrusted(
                    "answer", f"the node shows other blocks than {first} to {newest}: ask another"
                )
            if block["hash"].startswith(digits):
                yield _block(block)
            for row in block["transactions"]:
                if row["id"].startswith(digits):
                    yield _transaction(row, block["height"])
        if not blocks:
            return
        first += len(blocks)


async def _named(source: Source, wanted: str) -> list[Found]:
    """Nodes, members, regions, proposals, grants and epochs that have this in their names or
    keys."""
    wanted = wanted.lower()
    found: list[Found] = []
    for node in await source.ask("service_nodes"):
        if _matches(wanted, node["name"], node.get("node_key"), node.get("operator")):
            words = f"{node.get('verdict')}; operator {node.get('operator')}"
            found.append(_told("node", node["name"], words, "explorer nodes"))
    for member in await source.ask("service_members"):
        identities = [role["identity"] for role in member["roles"]]
        if _matches(wanted, member["name"], member["public"], *identities):
            found.append(
                _told("member", member["name"], f"key {member['public']}", "explorer members")
            )
    for one in await source.ask("governance_proposals"):
        if _matches(wanted, one["id"], one["digest"], one["change"]):
            words = f"{one['change']}: {one['status']}"
            found.append(_told("proposal", one["id"], words, f"gov show {one['id']}"))
    return [*found, *await _granted(source, wanted), *await _placed(source, wanted)]


async def _granted(source: Source, wanted: str) -> list[Found]:
    try:
        grants = (await source.ask("governance_access"))["grants"]
    except NotReady:
        return []
    return [
        _told(
            "grant", one["id"], f"{one['status']}: {one['reason']}", f"explorer grants {one['id']}"
        )
        for one in grants
        if _matches(wanted, one["id"], one.get("operator"))
    ]


async def _placed(source: Source, wanted: str) -> list[Found]:
    policy = await source.ask("service_policy")
    regions = {*policy.get("regions", ()), *(one["region"] for one in policy.get("countries", ()))}
    found = [
        _told("region", one, "a region that members know", "explorer regions")
        for one in sorted(regions)
        if _matches(wanted, one)
    ]
    word, _, number = wanted.partition(" ")
    if word == "epoch" and number.isascii() and number.isdigit() and len(number) < 10:
        for one in await source.ask("service_epochs", **{"from": int(number)}):
            if one["epoch"] == int(number):
                words = f"began after block {one['height']}: {one['reason'] or 'genesis'}"
                found.append(_told("epoch", number, words, "explorer epochs"))
    return found


def _matches(wanted: str, *values: Any) -> bool:
    return any(_is_named(wanted, value) for value in values)


def _is_named(wanted: str, value: Any) -> bool:
    """A whole name without regard to case; an id also by its beginning."""
    if type(value) is not str:
        return False
    text = value.lower().removeprefix("id:")
    if text == wanted.removeprefix("id:"):
        return True
    is_id = len(text) >= 32 and _HEX.fullmatch(text) is not None
    return is_id and len(wanted) >= BEGINNING_MIN and text.startswith(wanted)


def _block(block: dict[str, Any]) -> Found:
    words = f"height {block['height']}, {block['count']} transactions, by {block['proposer']}"
    return _told("block", block["hash"], words, f"explorer block {block['height']}")


def _transaction(row: dict[str, Any], height: int) -> Found:
    words = f"{row['kind']}, {row['status']} at height {height}, index {row['index']}"
    return _told("transaction", row["id"], words, f"explorer tx {row['id']}")


def _told(kind: str, id: str, words: str, command: str) -> Found:
    return {"kind": kind, "id": id, "words": words, "command": f"strongroom {command}"}
