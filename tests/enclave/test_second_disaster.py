"""A recovered service lives on, and dies again; and one dies as an epoch begins (VAULT §7, P9; T45,
T5B). Real enclaves, real shares; no network."""

from dataclasses import replace

import pytest
from tests.enclave.dead_service import Record
from tests.enclave.mortal_world import MortalWorld, founded
from tests.enclave.service_world import admitted
from tests.enclave.test_succession import _keys

from strongroom.consensus.blocks import Anchor
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import OperatorFault, PeerFault, ReceiptInvalid
from strongroom.consensus.recovery import Agreement
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import ChainId, Digest, Epoch, Height
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.formats.recovery_share import ShareRefused
from strongroom.enclave.keys.recovery import lost_secret
from strongroom.enclave.outside.misbehaviour import NO_CONTRADICTION, judge
from strongroom.enclave.outside.misbehaviour_shown import Shown, ShownAgreement
from strongroom.enclave.outside.receipts import Receipt, build_receipt, verify_receipt
from strongroom.enclave.outside.recovery_giving import (
    Offer,
    RefusedToGive,
    check_history,
    judge_offer,
)
from strongroom.enclave.primitives import Secret, verify
from strongroom.enclave.proofs.genesis import epoch_chain


def living() -> MortalWorld:
    """Shares are in force, and alice has paid 70 of 1000."""
    world = MortalWorld()
    world.publish_keys()
    world.share()
    world.once("member0", "payments.issue", to="alice", amount=1000)
    world.pay(world.session("alice"), 70)
    world.commit()
    return world


def receipt_of(world: MortalWorld, height: int) -> Receipt:
    """Of the first transaction of a block, as a host makes it, with its epochs."""
    history, epochs = (
        HistoryTree(world.cluster.verified.header),
        epoch_chain(world.cluster.verified),
    )
    for data in world.outcomes:
        history.append(Outcome.decode(data).history_leaf)
    anchor = next(
        one
        for one in world.blocks
        if one.header.anchor.height >= height and isinstance(one.certificate, Certificate)
    )
    for entry in world.entries[: anchor.header.epoch]:
        epochs.extend(entry)
    return build_receipt(
        genesis=world.cluster.verified.data,
        outcome=Outcome.decode(world.outcomes[height - 1]),
        position=0,
        history=history,
        anchor=anchor.header,
        certificate=anchor.certificate,
        epochs=epochs,
    )


# --- twice ---


@pytest.fixture(scope="module")
def twice() -> MortalWorld:
    """Recovered by n0 alone, joined by a new node, given new shares; lost again, and recovered by
    n1 and n2."""
    world = living()
    before = world.session("alice")
    world.commit()
    world.recover()
    assert world.balance() == 70

    _, sealed = before.seal_call(world.call("payments.transfer", to="bob", amount=9))
    assert world.commit(sealed).codes[0] != Code.EXECUTED, "sessions of before are dead"
    joiner = admitted(world)
    _keys(world, asker=joiner, giver=world.nodes["n0"])
    world.commit()
    world.catch_up(joiner)
    world.freshen(joiner)
    world.nodes[joiner.name] = joiner
    for _ in range(40):
        world.commit(*world.duties(), after_ms=1_000)
        world.catch_up(joiner)
        if world.epoch == 2:
            break
    world.finish(joiner)
    assert len(world.description.validators) == 2, "a joiner came over the recovery, and votes"
    world.share()
    world.pay(world.session("alice"), 5)
    world.commit()
    world.recover((1, 2), ("member2", "member1"))
    assert world.balance() == 75
    world.pay(world.session("alice"), 1)
    world.commit()
    return world


def test_a_recovered_service_lives_on_and_is_recovered_again(twice: MortalWorld) -> None:
    assert twice.balance() == 76
    assert sorted(twice.nodes) == ["n1", "n2"]
    epochs = epoch_chain(twice.cluster.verified)
    for entry in twice.entries:
        epochs.extend(entry)
    told = [(one.rules.generation, one.members) for one in epochs.recoveries()]
    assert told == [(1, ("member0", "member1")), (2, ("member1", "member2"))]
    lost = [one.opening.epoch for one in epochs.recoveries()]
    assert (lost, epochs.newest) == ([0, 2], twice.description)


