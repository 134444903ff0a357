"""What a proposal would do, as one document: the difference of rules, who must agree, who still
has to, when it takes effect, what becomes of nodes (`gov simulate`).

Owns what is told. Every verdict is that of the enclave's own functions on the public state; nothing
is signed or sent. What a row does to the state beside the rules (`carry_out`) only the enclave
judges: those rows are named.
"""

from collections.abc import Sequence
from typing import Any

from strongroom.enclave.governance.changes import Effect, change_named
from strongroom.enclave.governance.counting import groups_of, yes_needed
from strongroom.enclave.governance.document import Document, ProposalEntry
from strongroom.enclave.governance.dry_runs import Trial
from strongroom.enclave.governance.records import Changes, ProposalStatus
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import SETTABLE, Class
from strongroom.enclave.programs.framework import ProgramError
from strongroom.node.client.differences import rule_differences
from strongroom.node.client.effects import effects_on_nodes, epochs_needed


def simulation(
    state: Document, changes: Changes, proposal: ProposalEntry | None = None
) -> dict[str, Any]:
    """What these changes would do to this state.

    Args:
        state: of now.
        changes: all of a proposal, in order.
        proposal: the one that asks for them, when there is one: its ballots count.
    """
    names = [name for name, _ in changes]
    about = {"change": ", ".join(names), "changes": names}
    if proposal is not None:
        about["proposal"] = {"id": proposal.id, "status": proposal.status}  # type: ignore[assignment]
    try:
        trials = state.simulate(changes)
    except ProgramError as error:
        return {"ok": False, **about, "error": {"code": error.code, "message": error.message}}
    before, after = state.member_rules(), trials[-1].after
    rows = [change_named(name) for name in names]
    effects = effects_on_nodes(state, changes, after)
    beside = {one.effect.name.lower().replace("_", " ") for one in rows} - {"none"}
    return {
        "ok": True,
        **about,
        **_agreement(before, changes, proposal),
        "delay_ms": _delay_ms(state, before, trials, proposal),
        "waits_for": [trial.change for trial in trials if trial.waits],
        "effect": ", ".join(sorted(beside)) or "none",
        "rules_change": before != after,
        "differences": [one.to_json() for one in rule_differences(before, after)],
        "nodes": [one.to_json() for one in effects],
        "epochs": epochs_needed(effects, state),
        "users": {
            "added": _users(changes, Effect.ADD_USERS),
            "removed": _users(changes, Effect.REMOVE_USERS),
        },
        "judged_in_the_enclave_only": [
            name for name, row in zip(names, rows, strict=True) if row.carry_out is not None
        ],
        "warnings": _warnings(before, after),
    }


def _agreement(rules: Rules, changes: Changes, proposal: ProposalEntry | None) -> dict[str, Any]:
    """Who must agree, by the thresholds of now, and who has not voted."""
    needed, voters = yes_needed(rules, changes), [name for name, _ in rules.voters]
    ballots = {} if proposal is None else dict(proposal.ballots)
    yes = sum(ballots.get(name) is True for name in voters)
    asked = sorted(groups_of(changes))
    return {
        "votes_needed": needed,
        "members": len(voters),
        "classes": [{"class": one, "asks_for": _asked(rules, one)} for one in asked],
        "yes": yes,
        "missing": max(0, needed - yes),
        "not_voted": [name for name in voters if name not in ballots],
    }


def _asked(rules: Rules, group: Class) -> str:
    """What a class asks for, in words."""
    needed = rules.yes_needed((group,))
    word = "as the strictest class" if group is Class.STRICTEST else rules.threshold(group)
    return f"{word}: {needed} of {len(rules.voters)}"


def _delay_ms(
    state: Document, rules: Rules, trials: Sequence[Trial], proposal: ProposalEntry | None
) -> int:
    """How long it would wait from now on; of what is accepted, its time is known."""
    if proposal is not None and proposal.status == ProposalStatus.ACCEPTED:
        return max(0, proposal.activates_ms - state.time_ms)
    return rules.limit("activation_delay_ms") if any(trial.waits for trial in trials) else 0


def _users(changes: Changes, effect: Effect) -> int:
    return sum(
        len(dict(given)["users"]) for name, given in changes if change_named(name).effect is effect
    )


def _warnings(before: Rules, after: Rules) -> list[str]:
    """What members should know who set a class stricter than that of members."""
    if (before.thresholds, before.voters) == (after.thresholds, after.voters):
        return []
    least = after.yes_needed((Class.MEMBERS,))
    stricter = [one for one in SETTABLE if after.yes_needed((one,)) > least]
    if not stricter:
        return []
    return [
        f"class {', '.join(stricter)} asks for more than class members ({least} of "
        f"{len(after.voters)}): so many can remove a member who says no"
    ]
