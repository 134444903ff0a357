"""Whatever a host sends to an enclave that brings a dead service back: an answer or a typed
refusal, never a crash, and no secret comes out (T31, T45)."""

from random import Random

import pytest
from tests.enclave.hostile_recovery import NEXT, ROWS, STEPS, HostileHost, changed

from strongroom.enclave.door.refusals import Refusal
from strongroom.enclave.door.requests import Op, encode_request

ASKED = 40


@pytest.mark.parametrize("step", STEPS)
def test_T31_hostile_bytes_at_every_step_of_a_recovery_are_refused_typed(step: str) -> None:
    """`ask` checks the rest."""
    random, refused = Random(step), 0
    host = HostileHost(step)
    for number in range(ASKED):
        op = random.choice(NEXT[step] if number % 4 else ROWS)
        request = host.valid(op)
        for _ in range(random.randrange(1, 3)):
            request = changed(request, random)
        answer = host.ask(request)
        refused += isinstance(answer, Refusal)
        if not isinstance(answer, Refusal):
            host = HostileHost(step)
    assert refused > ASKED // 4


@pytest.mark.parametrize("step", STEPS)
def test_T31_no_step_of_a_recovery_is_taken_before_its_turn(step: str) -> None:
    """Each row that is not the next one, as it would be honest: answered, or refused."""
    for op in ROWS:
        host = HostileHost(step)
        host.ask(host.valid(op))
        assert host.core.recovery.status().opened == (
            (op is Op.RECOVER_OPEN and step == "enough shares") or STEPS.index(step) > 6
        )


def test_what_a_host_makes_up_of_counts_and_histories_ends_no_enclave() -> None:
    """Two that a fuzz found: fewer outcomes than blocks, and a lost block on another history."""
    host = HostileHost("opened")
    headers, outcomes = host.recorded()
    for lie in ((headers[:1], ()), ((), outcomes[:1])):
        assert isinstance(host.ask(encode_request(Op.RECOVER_APPLY, *lie)), Refusal)
    host.must(Op.RECOVER_APPLY, headers, outcomes)
    lost = host.lost_on_another_history()
    assert isinstance(host.ask(encode_request(Op.RECOVER_LOSE, lost)), Refusal)
    assert not isinstance(host.ask(host.valid(Op.RECOVER_LOSE)), Refusal), "nothing was changed"
