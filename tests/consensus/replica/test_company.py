"""An anchor waits for a batch to share its block where one usually comes, and nowhere else."""

import pytest

from strongroom.consensus.replica.company import WORTH_ROUNDS, Company

ROUND = 0.003
WORTH = WORTH_ROUNDS * ROUND


def learnt(took: float, *, times: int = 30, company: Company | None = None) -> Company:
    """So many executions, each with a batch so long after it."""
    made = Company(10.0) if company is None else company
    for at in range(times):
        made.execute(1_000.0 * at)
        made.hold(1_000.0 * at + took, ROUND)
    return made


def test_before_anything_is_known_an_anchor_waits_what_its_block_is_worth() -> None:
    assert Company(10.0).wait(ROUND) == pytest.approx(WORTH)
    assert Company(10.0).wait(0.0) == 0.0, "no round was seen"


def test_where_a_batch_comes_soon_an_anchor_waits_a_little_longer_than_that() -> None:
    assert 0.002 <= learnt(0.002).wait(ROUND) < 0.003


def test_where_none_comes_in_time_an_anchor_leaves_at_once() -> None:
    assert learnt(60.0).wait(ROUND) == 0.0


def test_an_idle_hour_is_forgotten_after_a_few() -> None:
    company = learnt(0.002)
    learnt(3_600.0, times=1, company=company)
    assert company.wait(ROUND) > 0.002
    assert learnt(0.002, company=company).wait(ROUND) < 0.004


def test_executions_after_another_are_one_wait_from_the_first() -> None:
    company = Company(10.0)
    for at in range(20):
        company.execute(100.0 * at)
        company.execute(100.0 * at + 0.004)
        company.hold(100.0 * at + 0.005, ROUND)
        company.hold(100.0 * at + 50.0, ROUND)
    assert company.wait(ROUND) == pytest.approx(0.005, rel=0.1)


@pytest.mark.parametrize("took", [0.0, 1e-9, 0.002, 5.0, 1e9, -5.0])
@pytest.mark.parametrize("usual", [0.0, 0.003, 5.0, 1e9])
def test_T30_whatever_is_seen_an_anchor_waits_no_longer_than_its_bound(
    took: float, usual: float
) -> None:
    company = Company(0.125)
    for at in range(50):
        company.execute(float(at))
        company.hold(at + took, usual)
        assert 0.0 <= company.wait(usual) <= 0.125


def test_a_longer_round_is_worth_a_longer_wait() -> None:
    company = learnt(WORTH * 1.5)
    assert company.wait(ROUND) == 0.0
    assert company.wait(10 * ROUND) > 0.0
