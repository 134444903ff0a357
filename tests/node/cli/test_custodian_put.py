"""`strongroom custodian put` for a key that it is not for: a sentence with what is."""

from typing import Any

import pytest

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.custodian_versions import Asked

OURS, THEIRS = "id:" + "11" * 32, "id:" + "22" * 32


def known(custody: str = "split", state: str = "draft", custodian: str = OURS) -> dict[str, Any]:
    return {"state": state, "terms": {"custody": custody, "custodian": custodian}}


def asked(**changes: Any) -> Asked:
    fields: dict[str, Any] = {
        "name": "bear",
        "owner": "maker",
        "digest": b"",
        "plan": None,
        "for_import": False,
        "rotate": False,
        "old_until_ms": 0,
        "timeout": 1.0,
    }
    return Asked(**(fields | changes))


@pytest.mark.parametrize("custody", ["split", "hsm"])
def test_keys_of_this_hsm_are_taken(custody: str) -> None:
    asked().check(known(custody), OURS)
    asked(rotate=True).check(known(custody, "active"), OURS)
    asked(rotate=True).check(known(custody, "suspended"), OURS)


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({}, known("ledger"), "`strongroom vault put bear FILE --as maker`"),
        ({"rotate": True}, known("ledger", "active"), "`strongroom vault rotate bear FILE"),
        ({}, known(custodian=THEIRS), f"the key's custodian is {THEIRS}"),
        ({}, known("hsm", custodian=THEIRS), "--custodian " + OURS),
        ({"for_import": True}, known("hsm"), "leave out --for-import"),
        ({}, known(state="active"), "with --rotate"),
        ({}, known("hsm", "suspended"), "with --rotate"),
        ({"rotate": True}, known(), "leave out --rotate"),
    ],
)
def test_a_wrong_turn_is_told_what_is_right(
    changes: dict[str, Any], key: dict[str, Any], says: str
) -> None:
    with pytest.raises(ClientFault) as raised:
        asked(**changes).check(key, OURS)
    assert says in str(raised.value)
