"""A dead service comes back by k of n members, and by nobody else (VAULT §7, P9; T45, T5B)."""

from functools import cache

from tests.enclave.dead_service import (
    Dead,
    died,
    given,
    go_on,
    planned,
)

from strongroom.enclave.formats.outcome import Code


@cache
def dead() -> Dead:
    return died(lost=2)


def test_T45_two_of_four_members_bring_it_back_with_every_balance() -> None:
    one = dead()
    (lead,), plan = planned(one)
    for name in ("member2", "member0"):
        lead.take(given(one, plan, name).encode())
    certificate, handed = lead.open()
    assert certificate.members == ("member0", "member2")
    assert handed == ()
    outcomes, _ = go_on(one, lead)
    codes = [set(outcome.codes) for outcome in outcomes]
    assert codes == [{Code.LOST}, {Code.LOST}, set()]
    executor = lead._opened_executor()
    assert executor.governance.current == plan.description
    assert [node.name for node in executor.governance.nodes() if node.status == "validator"] == [
        "n0"
    ]
