"""How recovery looks in a terminal: who holds shares, what is missing, what is wrong."""

from typing import Any

from strongroom.node.cli.explorer_tables import SHORT, time_text
from strongroom.node.terminal.printing import warn
from strongroom.node.terminal.tables import facts, or_dash, paragraph, table


def show_recovery(document: dict[str, Any]) -> None:
    """Members, generations, alarms, and what would come of it now."""
    members, threshold = document["members"], document["threshold"]
    facts(
        [
            ("threshold", f"{threshold} of {len(members)} members" if threshold else "off"),
            ("epoch", document["epoch"]),
        ]
    )
    rows = [[one["member"], _key(one), *_said(document, one["member"])] for one in members]
    table(("member", "recovery key", "share of the active", "of the next"), rows)
    if document["generations"]:
        table(
            ("generation", "state", "made by", "time", "opens with", "checked by", "epochs"),
            [_row(one) for one in document["generations"]],
        )
    for alarm in document["alarms"]:
        warn(f"{alarm['word']}: {alarm['means']}")
    paragraph(document["now"])


def _key(member: dict[str, Any]) -> str:
    key = member["recovery_key"]
    return or_dash(key and key[:SHORT] + (" (half in a token)" if member["in_token"] else ""))


def _said(document: dict[str, Any], member: str) -> list[str]:
    """Of the active generation, and of the one that would follow it."""
    found = {True: "-", False: "-"}
    for one in document["generations"]:
        for word, names in (("holds it", "held"), ("WRONG", "bad"), ("not checked", "missing")):
            if member in one[names]:
                found[one["active"]] = word
    return [found[True], found[False]]


def _row(one: dict[str, Any]) -> list[str]:
    state = "active" if one["active"] else f"held by {len(one['held'])} of {one['needed']}"
    return [
        str(one["number"]),
        state if one["current"] else f"{state}, out of date",
        one["maker"],
        time_text(one["time_ms"]),
        f"{one['threshold']} shares",
        f"{one['checks']} nodes ({one['checks_needed']} needed)",
        f"{one['epochs'][0]} to {one['epochs'][1]}",
    ]
