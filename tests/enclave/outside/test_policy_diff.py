"""Claims that a new policy would release and an old one would not, and that there are none."""

import itertools
import json
import random
import sys
from typing import Any

import pytest
from tests.enclave.attestation import policies

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.attestation.release_condition import Condition
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.attestation.vocabulary import VOCABULARY, Claim
from strongroom.enclave.outside.policy_advice import advise
from strongroom.enclave.outside.policy_diff import newly_released
from strongroom.enclave.programs.vault.terms import narrows


def policy(*conditions: Any, kind: str = "allOf") -> ReleasePolicy:
    authority = {"authority": "strongroom", kind: list(conditions)}
    return ReleasePolicy.parse(json.dumps({"version": "1.0.0", "anyOf": [authority]}))


NORTH = {"claim": "region", "equals": "eu-north"}
BOOTS = {"claim": "bootcount", "less": 5}


def test_a_policy_releases_nothing_beyond_itself_however_it_is_written() -> None:
    one = policy(NORTH, BOOTS)
    other = policy(
        {"claim": "region", "in": ["eu-north"]}, {"claim": "bootcount", "lessOrEquals": 4}
    )
    assert newly_released(one, other) is None
    assert newly_released(other, one) is None


def test_a_condition_that_was_left_out_is_seen() -> None:
    found = newly_released(policy(NORTH, BOOTS), policy(NORTH))
    assert found is not None
    assert found["region"] == "eu-north"
    assert newly_released(policy(NORTH), policy(NORTH, BOOTS)) is None


def test_a_claim_that_is_missing_is_an_example_too() -> None:
    """Not equal and its opposite are no alternatives that always hold."""
    always = policy({"anyOf": [NORTH, {"claim": "region", "notEquals": "eu-north"}]})
    assert newly_released(always, policy({"claim": "region", "exists": True})) is None
    found = newly_released(always, policy(BOOTS))
    assert found is not None
    assert list(found) == ["bootcount"], "the region must be missing: both its conditions hold else"


def test_a_text_that_neither_names_is_found() -> None:
    found = newly_released(policy(NORTH), policy({"claim": "region", "notEquals": "another"}))
    assert found is not None
    assert found["region"] not in ("eu-north", "another")


def test_the_last_numbers_count() -> None:
    most = 2**63 - 1
    old = policy({"claim": "bootcount", "less": most})
    assert newly_released(old, policy({"claim": "bootcount", "exists": True})) == {
        "bootcount": most
    }
    assert newly_released(old, policy({"claim": "bootcount", "notEquals": most})) is None


def worlds(*conditions: Condition) -> list[dict[str, Claim]]:
    """Claims enough to tell apart whatever these conditions can tell apart."""
    values: dict[str, list[Any]] = {}
    for condition in conditions:
        kind = VOCABULARY[condition.claim]
        own = values.setdefault(condition.claim, [None, True, False] if kind is bool else [None])
        literal = condition.literal
        for one in literal if isinstance(literal, tuple) else (literal,):
            if kind is str:
                own += [one, "zz"] if isinstance(one, str) else ["zz"]
            elif kind is int and isinstance(one, int):
                own += [near for near in (one - 1, one, one + 1) if -(2**63) <= near < 2**63]
    choices = [list(dict.fromkeys(own)) for own in values.values()]
    return [
        {name: value for name, value in zip(values, row, strict=True) if value is not None}
        for row in itertools.islice(itertools.product(*choices), 20_000)
    ]


def small(dice: random.Random) -> ReleasePolicy:
    names = ["region", "bootcount", "simulated"]
    inner = {"authority": "strongroom", **policies.conditions(dice, names, 2)}
    return ReleasePolicy.parse(json.dumps({"version": "1.0.0", "anyOf": [inner]}))


def test_it_finds_an_example_exactly_when_all_claims_tried_have_one() -> None:
    found_any = none = 0
    for seed in range(60):
        dice = random.Random(seed)
        old, new = small(dice), small(dice)
        tried = worlds(*old.conditions, *new.conditions)
        expected = any(
            new.first_failure(claims) is None and old.first_failure(claims) is not None
            for claims in tried
        )
        found = newly_released(old, new)
        assert (found is not None) is expected, (seed, old.encode(), new.encode())
        if found is None:
            none += 1
            continue
        found_any += 1
        assert new.first_failure(found) is None
        assert old.first_failure(found) is not None
    assert found_any > 10
    assert none > 5


NAMES = ["region", "bootcount", "simulated"]


def authority(dice: random.Random) -> dict[str, Any]:
    return {"authority": "strongroom", **policies.conditions(dice, NAMES, 3)}


def lists_within(value: Any) -> list[list[Any]]:
    """Each allOf and anyOf of a part of a policy."""
    if isinstance(value, list):
        return [one for member in value for one in lists_within(member)]
    own = [value[name] for name in ("allOf", "anyOf") if name in value]
    return own + [one for members in own for one in lists_within(members)]


def changed(dice: random.Random, authorities: list[Any]) -> list[Any]:
    """Authorities of which conditions were added and left out, or one authority."""
    copy: list[Any] = json.loads(json.dumps(authorities))
    for _ in range(dice.randint(1, 3)):
        place = dice.choice([copy, *lists_within(copy), *lists_within(copy)])
        if dice.random() < 0.5:
            place.append(authority(dice) if place is copy else policies.condition(dice, NAMES))
        elif len(place) > 1:
            place.pop(dice.randrange(len(place)))
    return copy


def test_what_the_vault_takes_for_a_tightening_releases_nothing_new() -> None:
    """T51: a tightening asks nobody and waits for nothing, so it must be one."""
    tighter = other = 0
    for seed in range(400):
        dice = random.Random(seed)
        before = [authority(dice) for _ in range(dice.randint(1, 2))]
        old, new = (
            ReleasePolicy.parse(json.dumps({"version": "1.0.0", "anyOf": authorities}))
            for authorities in (before, changed(dice, before))
        )
        if not narrows(old, new):
            other += 1
            continue
        tighter += 1
        assert newly_released(old, new) is None, (seed, old.encode(), new.encode())
    assert tighter > 60
    assert other > 60


def test_policies_of_the_greatest_size_are_compared() -> None:
    many = [{"claim": "bootcount", "notEquals": number} for number in range(127)]
    old = policy(*many, {"claim": "region", "exists": True})
    new = policy(*many[1:], {"claim": "region", "exists": True})
    assert newly_released(new, old) is None
    found = newly_released(old, new)
    assert found is not None
    assert found["bootcount"] == 0


def test_without_z3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)
    with pytest.raises(OperatorFault, match=r"strongroom\[policy\]"):
        newly_released(policy(NORTH), policy(BOOTS))


def test_advice_names_what_is_not_asked_and_what_can_never_be_equal() -> None:
    code = {"claim": "measurement", "equals": "5a" * 48}
    real, chip = {"claim": "simulated", "equals": False}, {"claim": "ueid", "exists": True}
    assert advise(policy(code, real, chip)) == []
    said = " ".join(advise(policy({"claim": "measurement", "in": ["5a" * 48, "5A" * 48]}, BOOTS)))
    assert "no condition on simulated" in said
    assert "no condition on ueid" in said
    assert "anyOf[0].allOf[0]: measurement is always 96 small hex digits" in said
