"""How clean rooms, contracts and jobs look in a terminal.

Owns words and columns; every text in them is from elsewhere and is shown escaped.
"""

from collections.abc import Sequence
from typing import Any

from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.enclave.programs.framework import digest_text
from strongroom.node.cli.explorer_tables import time_text
from strongroom.node.terminal.printing import note, say
from strongroom.node.terminal.tables import facts, paragraph, table


def show_rooms(rooms: Sequence[dict[str, Any]]) -> None:
    """A row per clean room."""
    if not rooms:
        note("no clean room names you: make one with `strongroom rooms create FILE`")
        return
    rows = [
        [
            one["room"].hex(),
            one["name"],
            one["state"],
            "yes" if one["joined"] else "no",
            str(one["contracts"]),
            str(one["jobs"]),
        ]
        for one in rooms
    ]
    table(("room", "name", "state", "joined", "contracts", "jobs"), rows)


def show_room(room: dict[str, Any]) -> None:
    """One clean room, its terms and parties."""
    terms = RoomTerms.decode(room["terms"])
    consent = "every owner of an input"
    if terms.votes:
        consent += f", {terms.votes} other parties"
    if terms.regulator:
        consent += f", the regulator {digest_text(terms.regulator)}"
    facts(
        [
            ("room", room["room"].hex()),
            ("name", terms.name),
            ("purpose", terms.purpose or "-"),
            ("state", room["state"]),
            ("consent", consent),
            ("regions", ", ".join(terms.regions) or "none: no job runs"),
            ("people from", ", ".join(terms.people_from) or "everywhere"),
            ("executors", f"{terms.agreement} of {terms.executors} operators must agree"),
            ("contracts", room["contracts"]),
            ("jobs", room["jobs"]),
        ]
    )
    rows = [
        [one["party"], ", ".join(one["roles"]), "yes" if one["joined"] else "not yet"]
        for one in room["members"]
    ]
    table(("party", "roles", "joined"), rows)


def show_contracts(contracts: Sequence[dict[str, Any]]) -> None:
    """A row per contract."""
    if not contracts:
        note("no contract yet: `strongroom rooms propose ROOM FILE`")
        return
    rows = [
        [
            one["contract"].hex(),
            one["name"],
            one["profile"],
            one["state"],
            str(one["votes"]),
            f"{one['runs']} of {one['runs_max']}",
        ]
        for one in contracts
    ]
    table(("contract", "name", "profile", "state", "consents", "runs"), rows)


def described(read: Contract) -> dict[str, Any]:
    """All that a contract says, for people and programs."""
    return {
        "inputs": [_fields_of(one) for one in read.inputs],
        "stages": [_fields_of(one) | {"program": one.program} for one in read.stages],
        "outputs": [_fields_of(one) for one in read.outputs],
        "parameters": [_fields_of(one) for one in read.parameters],
        "memory_mb": read.memory_mb,
        "duration_ms": read.duration_ms,
        "digits": read.digits,
        "executors": read.executors,
        "agreement": read.agreement,
    }