def test_receipts_of_each_life_hold_by_the_pin_alone_and_name_the_recoveries(
    twice: MortalWorld,
) -> None:
    pin = twice.cluster.verified.pin
    paid = [
        Outcome.decode(data).height
        for data in twice.outcomes
        if set(Outcome.decode(data).codes) == {Code.EXECUTED}
    ]
    first, last = receipt_of(twice, paid[0]), receipt_of(twice, paid[-1])
    assert verify_receipt(first, pin).recoveries == ()
    heights = [one.opening.height for one in verify_receipt(last, pin).recoveries]
    assert heights == sorted(twice.finalities)
    one, two = twice.entries[0], twice.entries[2]
    swapped = replace(one, certificate=two.certificate)
    for lie in (
        (swapped, *twice.entries[1:]),
        twice.entries[1:],
        (twice.entries[0], two, twice.entries[1]),
        (twice.entries[0], twice.entries[1], replace(two, certificate=one.certificate)),
    ):
        with pytest.raises(ReceiptInvalid):
            verify_receipt(replace(last, epochs=tuple(lie)), pin)


def test_T5A_a_share_of_the_first_life_opens_nothing_of_the_second(twice: MortalWorld) -> None:
    """The second disaster anew: those who kept their old shares give them under the new plan."""
    ends = sorted(twice.finalities)[-1]
    records = twice.records()[: ends - 1]
    first, _, old = twice.planned((0,), twice.records()[: sorted(twice.finalities)[0] - 1])
    assert first[0].status().height == 0
    (lead,), plan, generation = twice.planned((3,), records)
    assert (old.number, generation.number) == (1, 2)
    with pytest.raises(ShareRefused) as refused:
        lead.take(twice.given(plan, old, "member0").encode())
    assert refused.value.reason == "share-of-an-older-generation"
    lead.take(twice.given(plan, generation, "member0").encode())


def test_T5B_the_first_recovery_is_no_end_for_who_knows_the_second(twice: MortalWorld) -> None:
    """An old copy of the ledger, recovered otherwise by who may: refused wherever the first one is
    known."""
    records = twice.records()[: sorted(twice.finalities)[0] - 1]
    (lead,), plan, generation = twice.planned((3,), records)
    for name in ("member2", "member3"):
        lead.take(twice.given(plan, generation, name).encode())
    other = lead.open()[0]
    epochs = epoch_chain(twice.cluster.verified)
    epochs.extend(twice.entries[0])
    with pytest.raises(PeerFault, match="opened by another block"):
        epochs.extend(EpochEntry(other.opening, other, other.description, other.public_key))


def test_T5B_an_offer_of_a_ledger_that_went_on_otherwise_is_refused_by_a_receipt(
    twice: MortalWorld,
) -> None:
    records = twice.records()[: sorted(twice.finalities)[0] - 1]
    _, plan, generation = twice.planned((3,), records)
    genesis = twice.cluster.verified
    offer = Offer(genesis=genesis.data, entries=(), plan=plan, generation=generation)
    judged = judge_offer(offer.encode(), genesis.pin)
    first = next(one.height for one in map(Outcome.decode, twice.outcomes) if one.count)
    check_history(judged, receipt_of(twice, first))
    lives = [at for at, one in enumerate(map(Outcome.decode, twice.outcomes), 1) if one.count]
    for height in (lives[-1], next(at for at in lives if at > judged.height)):
        with pytest.raises(RefusedToGive) as refused:
            check_history(judged, receipt_of(twice, height))
        assert refused.value.reason == "another-history"


# --- as an epoch begins ---


def rotated(*, executed: bool = True) -> MortalWorld:
    """The last block of epoch 0 is final, and nobody made another one; maybe nobody executed it."""
    world = living()
    world.govern("rotate", compromised=False)
    for _ in range(40):
        ends = bool(world.outcomes and Outcome.decode(world.outcomes[-1]).wish)
        if ends and not executed:
            block, wish = world.next_block(), world.voters()[0].governance.wish
            assert wish is not None
            world.blocks.append(block)
            world.tip = block.header
            world.entries.append(
                EpochEntry(block.header, block.certificate, wish.description, wish.public_key)
            )
            break
        world.commit(*world.duties(), after_ms=1_000)
        if world.epoch == 1:
            break
    assert world.tip.next_epoch != world.cluster.verified.description.digest
    return world


@pytest.mark.parametrize("executed", [True, False])
def test_a_service_that_died_with_the_last_block_of_its_epoch_comes_back(*, executed: bool) -> None:
    """Nothing is recorded of the epoch that began, so that no share needs to open it."""
    world = rotated(executed=executed)
    certificate = world.recover()
    assert certificate.opening.epoch == 1
    assert (certificate.head.certificate is None, world.balance()) == (True, 70)
    world.pay(world.session("alice"), 3)
    assert world.balance() == 73


