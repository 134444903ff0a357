"""The table of changes: each row alone, and what no majority may do (T43)."""

from typing import Any

import pytest
from tests.enclave.fixtures import MEASUREMENT, REGION, key_named
from tests.enclave.governance.world import World, founded

from strongroom.enclave.governance.changes import CHANGES, parse_change
from strongroom.enclave.governance.dry_runs import dry_run
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.programs.framework import ProgramError

ROLE = {"program": "payments", "role": "auditor", "identity": bytes(32)}
FLOOR = (11, 0, 23, 84, 0)
FLOORS = {"product": "SIMULATED", "committed": FLOOR, "launch": FLOOR, "reported": FLOOR}


def rules() -> Rules:
    return Rules.of(founded(4).constitution)


def after(name: str, start: Rules | None = None, /, **arguments: Any) -> Rules:
    world = World()
    return dry_run(
        start or rules(),
        name,
        tuple(arguments.items()),
        world.governance.nodes(),
        world.governance.current,
    )


def refusal(name: str, start: Rules | None = None, /, **arguments: Any) -> str:
    with pytest.raises(ProgramError) as caught:
        after(name, start, **arguments)
    return caught.value.code


def test_each_change_does_what_it_says() -> None:
    chip, key = bytes(64), key_named("new").public
    assert bytes(48) in after("allow_measurement", measurement=bytes(48)).policy.measurements
    assert ("operator0", chip) in after("allow_chip", operator="operator0", chip=chip).policy.chips
    assert after("allow_operator", operator="new", key=key).policy.operator_key("new") == key
    assert (
        after("allow_operator", operator="operator0", key=key).policy.operator_key("operator0")
        == key
    )
    assert "asia" in after("allow_region", region="asia").policy.regions
    oslo = after("set_country", region="oslo", country="SE")
    assert oslo.policy.countries == (("oslo", "SE"),), "also of a region where no node may stand"
    oslo = after("set_country", oslo, region="oslo", country="NO")
    assert oslo.policy.countries == (("oslo", "NO"),)
    (floors,) = after("set_floors", **FLOORS).policy.floors
    assert floors.launch.bootloader == 11
    assert after("revoke_key", key=bytes(32)).policy.revoked == (bytes(32),)
    assert after("set_max_age", max_age_ms=60_000).policy.max_age_ms == 60_000
    assert ("new", key) in after("add_member", name="new", key=key).members
    assert "member1" not in dict(after("remove_member", name="member1").members)
    assert tuple(ROLE.values()) in after("grant", **ROLE).roles
    assert after("set_limit", name="epoch_blocks", value=9).limit("epoch_blocks") == 9


def test_what_one_change_brings_its_opposite_takes_away() -> None:
    chip = bytes(64)
    for allow, forbid, arguments in (
        ("allow_measurement", "forbid_measurement", {"measurement": bytes(48)}),
        ("allow_chip", "forbid_chip", {"operator": "operator0", "chip": chip}),
        ("allow_region", "forbid_region", {"region": "asia"}),
        ("grant", "revoke", ROLE),
    ):
        assert after(forbid, after(allow, **arguments), **arguments) == rules()
    placed = after("set_country", region="oslo", country="NO")
    assert after("remove_country", placed, region="oslo") == rules()
    assert refusal("remove_country", region="oslo") == "no-change"
    more = after("allow_operator", operator="new", key=bytes(32))
    more = after("allow_chip", more, operator="new", chip=chip)
    assert after("forbid_operator", more, operator="new") == rules()


def test_those_that_loosen_wait() -> None:
    """T24, T44."""
    waiting = {name for name, change in CHANGES.items() if change.loosens is True}
    assert waiting == {
        "allow_measurement",
        "add_issuer",
        "set_issuer",
        "add_issuer_key",
        "allow_chip",
        "allow_operator",
        "allow_region",
        "set_country",
        "set_floors",
        "set_max_age",
        "add_member",
        "add_users",
        "grant",
        "set_limit",
        "set_recovery_threshold",
        "set_affiliation",
        "admit_issuer",
    }


