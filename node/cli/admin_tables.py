"""How grants, events and alarms of privileged access look in a terminal."""

from typing import Any

from strongroom.node.cli.explorer_tables import SHORT, time_text
from strongroom.node.terminal.tables import facts, or_dash, paragraph, table


def show_access(document: dict[str, Any]) -> None:
    """All grants, a row each, newest last; events; alarms."""
    rows = [
        [
            one["id"][:SHORT],
            one["status"],
            one["kind"],
            one["operator"],
            ", ".join(one["operations"]),
            or_dash(", ".join(one["nodes"])),
            f"{len(one['approvals'])} of {one['needed']}",
        ]
        for one in document["grants"]
    ]
    names = ("grant", "status", "kind", "for", "operations", "nodes", "yes")
    table(names, rows)
    if document["events"]:
        table(
            ("event", "of", "time", "height", "what"),
            [
                [
                    one["kind"],
                    one["subject"],
                    time_text(one["time_ms"]),
                    str(one["height"]),
                    one["words"],
                ]
                for one in document["events"]
            ],
        )
    upgrades = "under a grant alone" if document["upgrades_need_grants"] else "without a grant too"
    needed = document["approvals_needed"]
    paragraph(f"approvals needed: {needed}, of other operators; other code comes in {upgrades}")
    if document["regions"]:
        paragraph(f"who begins must be in {', '.join(document['regions'])}")
    show_alarms(document["alarms"])


def show_alarms(alarms: list[dict[str, Any]]) -> None:
    """A line per alarm that stands."""
    for one in alarms:
        paragraph(f"ALARM {one['kind']} {one['subject']}: {one['words']}")


def show_grant(grant: dict[str, Any]) -> None:
    """One grant whole."""

    def words(name: str) -> list[tuple[str, str]]:
        return [(f"  {one['member']}", time_text(one["time_ms"])) for one in grant[name]]

    def when(name: str) -> str:
        return "-" if grant[name] is None else time_text(grant[name])

    rows = [
        ("grant", grant["id"]),
        ("digest", grant["digest"].hex()),
        ("status", grant["status"]),
        ("kind", grant["kind"]),
        ("asked by", f"{grant['asker'].hex()} for {grant['operator']}"),
        ("operations", ", ".join(grant["operations"])),
        ("nodes", or_dash(", ".join(grant["nodes"]))),
        ("reason", grant["reason"]),
        ("asked", time_text(grant["asked_ms"])),
        ("claim by", time_text(grant["claim_by_ms"])),
        ("lasts", f"{grant['duration_ms'] / 60_000:g} min from its first begin"),
        ("until", when("until_ms")),
        ("approvals", f"{len(grant['approvals'])} of {grant['needed']}"),
        *words("approvals"),
        *([("denials", ""), *words("denials")] if grant["denials"] else []),
        *([("revocations", ""), *words("revocations")] if grant["revocations"] else []),
    ]
    if grant["kind"] == "emergency":
        rows += [
            ("reviews", f"{len(grant['reviews'])} of {grant['reviews_needed']}"),
            *words("reviews"),
            ("review by", when("review_by_ms")),
        ]
    for one in grant["begins"]:
        rows += _begun(one)
    facts(rows)


def _begun(one: dict[str, Any]) -> list[tuple[str, str]]:
    place = f" at {one['node']}" if one["node"] else ""
    rows = [("begun", f"{one['operation']}{place}, {time_text(one['begun_ms'])}")]
    acted = "not yet" if one["acted_ms"] is None else time_text(one["acted_ms"])
    rows.append(("  acted", acted))
    if one["uses"]:
        rows.append(("  used by", f"{one['uses']} transactions"))
    if one["finished_ms"] is not None:
        rows.append(("  finished", f"{time_text(one['finished_ms'])}: {one['outcome']}"))
    elif one["unreported"]:
        rows.append(("  finished", "UNREPORTED"))
    return rows