def test_what_was_ordered_in_an_epoch_of_which_nothing_is_recorded_is_lost() -> None:
    world = rotated()
    block = world.next_block((world.open("alice")[1],))
    world.blocks.append(block)
    world.tip = block.header
    world.recover((0, 2))
    assert Outcome.decode(world.outcomes[block.header.height - 1]).codes == bytes((Code.LOST,))
    assert world.balance() == 70


def test_an_epoch_of_which_something_is_recorded_needs_its_share() -> None:
    world = rotated()
    world.commit()
    reader = world.enclave(0)
    reader.follow(world.records())
    with pytest.raises(OperatorFault, match="not-covered: no shares open epoch 1"):
        reader.show()
    for _ in range(3):
        world.commit(*world.duties(), after_ms=1_000)
    world.pay(world.session("alice"), 5)
    assert world.recover().opening.epoch == 1
    assert world.balance() == 75


# --- again at once, under the same shares ---


@pytest.fixture(scope="module")
def at_once() -> tuple[MortalWorld, list[Shown]]:
    """The node that came back died before anything was ordered; the same members agreed again. And
    what member1 agreed to each time."""
    world = living()
    first = world.recover()
    second = world.recover((1,))
    assert first.rules == second.rules
    genesis = world.cluster.verified.data
    made = [
        ShownAgreement(genesis=genesis, certificate=one.brief(), epochs=tuple(world.entries[:at]))
        for at, one in enumerate((first, second))
    ]
    return world, [*made]


def test_a_node_that_came_back_and_died_at_once_comes_back_under_the_same_shares(
    at_once: tuple[MortalWorld, list[Shown]],
) -> None:
    world, _ = at_once
    assert (world.epoch, world.balance()) == (2, 70)
    assert [one.members for one in world.finalities.values()] == [("member0", "member1")] * 2
    world.pay(world.session("alice"), 2)
    assert world.balance() == 72


def test_T5B_who_agreed_to_what_goes_on_from_the_first_is_no_double_signer(
    at_once: tuple[MortalWorld, list[Shown]],
) -> None:
    world, (first, second) = at_once
    for pair in ((first, second), (second, first)):
        with pytest.raises(ReceiptInvalid) as refused:
            judge(*pair, world.cluster.verified.pin)
        assert refused.value.verdict == NO_CONTRADICTION
    records = world.records()[: min(world.finalities) - 1]
    _, plan, _ = world.planned((2,), records)
    key = world.cluster.members["member1"]
    agreement = Agreement(key.public, key.sign(plan.statement.signed_bytes(world.chain)))
    genesis = world.cluster.verified
    other = ShownAgreement(
        genesis=genesis.data, certificate=plan.certificate([agreement]).brief(), epochs=()
    )
    hidden = replace(other, epochs=tuple(world.entries[:1]))  # beside the one that was carried out
    for told, shown in ((other, first), (other, second), (hidden, first), (hidden, second)):
        guilty = judge(told, shown, genesis.pin).guilty
        assert [one.name for one in guilty] == ["member1"], "that one goes on from neither"


def test_a_third_disaster_before_new_shares_is_none_for_them() -> None:
    """What the second recovery wrote in the epoch that it ended, under no share of its own, opens
    with W: so do those that follow, until members hold new shares."""
    world = living()
    shares = world.governance_now()
    for lives, by in enumerate(((0,), (1,), (0, 2), (1,)), 1):
        if lives == 3:  # ordered, and executed by nobody
            block = world.next_block((world.open("alice")[1],))
            world.blocks.append(block)
            world.tip = block.header
        certificate = world.recover(by, ("member2", "member3"))
        assert certificate.opening.epoch == lives - 1
        assert world.governance_now() == shares
    world.share()
    world.pay(world.session("alice"), 2)
    world.commit()
    assert world.recover((0,)).rules.generation == 2
    assert world.balance() == 72


def test_what_a_recovery_wrote_opens_with_w_of_its_shares_and_for_that_end_alone() -> None:
    wrapping, end = Secret.fresh(), Digest(bytes(32))
    chain = founded().verified.chain
    own = lost_secret(wrapping, Epoch(1), end, chain, 1)
    assert not own.opens
    assert own.ledger.reveal() == lost_secret(wrapping, Epoch(1), end, chain, 1).ledger.reveal()
    others = [
        lost_secret(Secret.fresh(), Epoch(1), end, chain, 1),
        lost_secret(wrapping, Epoch(2), end, chain, 1),
        lost_secret(wrapping, Epoch(1), Digest(b"x" * 32), chain, 1),
        lost_secret(wrapping, Epoch(1), end, ChainId(bytes(32)), 1),
        lost_secret(wrapping, Epoch(1), end, chain, 2),
    ]
    assert len({one.ledger.reveal() for one in (own, *others)}) == 1 + len(others)


