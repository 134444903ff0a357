"""An accepted proposal takes effect: its changes one after the other, all of them or none.

Owns what follows a vote in the state. Which changes there are is changes.py's; whether there were
votes enough, proposals.py's.
"""

from strongroom.consensus.types import Height, Milliseconds
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.affiliations import let_go
from strongroom.enclave.governance.change_rows import Effect
from strongroom.enclave.governance.changes import change_named
from strongroom.enclave.governance.dry_runs import named, try_each
from strongroom.enclave.governance.records import Arguments, Changes, Node, Status
from strongroom.enclave.governance.registry import attest_again, remove_node
from strongroom.enclave.governance.users import add_users, remove_users
from strongroom.enclave.programs.framework import ProgramError


def carry_out(
    view: GovernanceView, changes: Changes, height: Height, time_ms: Milliseconds
) -> None:
    """Let changes take effect in order, each on what the former left.

    Raises:
        ProgramError: one must not be; what the former ones did is to be rolled back.
    """
    tables = view.tables
    for number, (name, given) in enumerate(changes, start=1):
        try:
            (trial,) = try_each(
                tables.rules, ((name, given),), tables.nodes(), view.epoch_record.description
            )
            tables.write_rules(trial.after)
            let_go(view, trial.before.policy)
            _affect(view, name, given, height)
            row = change_named(name)
            if row.carry_out is not None:
                row.carry_out(view, row.bind(given), height, time_ms)
        except ProgramError as refused:
            raise named(refused, number, changes) from None


def check_changes(
    view: GovernanceView, changes: Changes, height: Height, time_ms: Milliseconds
) -> None:
    """Check that changes could take effect now; nothing is changed.

    Raises:
        ProgramError: why not; of several, the message names the change.
    """
    tables = view.tables
    for _ in try_each(tables.rules, changes, tables.nodes(), view.epoch_record.description):
        continue
    if any(change_named(name).carry_out for name, _ in changes):
        state = tables.maps.state
        mark = state.mark
        try:
            carry_out(view, changes, height, time_ms)
        finally:
            state.roll_back(mark)


def waits(view: GovernanceView, changes: Changes) -> bool:
    """Does one of these changes loosen, so that all of them wait? What cannot be judged now
    does."""
    rows = [change_named(name) for name, _ in changes]
    if all(isinstance(row.loosens, bool) for row in rows):
        return any(row.loosens for row in rows)
    tables = view.tables
    trials = try_each(tables.rules, changes, tables.nodes(), view.epoch_record.description)
    try:
        return any(trial.waits for trial in trials)
    except ProgramError:
        return True


def _affect(view: GovernanceView, name: str, given: Arguments, height: Height) -> None:
    tables, arguments = view.tables, dict(given)
    match change_named(name).effect:
        case Effect.ATTEST_AGAIN:
            attest_again(view)
        case Effect.REMOVE_NODE:
            remove_node(view, _node_named(view, arguments["node"]), height)
        case Effect.ADD_USERS:
            add_users(tables, arguments["users"])
        case Effect.REMOVE_USERS:
            remove_users(tables, arguments["users"])
        case Effect.ROTATE:
            asked = tables.rotation
            compromised = arguments["compromised"] or (asked is not None and asked[1])
            tables.rotation = ("rotate", compromised)


def _node_named(view: GovernanceView, name: str) -> Node:
    return next(
        node
        for node in view.tables.nodes()
        if node.name == name and node.status is not Status.REMOVED
    )
