"""What a constitution says of who decides: thresholds, who only watches, for whom members act.

Owns these words, for `strongroom trust` and the founding ceremony. It is what a service began with;
what members voted since then only the service tells.
"""

from typing import Any

from strongroom.enclave.governance.rules import LIMITS_OF_GOVERNANCE, Rules
from strongroom.enclave.governance.thresholds import MAJORITY, SETTABLE
from strongroom.enclave.proofs.constitution import Constitution

RECOVERY = "recovery_threshold"
SINCE = "members may have voted otherwise since: strongroom explorer members, strongroom gov show"


def deciding(constitution: Constitution) -> dict[str, Any]:
    """A document for programs."""
    rules = Rules.of(constitution)
    names = {key: name for name, key in constitution.members}
    return {
        "members": [name for name, _ in rules.voters],
        "watchers": list(rules.watchers),
        "thresholds": {str(one): rules.threshold(one) for one in SETTABLE},
        "limits": {name: rules.limit(name) for name in sorted(LIMITS_OF_GOVERNANCE)},
        RECOVERY: dict(rules.limits).get(RECOVERY, 0),
        "affiliations": {names[key]: operator for key, operator in constitution.affiliations},
    }


def deciding_words(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The same for people: (what, in words)."""
    members, needed = document["members"], len(document["members"]) // 2 + 1
    other = [f"{one} {text}" for one, text in document["thresholds"].items() if text != MAJORITY]
    majority = f"a majority, {needed} of {len(members)} members, for each class of change"
    acting = [f"{name} for {operator}" for name, operator in document["affiliations"].items()]
    shares = document[RECOVERY]
    return [
        ("thresholds", ", ".join([majority, *other])),
        ("watchers", ", ".join(document["watchers"]) or "none: each member votes"),
        ("act", ", ".join(acting) or "no member acts for an operator: none approves access"),
        ("approvals", f"{document['limits']['grant_approvals']} for privileged access"),
        ("recovery", f"by {shares} of {len(members)} members" if shares else "off"),
    ]
