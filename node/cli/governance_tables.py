"""How epochs, members, nodes, regions and proposals look in a terminal."""

import json
from collections.abc import Sequence
from typing import Any

from strongroom.node.cli.explorer_tables import SHORT, cut, time_text
from strongroom.node.terminal.printing import note
from strongroom.node.terminal.tables import facts, or_dash, table


def show_epochs(epochs: Sequence[dict[str, Any]]) -> None:
    """A row per epoch."""
    rows = [
        [
            str(one["epoch"]),
            or_dash(one.get("reason")),
            str(one["height"]),
            "-" if one.get("time_ms") is None else time_text(one["time_ms"]),
            str(len(one["members"])),
            str(one["quorum"]),
            one["key_digest"][:SHORT],
        ]
        for one in epochs
    ]
    table(
        ("epoch", "began by", "after block", "time", "validators", "quorum", "key digest"),
        rows,
        drop=("key digest",),
    )


def show_members(members: Sequence[dict[str, Any]]) -> None:
    """A row per member."""
    rows = [
        [
            one["name"],
            one["public"],
            "1" if one.get("weight", 1) else "0, only watches",
            ", ".join(f"{role['program']}/{role['role']}" for role in one["roles"]) or "-",
        ]
        for one in members
    ]
    table(("member", "public key", "weight", "roles"), rows)


def show_nodes(nodes: Sequence[dict[str, Any]]) -> None:
    """A row per node of the registry."""
    names = (
        "index",
        "name",
        "status",
        "operator",
        "region",
        "verdict",
        "offence",
        "boot",
        "height",
        "executes",
        "view",
        "endpoint",
    )
    table(
        names,
        [[_seen(node, name) for name in names] for node in nodes],
        drop=("endpoint", "boot", "index", "executes", "view", "offence", "operator"),
    )


def show_regions(regions: Sequence[dict[str, Any]]) -> None:
    """A row per region."""
    rows = [
        [
            one["region"],
            or_dash(one["country"]),
            "-" if one["basis"] is None else f"{one['basis']}: its operator's word",
            "allowed" if one["nodes_allowed"] else "not allowed",
            ", ".join(one["nodes"]) or "-",
        ]
        for one in regions
    ]
    table(("region", "country", "basis", "nodes", "here now"), rows)


def show_region_rules(rules: Sequence[dict[str, Any]]) -> None:
    """A row per rule."""
    if not rules:
        note("no rule: people call from everywhere. `strongroom gov propose set_program_regions`")
        return
    rows = [
        [
            one["program"],
            ", ".join(one["places"]),
            ", ".join(one["regions"]) or "none: nobody calls",
            ", ".join(one["issuers"]) or "nobody: nobody calls",
        ]
        for one in rules
    ]
    table(("program", "rule", "regions", "of which speak"), rows)


def show_proposals(proposals: Sequence[dict[str, Any]]) -> None:
    """A row per proposal."""
    rows = [
        [
            one["id"],
            one["status"],
            f"{one['yes']} yes, {one['no']} no",
            "-" if one["missing"] is None else f"{one['missing']} of {one['needed']}",
            "-" if one["expires_ms"] is None else time_text(one["expires_ms"]),
            one["proposer"],
            one["change"],
            cut("; ".join(_arguments(part["arguments"]) for part in one["changes"])),
        ]
        for one in proposals
    ]
    names = ("id", "status", "ballots", "yes missing", "expires", "proposer", "change", "arguments")
    table(names, rows, drop=("expires", "proposer"))


def show_proposal(proposal: dict[str, Any]) -> None:
    """One proposal, every ballot."""
    activates, expires = proposal["activates_ms"], proposal["expires_ms"]
    missing = "-"
    if proposal["missing"] is not None:
        missing = f"{proposal['missing']} of {proposal['needed']}"
    facts(
        [
            ("id", proposal["id"]),
            ("digest", _hex(proposal["digest"])),
            *(
                line
                for one in proposal["changes"]
                for line in (
                    ("change", one["change"]),
                    *((f"  {name}", _hex(value)) for name, value in one["arguments"].items()),
                )
            ),
            ("status", proposal["status"] + (f" ({proposal['note']})" if proposal["note"] else "")),
            ("proposer", proposal["proposer"]),
            ("proposed", time_text(proposal["proposed_ms"])),
            ("yes missing", missing),
            ("expires", "-" if expires is None else time_text(expires)),
            ("takes effect", "-" if activates is None else time_text(activates)),
            *((f"  {one['member']}", "yes" if one["yes"] else "no") for one in proposal["ballots"]),
        ]
    )


def _seen(node: dict[str, Any], name: str) -> str:
    """A cell; what was once found of a node that is away is said to be of the past."""
    value = node.get(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = or_dash(value)
    return (
        f"{text}, not connected" if name == "verdict" and node.get("connected") is False else text
    )


def _arguments(arguments: dict[str, Any]) -> str:
    return " ".join(f"{name}={_hex(value)}" for name, value in arguments.items())


def _hex(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) else json.dumps(value, default=bytes.hex)
