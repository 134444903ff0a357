"""How keys, leases and records look in a terminal.

Owns words and columns; every text in them is from elsewhere and is shown escaped.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from strongroom.node.cli.explorer_tables import time_text
from strongroom.node.terminal.printing import note, say
from strongroom.node.terminal.tables import facts, paragraph, table

if TYPE_CHECKING:
    from strongroom.node.vault.watching import News

_TERMS = (
    "custody",
    "custodian",
    "quantity",
    "pieces",
    "allotment",
    "window_from_ms",
    "window_until_ms",
    "heartbeat_ms",
    "lease_ms",
    "delay_ms",
    "threshold",
    "approvers",
)
_RECORD = ("number", "height", "time", "what", "lease", "amount", "refused to", "detail")
_WHO_SHOWN = 19
"""Characters of an identity, `id:` too."""


def show_keys(keys: Sequence[dict[str, Any]]) -> None:
    """A row per key."""
    if not keys:
        note("no key that you may read: make one with `strongroom vault new NAME --policy FILE`")
        return
    rows = [
        [
            one["key"],
            str(one["version"]),
            one["state"],
            one["custody"],
            _units(one),
            str(one["leases"]),
            one["owner"],
        ]
        for one in keys
    ]
    table(("key", "version", "state", "custody", "units", "leases", "owner"), rows)


def show_key(key: dict[str, Any]) -> None:
    """One key with all that may be known of it."""
    terms = key["terms"]
    facts(
        [
            ("key", f"{key['key']}@{key['version']} of {key['owner']}"),
            ("state", key["state"] + ("" if key["approved"] else ", its approvers are asked")),
            ("units", _units({**key, "quantity": terms["quantity"]})),
            *((name.removesuffix("_ms"), _term(name, terms[name])) for name in _TERMS),
            ("policy", terms["policy"]),
        ]
    )
    rows = [
        [str(one["version"]), one["state"], _until(one["until_ms"]), one["digest"].hex() or "-"]
        for one in key["versions"]
    ]
    table(("version", "state", "opens until", "container"), rows)
    rooms = [room["room"] for room in key["frozen"]]
    for room in key["frozen"]:
        boots = " and ".join(f"boot {one['boot']} ({one['session']})" for one in room["boots"])
        paragraph(f"frozen: {boots} of room {room['room']}; say which is yours with")
        only = f" --machine {room['machine']}" if rooms.count(room["room"]) > 1 else ""
        say(f"  strongroom vault resolve {key['key']} --room {room['room']} --keep BOOT{only}")
    waits = key["pending"]
    if waits is not None:
        when = f"in force from {time_text(waits['ready_ms'])}" if waits["ready_ms"] else "waits"
        paragraph(
            f"change {waits['change'].hex()} {when}; {len(waits['approvals'])} have consented"
        )
        for name in ("policy", *_TERMS):
            if waits["terms"][name] != terms[name]:
                paragraph(f"  {name.removesuffix('_ms')}: {_term(name, waits['terms'][name])}")


def show_leases(leases: Sequence[dict[str, Any]]) -> None:
    """A row per lease."""
    if not leases:
        note("no lease yet")
        return
    rows = [
        [
            one["lease"].hex(),
            f"{one['key']}@{one['version']}",
            one["state"],
            one["room"],
            str(one["boot"]),
            f"{one['used']} of {one['reserved']}",
            str(one["pieces_given"]),
            _until(one["until_ms"]),
        ]
        for one in leases
    ]
    table(("lease", "key", "state", "room", "boot", "units used", "pieces", "until"), rows)


def show_lease(lease: dict[str, Any]) -> None:
    """One lease and its bounds."""
    facts(
        [
            ("lease", lease["lease"].hex()),
            ("key", f"{lease['key']}@{lease['version']} of {lease['owner']}"),
            ("state", lease["state"]),
            ("room", f"{lease['room']}, boot {lease['boot']}, session {lease['session']}"),
            ("chip", lease["chip"]),
            ("opened", time_text(lease["opened_ms"])),
            ("until", _until(lease["until_ms"])),
            ("last beat", f"{lease['beat']}, {time_text(lease['beat_ms'])}"),
            ("evidence", time_text(lease["evidence_ms"])),
            ("units", f"{lease['used']} used, {lease['reserved']} reserved"),
            ("pieces", f"{lease['pieces_given']} given"),
        ]
    )
    bounds = lease["bounds"]
    say("if the key is revoked now:")
    pieces = bounds["pieces_after_revocation"]
    say(f"  the ledger gives {pieces} further pieces, from the next block")
    say(f"  an honest room that is connected stops within {_seconds(bounds['connected_ms'])}")
    say(f"  one that is cut off, within {_seconds(bounds['cut_off_ms'])},")
    say(f"  and after {bounds['units']} more units at most")
    say(f"  a broken room keeps the {lease['pieces_given']} pieces that it has")


def show_custodians(custodians: Sequence[dict[str, Any]]) -> None:
    """A row per custodian, and one more for each further key that hangs on it."""
    if not custodians:
        note("no custodian has announced itself, and no key that you may read names one")
        return
    rows = []
    for one in custodians:
        away = "away" if one["endpoint"] == "" else "not announced"
        released = "-" if one["released_ms"] is None else time_text(one["released_ms"])
        for key in one["keys"] or [None]:
            name = "-" if key is None else f"{key['key']}@{key['version']}"
            state = "-" if key is None else f"{key['state']}, {key['custody']}"
            whose = one["customer"] or "-"
            rows.append([one["custodian"], whose, one["endpoint"] or away, name, state, released])
    table(("custodian", "customer", "asked at", "key", "state", "released last"), rows)


def show_records(document: dict[str, Any]) -> None:
    """A row per record."""
    rows = [
        [
            str(one["number"]),
            str(one["height"]),
            time_text(one["time_ms"]),
            one["what"],
            one["lease"].hex() or "-",
            str(one["amount"]),
            one["who"][:_WHO_SHOWN] or "-",
            one["detail"],
        ]
        for one in document["records"]
    ]
    table(_RECORD, rows)
    note(f"{document['total']} records in all, chain {document['head'].hex()}")


def show_news(news: "News") -> None:
    """One line."""
    when = time_text(news.time_ms) if news.time_ms else "now"
    parts = [when, news.key, f"REFUSED {news.what}" if news.refused else news.what]
    if news.lease:
        parts.append(f"lease {news.lease.hex()}")
    if news.amount:
        parts.append(str(news.amount))
    if news.detail:
        parts.append(news.detail)
    say("  ".join(parts))


def _units(key: dict[str, Any]) -> str:
    limit = f" of {key['quantity']}" if key["quantity"] else ""
    return f"{key['used']} used, {key['reserved']}{limit} reserved"


def _until(time_ms: int) -> str:
    return time_text(time_ms) if time_ms else "-"


def _term(name: str, value: Any) -> str:
    if name.startswith("window"):
        return time_text(value) if value else "open"
    if name.endswith("_ms"):
        return _seconds(value)
    if isinstance(value, list):
        return ", ".join(value) or "-"
    if name in ("quantity", "pieces") and not value:
        return "no limit" if name == "quantity" else "given whole"
    return str(value) or "-"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:g} s"