# --- a host that feeds the ledger otherwise ---


@pytest.fixture(scope="module")
def lost() -> tuple[MortalWorld, list[Record]]:
    """A ledger of two epochs, the newest covered."""
    world = rotated()
    for _ in range(3):
        world.commit(*world.duties(), after_ms=1_000)
    world.pay(world.session("alice"), 5)
    world.commit()
    return world, world.records()


def test_T45_a_ledger_that_is_fed_in_another_order_is_no_ground(
    lost: tuple[MortalWorld, list[Record]],
) -> None:
    world, records = lost
    count = len(records)
    ends = next(at for at, (header, *_) in enumerate(records) if header.epoch == 1) - 1
    header, batches, _, data = records[ends]
    lies: dict[str, tuple[list[Record], int]] = {
        "one twice": ([*records[:5], records[4], *records[5:]], 5),
        "one omitted": ([*records[:4], *records[5:]], 6),
        "two the other way round": ([*records[:4], records[5], records[4], *records[6:]], 6),
        "from the second on": (records[1:], 2),
        "the end of an epoch without its certificate": (
            [*records[:ends], (header, batches, None, data), *records[ends + 1 :]],
            ends + 1,
        ),
        "an outcome omitted in the middle": (
            [*records[:6], (*records[6][:3], b""), *records[7:]],
            8,
        ),
        "a sealed outcome that the next header does not anchor": (
            [
                *records[:6],
                (*records[6][:3], changed(records[6][3])),
                *records[7:],
            ],
            8,
        ),
        "another's outcome": ([*records[:6], (*records[6][:3], records[5][3]), *records[7:]], 7),
    }
    for lie, height in lies.values():
        reader = world.enclave(0)
        with pytest.raises(OperatorFault, match=f"height {height}:"):
            reader.follow(lie)
    for at in (0, count - 2):
        reader = world.enclave(0)
        reader.follow(records[:at])
        reader.follow(records[at:])
        assert reader.status().height == count, "in whatever portions"


def changed(data: bytes) -> bytes:
    """An outcome whose sealed write set is another one."""
    return replace(Outcome.decode(data), write_set=b"another").encode()


def test_T45_outcomes_that_are_fed_otherwise_lead_to_no_end(
    lost: tuple[MortalWorld, list[Record]],
) -> None:
    world, records = lost
    (lead,), plan, generation = world.planned((0,), records)
    for name in ("member0", "member3"):
        lead.take(world.given(plan, generation, name).encode())
    lead.open()
    headers, outcomes = [one[0] for one in records], [one[3] for one in records]
    for wrong in (
        (headers[1:], outcomes[1:]),
        (headers[:1], outcomes[1:2]),
        (headers[:1], []),
        ([], outcomes[:1]),
    ):
        with pytest.raises(OperatorFault):
            lead.apply(*wrong)
    lead.apply(headers[:5], outcomes[:5])
    for wrong in ((headers[4:5], outcomes[4:5]), (headers[6:7], outcomes[6:7])):
        with pytest.raises(OperatorFault):
            lead.apply(*wrong)
    with pytest.raises(OperatorFault, match="come first"):
        lead.end()
    lead.apply(headers[5:], outcomes[5:])
    made_up = world.next_block()
    for lie in (
        made_up.header,
        replace(made_up.header, anchor=Anchor(Height(3), Digest(bytes(32)))),
    ):
        with pytest.raises(OperatorFault):
            lead.lose([(lie, ())])
    assert lead.end()


def test_T5B_members_are_shown_where_the_epoch_ended_also_at_its_first_header() -> None:
    """The head is the header that opened the lost epoch: whoever has not followed the epochs up to
    it cannot be told that it is final."""
    world = rotated()
    certificate = world.recover()
    epochs = epoch_chain(world.cluster.verified)
    with pytest.raises(PeerFault):
        epochs.extend(world.entries[1])
    epochs.extend(world.entries[0])
    with pytest.raises(PeerFault, match="nothing shows"):
        certificate.check(world.chain, world.cluster.verified.description, verify)
    assert epochs.extend(world.entries[1])
