"""Changes of whose tokens admit: rows of the table in changes.py.

Owns which issuers members mark; how their tokens are judged is of the program that judges them.
"""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus.types import Height, Milliseconds
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.arguments import Kind
from strongroom.enclave.governance.change_rows import Change
from strongroom.enclave.governance.thresholds import Class
from strongroom.enclave.governance.users import admit_issuer, dismiss_issuer
from strongroom.enclave.text import is_ascii_line

ISSUER_TEXT_BYTES_MAX = 256


def _is_issuer(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= ISSUER_TEXT_BYTES_MAX and is_ascii_line(value)


def _admit(view: GovernanceView, values: Mapping[str, Any], _: Height, __: Milliseconds) -> None:
    admit_issuer(view.tables, values["issuer"])


def _dismiss(view: GovernanceView, values: Mapping[str, Any], _: Height, __: Milliseconds) -> None:
    dismiss_issuer(view.tables, values["issuer"])


ISSUER = Kind(
    f"an issuer's name, 1 to {ISSUER_TEXT_BYTES_MAX} printable ASCII characters", _is_issuer, str
)
ROWS: Mapping[str, Change] = {
    "admit_issuer": Change(
        takes={"issuer": ISSUER}, loosens=True, carry_out=_admit, group=Class.USERS
    ),
    "dismiss_issuer": Change(takes={"issuer": ISSUER}, carry_out=_dismiss, group=Class.USERS),
}
