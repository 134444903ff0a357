"""A hundred thousand random policies and claims: the product and a judge that shares no line with
it take the same texts, release for the same claims, and blame the same condition."""

import random
from typing import Any

import pytest
from tests.enclave.attestation import policies

from strongroom.enclave.attestation.release_policy import PolicyRefused, ReleasePolicy

IN_THE_SUITE = 2_000
ALL = 100_000
CLAIMS_EACH = 4


def compare(seed: int) -> tuple[int, int]:
    """One policy, (was it taken, how often did it release)."""
    dice = random.Random(seed)
    value = policies.policy(dice)
    if dice.random() < 0.4:
        value = policies.spoilt(dice, value)
    text = policies.written(dice, value)
    try:
        policies.checked(value)
        expected = len(text.encode()) <= 8192
    except policies.NoPolicy:
        expected = False
    try:
        policy = ReleasePolicy.parse(text if dice.random() < 0.5 else text.encode())
    except PolicyRefused:
        assert not expected, text
        return 0, 0
    assert expected, text
    assert ReleasePolicy.parse(policy.encode()) == policy
    assert ReleasePolicy.parse(policy.encode()).encode() == policy.encode()
    assert len(policy.encode()) <= len(text.encode())
    return 1, sum(agree(policy, value, dice) for _ in range(CLAIMS_EACH))


def agree(policy: ReleasePolicy, value: dict[str, Any], dice: random.Random) -> bool:
    """Is it released? Both judges must say the same, and blame the same condition."""
    shown = policies.claims(dice, policies.named(value))
    blamed = policies.blamed(value, shown)
    line = policy.first_failure(shown)
    if blamed is None:
        assert line is None, (value, shown)
        return True
    operator = next(name for name in blamed if name != "claim")
    assert line is not None, (value, shown)
    assert line.startswith(f"{blamed['claim']} {operator} "), (value, shown, line)
    return False


def run(seeds: range) -> None:
    counted = [compare(seed) for seed in seeds]
    taken = sum(one for one, _ in counted)
    released = sum(one for _, one in counted)
    assert taken > len(seeds) // 3
    assert len(seeds) - taken > len(seeds) // 10, "hardly any text is refused"
    assert CLAIMS_EACH * taken * 9 // 10 > released > taken // 4, "verdicts hardly differ"


def test_both_judges_agree() -> None:
    run(range(IN_THE_SUITE))


@pytest.mark.long
def test_both_judges_agree_a_hundred_thousand_times() -> None:
    run(range(IN_THE_SUITE, IN_THE_SUITE + ALL))
