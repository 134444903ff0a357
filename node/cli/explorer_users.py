"""`strongroom explorer users`: who may speak here, as far as everybody may know.

Owns its options, and how it looks. Who is on the roster by a member's sealed word, and who holds a
token, no host knows: not even how many there are. A member lists its own with `users list`.
"""

from typing import Any

import typer

from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.cli.explorer_source import LedgerOption, ask
from strongroom.node.terminal.commands import FieldOption, JsonOption, guarded, run
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.tables import facts, paragraph, table


def register(app: typer.Typer) -> None:
    """Mount the command."""
    app.command()(users)


@guarded
def users(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Who may open sessions: members, roles, users by vote, issuers whose tokens admit; and the
    limits of each. Users whom a member brought are sealed, their number too.

    Example: strongroom explorer users
    """
    found = run(ask(directory, ledger, "service_users"))
    emit(found, as_json, lambda: show(found))


def show(found: dict[str, Any]) -> None:
    """Facts, then a row per role and per limit."""
    facts(
        [
            ("anyone", "may open sessions" if found["open"] else "may not: who is named below"),
            ("members", f"{found['members']}, of whom {found['voting']} vote"),
            ("users by vote", str(found["by_vote"])),
            ("users brought", "sealed: a member lists its own with `strongroom users list`"),
            ("issuers", ", ".join(found["issuers"]) or "none: no token admits"),
        ]
    )
    if found["roles"]:
        rows = [[one["program"], one["role"], f"id:{one['identity']}"] for one in found["roles"]]
        table(("program", "role", "identity"), rows)
    table(("limit", "value"), [[name, str(value)] for name, value in found["limits"].items()])
    paragraph("what one identity has used of them: strongroom users standing --as NAME")