def test_no_majority_may_leave_nobody_to_govern_operate_or_run() -> None:
    """T43."""
    assert refusal("forbid_measurement", measurement=MEASUREMENT) == "lock-out"
    assert refusal("forbid_region", region=REGION) == "lock-out"
    alone = rules()
    for name in ("member1", "member2", "member3"):
        alone = after("remove_member", alone, name=name)
    assert refusal("remove_member", alone, name="member0") == "lock-out"


def test_a_change_must_leave_a_quorum_that_meets_the_policy() -> None:
    """T43: another measurement is allowed, but nobody runs it."""
    more = after("allow_measurement", measurement=bytes(48))
    assert refusal("forbid_measurement", more, measurement=MEASUREMENT) == "lock-out"
    one = after("forbid_operator", operator="operator0")
    assert refusal("forbid_operator", one, operator="operator1") == "lock-out"


def test_the_last_validator_is_not_removed() -> None:
    """T43."""
    alone = World(1).governance
    with pytest.raises(ProgramError, match="no validator"):
        dry_run(rules(), "remove_node", (("node", "n0"),), alone.nodes(), alone.current)


def test_members_are_distinct_in_name_and_key() -> None:
    assert refusal("add_member", name="member1", key=bytes(32)) == "taken"
    assert refusal("add_member", name="new", key=key_named("member1").public) == "taken"


def test_a_chip_is_of_an_operator_that_is_known() -> None:
    assert refusal("allow_chip", operator="nobody", chip=bytes(64)) == "arguments"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("allow_measurement", {"measurement": bytes(47)}),
        ("allow_region", {"region": "with space"}),
        ("allow_region", {"region": ""}),
        ("allow_region", {"area": "asia"}),
        ("set_max_age", {"max_age_ms": 1}),
        ("set_limit", {"name": "grace_ms", "value": True}),
        ("set_limit", {"name": "no-such-limit", "value": 1}),
        ("set_limit", {"name": "refresh_interval_ms", "value": 0}),
        *(
            ("set_country", {"region": "oslo", "country": country})
            for country in ("", "N", "no", "NOR", "N1", "NÖ", 47, b"NO")
        ),
        ("set_country", {"region": "with space", "country": "NO"}),
        ("remove_country", {"region": ""}),
        ("set_floors", FLOORS | {"product": "Pentium"}),
        ("set_floors", FLOORS | {"launch": (256, 0, 0, 0, 0)}),
        ("remove_member", {"name": "member1", "more": 1}),
    ],
)
def test_arguments_of_another_kind_are_refused(name: str, arguments: dict[str, Any]) -> None:
    assert refusal(name, **arguments) == "arguments"


def test_what_would_change_nothing_is_refused() -> None:
    assert refusal("allow_region", region=REGION) == "no-change"
    assert refusal("forbid_region", region="nowhere") == "no-change"
    assert refusal("remove_member", name="nobody") == "no-change"
    assert refusal("set_limit", name="grace_ms", value=60_000) == "no-change"


def test_arguments_of_the_command_line_become_canonical_ones() -> None:
    texts = {
        "product": "Turin",
        "committed": "1,2,3,4",
        "launch": "1,2,3,4,5",
        "reported": "1,2,3,4",
    }
    assert dict(parse_change("set_floors", texts))["committed"] == (1, 2, 3, 4, 0)
    assert parse_change("rotate", {"compromised": "true"}) == (("compromised", True),)
    assert parse_change("grant", {"program": "p", "role": "r", "identity": "id:" + "00" * 32})[2][
        1
    ] == bytes(32)
    for name, wrong in (
        ("rotate", {}),
        ("rotate", {"compromised": "maybe"}),
        ("set_max_age", {"max_age_ms": "x"}),
    ):
        with pytest.raises(ProgramError):
            parse_change(name, wrong)
