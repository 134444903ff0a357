"""Changes of whose tokens admit: rows of the table in changes.py.

Owns which issuers members mark; how their tokens are judged is of the program that judges them. An
issuer that members remove admits nobody any more, also when it is chosen again (people_changes.py).
"""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus.types import Height, Milliseconds
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.change_rows import Change
from strongroom.enclave.governance.people_changes import ISSUER
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import Class
from strongroom.enclave.governance.users import admit_issuer, dismiss_issuer


def _known(rules: Rules, values: Mapping[str, Any]) -> Rules:
    """Members choose an issuer before they let its tokens admit.

    Raises:
        ProgramError: ``arguments``: there is none of this URL.
    """
    rules.issuers.issuer(values["issuer"])
    return rules


def _admit(view: GovernanceView, values: Mapping[str, Any], _: Height, __: Milliseconds) -> None:
    admit_issuer(view.tables, values["issuer"])


def _dismiss(view: GovernanceView, values: Mapping[str, Any], _: Height, __: Milliseconds) -> None:
    dismiss_issuer(view.tables, values["issuer"])


ROWS: Mapping[str, Change] = {
    "admit_issuer": Change(
        takes={"issuer": ISSUER}, apply=_known, loosens=True, carry_out=_admit, group=Class.USERS
    ),
    "dismiss_issuer": Change(takes={"issuer": ISSUER}, carry_out=_dismiss, group=Class.USERS),
}
"""For the table of changes.py."""