def show_contract(contract: dict[str, Any]) -> None:
    """One contract whole, its program's text included."""
    agreed = f"{contract['votes']} consent" + (", more needed" if contract["needs_more"] else "")
    facts(
        [
            ("contract", contract["contract"].hex()),
            ("name", contract["name"]),
            ("purpose", contract["purpose"]),
            ("profile", contract["profile"]),
            ("state", f"{contract['state']} ({agreed})"),
            ("runs", f"{contract['runs']} of {contract['runs_max']}"),
            ("until", time_text(contract["until_ms"]) if contract["until_ms"] < 2**50 else "open"),
            ("executors", f"{contract['agreement']} of {contract['executors']} must agree"),
            ("limits", f"{contract['memory_mb']} MB, {contract['duration_ms'] / 1000:g} s"),
        ]
    )
    rows = [
        [one["alias"], one["owner"], one["data"], one["version"] or "newest", one["epsilon"]]
        for one in contract["inputs"]
    ]
    table(("input", "owner", "data set", "version", "epsilon/10⁶"), rows)
    rows = [
        [
            one["name"],
            one["kind"],
            ", ".join(one["recipients"]) or "nobody",
            str(one["bytes_max"]),
            one["filter_alias"] or "-",
            str(one["releases"]),
            ", ".join(f"{name} {kind}" for name, kind in one["columns"]) or "-",
        ]
        for one in contract["outputs"]
    ]
    table(
        ("output", "kind", "recipients", "bytes at most", "own rows of", "releases", "columns"),
        rows,
    )
    if contract["parameters"]:
        rows = [
            [one["name"], one["type"], f"{one['least']} to {one['most']}"]
            for one in contract["parameters"]
        ]
        table(("parameter", "type", "bounds"), rows)
    for number, stage in enumerate(contract["stages"], start=1):
        say(f"stage {number}: {stage['language']} {stage['name']}, program {stage['program']}")
        for name, value in stage["fixed"]:
            say(f"  fixed: {name} = {value}")
        if stage["text"]:
            say(stage["text"])


def show_jobs(jobs: Sequence[dict[str, Any]]) -> None:
    """A row per job."""
    if not jobs:
        note("no job yet: `strongroom rooms run CONTRACT`")
        return
    rows = [
        [one["job"].hex(), one["contract"].hex()[:16], one["state"], one["why"] or "-"]
        for one in jobs
    ]
    table(("job", "contract", "state", "why"), rows)


def show_job(job: dict[str, Any]) -> None:
    """One job, its inputs, executors and outputs."""
    facts(
        [
            ("job", job["job"].hex()),
            ("contract", job["contract"].hex()),
            ("state", job["state"] + (f": {job['why']}" if job["why"] else "")),
            ("asked by", job["caller"]),
            ("deadline", time_text(job["deadline_ms"])),
            ("result", job["result"].hex() or "-"),
        ]
    )
    rows = [[one["alias"], one["owner"], one["data"], str(one["version"])] for one in job["inputs"]]
    table(("input", "owner", "data set", "version"), rows)
    rows = [
        [
            str(one["rank"]),
            one["operator"],
            one["region"],
            "asked" if one["asked"] else "stands by",
            time_text(one["taken_ms"]) if one["taken_ms"] else "-",
            time_text(one["reported_ms"]) if one["reported_ms"] else "-",
            one["report"].hex()[:16] or "-",
        ]
        for one in job["executors"]
    ]
    table(("rank", "operator", "region", "asked", "taken", "reported", "report"), rows)
    if job["outputs"]:
        rows = [
            [
                one["output"],
                digest_text(one["recipient"]) if one["recipient"] else "all recipients",
                str(one["chunks"]),
                one["root"].hex()[:16],
            ]
            for one in job["outputs"]
        ]
        table(("output", "for", "chunks", "root"), rows)


def show_events(document: dict[str, Any]) -> None:
    """A row per event, and the digest of the chain over all."""
    rows = [
        [
            str(one["number"]),
            str(one["height"]),
            time_text(one["time_ms"]),
            one["what"],
            one["who"],
            one["about"].hex()[:16] or "-",
            one["detail"] or "-",
        ]
        for one in document["events"]
    ]
    table(("number", "height", "time", "what", "who", "about", "detail"), rows)
    paragraph(f"{document['total']} events in all, chained to {document['head'].hex()}")


def _fields_of(part: Any) -> dict[str, Any]:
    """A part's fields; people as id:HEX."""
    fields = {name: getattr(part, name) for name in part.__dataclass_fields__}
    if "owner" in fields:
        fields["owner"] = digest_text(fields["owner"])
    if "recipients" in fields:
        fields["recipients"] = [digest_text(one) for one in fields["recipients"]]
    return fields
