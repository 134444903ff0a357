"""What was asked, given and refused, verified: `strongroom custodian journal`.

Owns how it is shown; options stand in custodian.py. The chain: node/custodian/journal.py, the
comparison with the ledger: node/custodian/comparing.py.
"""

from pathlib import Path
from typing import Any

import typer

from strongroom.node.cli.custodian_device import client_of
from strongroom.node.custodian.comparing import MissingRelease, keys_in, missing_releases
from strongroom.node.custodian.journal import JournalEntry, read_journal
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.terminal.commands import run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say


def journal(
    folder: Path,
    after: int,
    limit: int,
    compare: bool,
    keys: list[str] | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Verify and show it."""
    entries = list(read_journal(folder))
    shown = [entry for entry in entries if entry.entry > after][:limit]
    head = entries[-1].digest.hex() if entries else ""
    looked, missing = 0, list[MissingRelease]()
    if compare:
        looked, missing = run(_compare(load_settings(folder), entries, keys or [], timeout))
    document = {
        "ok": not missing,
        "entries": len(entries),
        "head": head,
        "shown": [_document(entry) for entry in shown],
    }
    if compare:
        document["releases"] = looked
        document["missing"] = [_missing(one) for one in missing]

    def human() -> None:
        for entry in shown:
            facts = "  ".join(f"{name}={value}" for name, value in entry.facts.items())
            say(f"{entry.entry:>6}  {entry.time_ms}  {entry.what:<9}  {facts}")
        say(f"{len(entries)} entries, each follows the one before; head {head or 'none'}")
        for one in missing:
            say(
                f"MISSING: {one.key} was released at height {one.height} (lease {one.lease}): no "
                "entry here has its digest; the journal was cut, or written anew"
            )
        if compare:
            say(f"{looked} releases on the ledger, {len(missing)} of them without an entry")

    emit(document, as_json, human)
    if missing:
        raise typer.Exit(int(ExitCode.NO))


async def _compare(
    settings: Settings, entries: list[JournalEntry], more: list[str], timeout: float
) -> tuple[int, list[MissingRelease]]:
    keys, digests = keys_in(entries)
    async with client_of(settings, timeout, one_shot=True) as client:
        return await missing_releases(client, keys | set(more), digests)


def _missing(one: MissingRelease) -> dict[str, Any]:
    return {"key": one.key, "height": one.height, "lease": one.lease, "digest": one.digest}


def _document(entry: JournalEntry) -> dict[str, Any]:
    return {
        "entry": entry.entry,
        "time_ms": entry.time_ms,
        "what": entry.what,
        "facts": dict(entry.facts),
        "digest": entry.digest.hex(),
    }
