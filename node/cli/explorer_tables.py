"""How the explorer's documents look in a terminal."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from strongroom.node.terminal.tables import columns, facts, or_dash, paragraph, table

SHORT = 12
"""Digits of a digest that a table shows."""
WHOLE_TIMES = 100
"""Columns from which on a list of blocks has the date in each row."""


def show_status(document: dict[str, Any]) -> None:
    """The service, and a row per endpoint."""
    simulated = "  SIMULATED platform" if document["simulated"] else ""
    facts(
        [
            ("service", f"{document['name'] or '?'}{simulated}"),
            ("pin", document["service"]),
            (
                "height",
                f"{or_dash(document['height'])} final, {or_dash(document['executed'])} executed",
            ),
            ("epoch", or_dash(document["epoch"])),
            (
                "executing",
                f"{document['executing']} of {or_dash(document['members'])} replicas,"
                f" {or_dash(document['quorum'])} needed",
            ),
            *_archived(document["nodes"]),
            *([("alarm", document["alarm"])] if document["alarm"] else []),
            *(
                ("ALARM", f"{one['kind']} {one['subject']}: {one['words']}")
                for one in document.get("alarms", [])
            ),
        ]
    )
    names = ("node", "state", "height", "executed", "view", "leader", "peers", "endpoint")
    table(
        names,
        [[or_dash(node.get(name)) for name in names] for node in document["nodes"]],
        drop=("peers", "view", "executed", "leader"),
    )


def _archived(nodes: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """How much of the ledger is in archives alone, at nodes that have one."""
    having = [(node["node"], node["archived"]) for node in nodes if node.get("archived")]
    told = [
        f"{name} {one['segments']} segments up to height {one['height']}"
        for name, one in having
        if one["segments"]
    ]
    return [("archived", ", ".join(told))] if told else []


def show_blocks(blocks: Sequence[dict[str, Any]]) -> None:
    """A row per block; where the terminal is narrow and they are of one day, that day above."""
    days = {time_text(block["time_ms"])[:10] for block in blocks}
    short = len(days) == 1 and columns() < WHOLE_TIMES
    rows = [
        [
            str(block["height"]),
            time_text(block["time_ms"])[11 if short else 0 :],
            block["proposer"],
            str(block["view"]),
            str(block["count"]),
            str(block["bytes"]),
            str(block["anchor"]["height"]),
            _signers(block["certificate"]),
            block["hash"][:SHORT],
        ]
        for block in blocks
    ]
    table(
        ("height", "time", "by", "view", "txs", "bytes", "anchors", "signed", "hash"),
        rows,
        title=f"{days.pop()} UTC" if short else "",
        drop=("anchors", "bytes", "view"),
    )


def show_block(block: dict[str, Any]) -> None:
    """One block, its batches and its transactions."""
    anchor = block["anchor"]
    facts(
        [
            ("height", f"{block['height']} (epoch {block['epoch']}, view {block['view']})"),
            ("hash", block["hash"]),
            ("parent", block["parent"]),
            ("time", time_text(block["time_ms"])),
            ("proposer", block["proposer"]),
            ("anchors", f"height {anchor['height']}, history root {anchor['root']}"),
            ("outcome root", or_dash(block["outcome_root"])),
            ("certificate", _signers(block["certificate"])),
        ]
    )
    names = ("lane", "sequence", "count", "size", "digest")
    table(
        names,
        [[str(batch[name]) for name in names] for batch in block["batches"]],
        title="batches",
    )
    rows = [
        [
            str(one["index"]),
            one["id"],
            one["kind"],
            str(one["size"]),
            one["status"],
            _opened(one.get("opened")),
        ]
        for one in block["transactions"]
    ]
    table(("index", "id", "kind", "bytes", "status", "opened"), rows, title="transactions")


def show_found(found: Sequence[dict[str, Any]]) -> None:
    """What a search found: two lines each."""
    for one in found:
        paragraph(f"{one['kind']} {one['id']}")
        paragraph(f"  {one['words']}")
        paragraph(f"  {one['command']}")


def show_verdict(document: dict[str, Any]) -> None:
    """A verdict and why."""
    paragraph(f"{document['verdict']}: {document['reason']}")


def show_transaction(document: dict[str, Any]) -> None:
    """One transaction as anyone sees it, and opened if it may be."""
    pairs = [("id", document["id"]), ("status", document["status"])]
    if document["status"] == "final":
        pairs += [
            ("place", f"height {document['height']}, index {document['index']}"),
            ("outcome", document.get("refusal") or "executed"),
            ("sealed result", cut(document.get("result") or "none")),
        ]
        pairs += [
            (f"envelope {name}", cut(str(value)))
            for name, value in (document.get("envelope") or {}).items()
        ]
    if document.get("opened"):
        pairs.append(("opened", _opened(document["opened"])))
    facts(pairs)


def time_text(milliseconds: int) -> str:
    """Unix milliseconds as a time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(
        sep=" ", timespec="milliseconds"
    )[:-6]


def _signers(certificate: dict[str, Any] | None) -> str:
    if certificate is None:
        return "by a later block"
    if "recovered_at" in certificate:
        names = ", ".join(certificate["members"])
        return f"recovered at {certificate['recovered_at']} by {names}"
    return " ".join(certificate["signers"])


def _opened(opened: dict[str, Any] | None) -> str:
    if opened is None:
        return ""
    return json.dumps(
        opened["result"] if opened["ok"] else opened["error"], ensure_ascii=False, default=bytes.hex
    )


def cut(text: str) -> str:
    """The beginning of a long text, and how long it is."""
    return text if len(text) <= 4 * SHORT else f"{text[: 4 * SHORT]}… ({len(text)} characters)"
