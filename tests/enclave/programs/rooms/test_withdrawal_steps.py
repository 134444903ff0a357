"""An owner withdraws at each step of a job: from the next transaction on there is no run, no report
that counts and no opening, and nobody beats for a lease on it (T66, ROOMS §6)."""

from collections.abc import Callable

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    REGULATOR,
    RoomsChain,
    contract,
)

OWNER = BANKS[0]
RESULT = bytes([3]) * 32


class Story:
    """One job, brought as far as a test wants."""

    def __init__(self) -> None:
        self.chain = RoomsChain()
        self.contract, self.job = b"", b""
        self.leases: dict[int, bytes] = {}

    def proposed(self) -> None:
        """Data is there, and a contract that nobody has voted on."""
        self.room = self.chain.open_room()
        for bank in BANKS:
            self.chain.bring(bank)
        made = contract(self.room).encode()
        self.contract = self.chain.ok(ANALYST, "propose", contract=made)["contract"]

    def approved(self) -> None:
        for bank in BANKS:
            self.chain.ok(bank, "vote", contract=self.contract, approve=True)
        self.chain.staff("operator0", "operator1")

    def run(self) -> None:
        self.job = self.chain.start(self.contract)

    def taken(self) -> None:
        self._take(0)

    def computing(self) -> None:
        """Both have their rows, and beat."""
        self._take(1)
        for rank in (0, 1):
            assert self._beats(rank, 1)

    def reported(self) -> None:
        assert self.chain.report(self.chain.ranks(self.job)[0], self.job, RESULT).ok

    def agreed(self) -> None:
        assert self.chain.report(self.chain.ranks(self.job)[1], self.job, RESULT).ok
        assert self.kept(), "the control: nodes keep what was agreed on"

    def opened(self) -> None:
        assert self.chain.ok(REGULATOR, "open", job=self.job, output="case")["key"]

    # --- what is tried after the withdrawal -------------------------------------------------------

    def nothing_goes_on(self) -> None:
        assert self.chain.ok(OWNER, "withdraw_data", data="/transfers")["state"] == "withdrawn"
        chain = self.chain
        chain.staff("operator0", "operator1")
        ran = chain.act(ANALYST, "run", contract=self.contract, parameters=NO_PARAMETERS)
        assert not ran.ok
        assert ran.code in {"withdrawn", "not-approved"}, ran.code
        if not self.job:
            return
        decided = chain.see(REGULATOR, "job", job=self.job)["state"] == "agreed"
        why = "agreed" if decided else "withdrawn"
        for rank, one in enumerate(chain.ranks(self.job)[:2]):
            assert chain.take(one, self.job).code == why
            assert chain.report(one, self.job, RESULT).code == why
            if rank in self.leases:
                assert not self._beats(rank, 2)
        opened = chain.act(REGULATOR, "open", job=self.job, output="case")
        assert not opened.ok
        assert opened.code == ("withdrawn" if decided else "not-agreed")
        assert not self.kept(), "its key is revoked, and no node keeps its chunks"
        other = chain.ok(BANKS[1], "withdraw_data", data="/transfers")
        assert other["state"] == "withdrawn", "the other owner is not held up"

    def kept(self) -> bool:
        """Does the result's key stand?"""
        (found,) = self.chain.see(REGULATOR, "kept", roots=[RESULT])
        return bool(found)

    def _take(self, rank: int) -> None:
        taken = self.chain.take(self.chain.ranks(self.job)[rank], self.job)
        assert taken.ok, taken.code
        self.leases[rank] = taken.value["inputs"][0]["lease"]

    def _beats(self, rank: int, number: int) -> bool:
        one, lease = self.chain.ranks(self.job)[rank], self.leases[rank]
        return self.chain.tell(one.who, "beat", lease=lease, number=number, used=0).ok


STEPS: tuple[Callable[[Story], None], ...] = (
    Story.proposed,
    Story.approved,
    Story.run,
    Story.taken,
    Story.computing,
    Story.reported,
    Story.agreed,
    Story.opened,
)


@pytest.mark.parametrize("steps", range(1, len(STEPS) + 1))
def test_T66_after_a_withdrawal_nothing_goes_on_at_any_step(steps: int) -> None:
    story = Story()
    for step in STEPS[:steps]:
        step(story)
    story.nothing_goes_on()


def test_a_story_that_nobody_ends_goes_to_its_end() -> None:
    """The control: what is refused after a withdrawal is done without one."""
    story = Story()
    for step in STEPS:
        step(story)
    assert story.chain.see(REGULATOR, "job", job=story.job)["outputs"][0]["root"] == RESULT
