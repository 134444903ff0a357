"""`strongroom custodian journal`: what was asked, given and refused, verified.

Owns options and words of this command; the chain: node/custodian/journal.py, the comparison with
the ledger: node/custodian/comparing.py.
"""

from typing import Annotated, Any

import typer

from strongroom.node.cli.common import TIMEOUT_SECONDS, TimeoutOption
from strongroom.node.cli.custodian import DEFAULT_DIR, FolderOption, client_of, custodian_app
from strongroom.node.custodian.comparing import MissingRelease, keys_in, missing_releases
from strongroom.node.custodian.journal import JournalEntry, read_journal
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

ENTRIES_SHOWN = 50


@custodian_app.command()
@guarded
def journal(
    folder: FolderOption = DEFAULT_DIR,
    after: Annotated[int, typer.Option("--after", min=0, help="Show entries after this one.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = ENTRIES_SHOWN,
    compare: Annotated[
        bool, typer.Option("--compare", help="Look for every release that the ledger has.")
    ] = False,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="OWNER/NAME", help="Also of a key that is not in it."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Verify the whole journal, and show it.

    Example: strongroom custodian journal --after 100 --json
    """
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
