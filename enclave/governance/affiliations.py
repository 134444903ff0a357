"""For which operator a key acts: as members say.

Owns the table beside the rules that privileged access asks (grants.py), and how a vote changes it.
An operator's own key acts for it by the policy; any other key, a member's too, for nobody until
members have said so: who is unknown neither asks nor approves.
"""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus.types import PublicKey
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.grants import AFFILIATIONS

AFFILIATIONS_MAX = 512


def operator_of(tables: Tables, key: PublicKey | bytes) -> str | None:
    """The operator that a key acts for; None when nobody has said so."""
    for name, own in tables.policy.operators:
        if own == key:
            return name
    found: str | None = tables.maps.get(AFFILIATIONS, key)
    return found


def affiliations(tables: Tables) -> tuple[tuple[bytes, str], ...]:
    """(key, operator), by key: what members have said."""
    return tuple(tables.maps.items(AFFILIATIONS))


def set_affiliation(view: GovernanceView, values: Mapping[str, Any]) -> None:
    """From now on this key acts for this operator.

    Raises:
        ProgramError: ``no-change``, ``full``, or it is an operator's own key.
    """
    maps, key = view.tables.maps, values["key"]
    known = maps.get(AFFILIATIONS, key)
    if known == values["operator"]:
        refuse(Ground.NO_CHANGE, "this key acts for this operator already")
    if any(own == key for _, own in view.tables.policy.operators):
        refuse(Ground.TAKEN, "this is an operator's own key, and acts for it")
    if known is None and len(maps.items(AFFILIATIONS)) >= AFFILIATIONS_MAX:
        refuse(Ground.FULL, f"{AFFILIATIONS_MAX} keys act for operators: remove some first")
    maps.put(AFFILIATIONS, key, values["operator"])


def remove_affiliation(view: GovernanceView, values: Mapping[str, Any]) -> None:
    """From now on this key acts for nobody.

    Raises:
        ProgramError: ``no-change``.
    """
    if view.tables.maps.get(AFFILIATIONS, values["key"]) is None:
        refuse(Ground.NO_CHANGE, "members have not said that this key acts for anybody")
    view.tables.maps.delete(AFFILIATIONS, values["key"])


def let_go(view: GovernanceView, before: Policy) -> None:
    """After a change of the policy: whoever acted for an operator that it no longer knows acts for
    nobody.

    A name that no policy knew, of an organisation that runs no node, goes on.
    """
    known = {name for name, _ in view.tables.policy.operators}
    gone = {name for name, _ in before.operators} - known
    for key, operator in affiliations(view.tables) if gone else ():
        if operator in gone:
            view.tables.maps.delete(AFFILIATIONS, key)
