"""What the public transactions of one block may cost (T11)."""

from typing import Any

import pytest
from tests.enclave.chain import Chain, codes
from tests.enclave.fixtures import key_named

from strongroom.enclave.execution import public_work
from strongroom.enclave.execution.public_work import (
    UNIT_BYTES,
    UNITS,
    UNITS_SHARED,
    PublicWork,
)
from strongroom.enclave.governance import public
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.governance.public import sign_public


def proposals(chain: Chain, count: int, who: str = "member1") -> list[bytes]:
    """Whose dry run is refused."""
    key = chain.cluster.members[who]
    arguments = (("name", "grace_ms"), ("value", 10**15))
    return [
        sign_public(
            key.public,
            key.sign,
            chain.genesis.chain,
            public.PROPOSE,
            (number.to_bytes(16, "big"), "set_limit", arguments),
        )
        for number in range(count)
    ]


def test_T11_a_lane_full_of_refused_proposals_takes_no_more_than_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T11: a proposal of 180 bytes costs a signature and a dry run over all rules, four megabytes
    of them seconds to minutes, paid by nobody. What a lane has no room for is not looked at; other
    lanes have theirs, and so has the next block."""
    monkeypatch.setattr(public_work, "UNITS_SHARED", 100)
    monkeypatch.setattr(public_work, "UNITS_OF_LANE_MIN", 1)
    judged: list[bytes] = []
    run = Governance.run

    def counted(self: Governance, fields: Any, block: Any) -> bytes:
        judged.append(fields[1])
        return run(self, fields, block)

    chain = Chain()
    flood, honest = proposals(chain, 20), proposals(chain, 1, "member2")
    other = chain.new_executor(1)
    monkeypatch.setattr(Governance, "run", counted)
    outcome = chain.commit_lanes({0: [flood[:10], flood[10:]], 1: [honest]})
    share = 100 // 4 // UNITS[public.PROPOSE]
    assert codes(outcome) == ["refused"] * share + ["no room"] * (20 - share) + ["refused"]
    assert len(judged) == share + 1
    again = chain.commit(flood[-1])
    assert codes(again) == ["refused"], "nothing of it was judged, so it is no duplicate"
    for made, before in zip(chain.blocks, (outcome, again), strict=True):
        run_of = chain.run_of(made, parent=other.header)
        assert other.execute(run_of, [made.batches])[0].encode() == before.encode()


def test_what_brings_its_units_has_room_in_a_full_lane() -> None:
    work = PublicWork(4)
    work.turn_to_lane()
    for _ in range(UNITS_SHARED):
        work.take(public.BALLOT, 180)
    assert not work.take(public.PROPOSE, UNIT_BYTES)
    assert work.take(public.PROPOSE, UNITS[public.PROPOSE] * UNIT_BYTES)
    work.turn_to_lane()
    assert work.take(public.BALLOT, 180)


def test_T11_ballots_of_strangers_keep_back_nothing_that_a_node_says() -> None:
    """A door takes whatever is signed by anybody: it may fill what members have of a lane's work,
    and not what carries the service."""
    chain, stranger = Chain(), key_named("stranger")
    ballots = [
        sign_public(
            stranger.public,
            stranger.sign,
            chain.genesis.chain,
            public.BALLOT,
            (f"{number:032x}", bytes(32), True),
        )
        for number in range(129)
    ]
    node = chain.cluster.keys[0].node
    own = sign_public(node.public, node.sign, chain.genesis.chain, public.REFRESH, (0,))
    came = codes(chain.commit(*ballots, own))
    assert (came[-2], came[-1]) == ("no room", "executed")


@pytest.mark.parametrize("validators", [1, 4, 31, 128])
def test_each_lane_has_room_for_what_its_node_and_a_member_say_in_one_block(
    validators: int,
) -> None:
    """Sizes as they are on the wire; an offer holds a wrap for each validator."""
    words = {
        public.ATTEST: 5_900,
        public.OFFER: 1_350 + 78 * validators,
        public.READY: 1_400,
        public.REFRESH: 119,
        public.EVIDENCE: 500,
        public.PROPOSE: 180,
        public.BALLOT: 186,
        public.PROPOSE_SEVERAL: 300,
    }
    work = PublicWork(validators)
    for _ in range(validators):
        work.turn_to_lane()
        assert all(work.take(action, size) for action, size in words.items())


def test_a_block_of_the_smallest_units_is_bounded_however_many_lanes() -> None:
    """In units, each a signature's time."""
    for validators in (1, 4, 31, 128):
        work, taken = PublicWork(validators), 0
        for _ in range(validators):
            work.turn_to_lane()
            for _ in range(UNITS_SHARED):
                taken += UNITS[public.REFRESH] * work.take(public.REFRESH, 119)
        assert taken <= 16_384


def test_every_action_has_a_price() -> None:
    assert UNITS.keys() == public.SHAPES.keys()


def test_a_public_transaction_of_no_known_action_stays_malformed() -> None:
    chain, key = Chain(), key_named("anybody")
    envelope = sign_public(key.public, key.sign, chain.genesis.chain, public.LEAVE, ())
    unknown = envelope.replace(b"leave", b"loave")
    assert codes(chain.commit(unknown, envelope)) == ["malformed", "refused"]


@pytest.mark.parametrize(("validators", "ballots"), [(4, 128), (128, 5)])
def test_a_lane_holds_fewer_words_the_more_validators_their_rules_read(
    validators: int, ballots: int
) -> None:
    work = PublicWork(validators)
    work.turn_to_lane()
    assert [work.take(public.BALLOT, 186) for _ in range(200)].count(True) == ballots
