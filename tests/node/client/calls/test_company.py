"""Calls wait for others to share their frame: a part of what an answer takes, and a lone one
never."""

import pytest

from strongroom.node.client.calls.company import (
    COMPANY_CALLS,
    SECONDS_MAX,
    SHARE,
    FrameCompany,
)


def after(*seconds: float) -> FrameCompany:
    company = FrameCompany()
    for one in seconds:
        company.answered(one)
    return company


@pytest.mark.parametrize("answer", [0.01, 0.04, 0.15])
def test_calls_wait_a_part_of_what_an_answer_takes(answer: float) -> None:
    assert after(*[answer] * 20).pause(1, 1) == pytest.approx(SHARE * answer)


def test_a_lone_call_never_waits_and_so_many_wait_no_longer() -> None:
    company = after(0.04)
    assert company.pause(0, 1) == 0.0
    assert company.pause(1, COMPANY_CALLS) == 0.0
    assert company.pause(1, COMPANY_CALLS - 1) > 0.0


def test_nothing_is_waited_for_before_the_first_answer() -> None:
    assert after().pause(1, 1) == 0.0


def test_however_long_answers_take_calls_wait_no_longer_than_the_bound() -> None:
    assert after(3_600.0).pause(1, 1) == SECONDS_MAX


def test_an_answer_of_an_hour_is_forgotten_after_a_few() -> None:
    company = after(*[0.04] * 20, 3_600.0)
    assert company.pause(1, 1) < SECONDS_MAX
    for _ in range(20):
        company.answered(0.04)
    assert company.pause(1, 1) == pytest.approx(SHARE * 0.04, rel=0.1)
