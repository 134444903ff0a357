"""Only final blocks are executed, whole, once, in height order (T03, T04)."""

from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.chain import EPOCH, Chain, codes, funded, make_batch, pay, replace_header
from tests.enclave.fixtures import make_cluster_genesis

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Anchor, LaneTip, initial_cut
from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import Digest, Epoch, Height, Sequence, View
from strongroom.enclave.execution.executor import Diverged
from strongroom.enclave.primitives import verify
from strongroom.enclave.proofs.finality import FinalRun, check_run


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_T03_only_check_run_makes_a_final_run(chain: Chain) -> None:
    made = chain.make({})
    with pytest.raises(InvariantBroken):
        FinalRun((made.header,), chain.certificate(made.header), object())


def test_T03_nothing_is_executed_without_a_finalize_certificate_of_this_very_block(
    chain: Chain,
) -> None:
    """T03: no pre-consensus execution, no simulation on a forked state."""
    session = funded(chain)
    parent = chain.tip
    made = chain.make({0: [[pay(chain, session)]]})
    fork = replace_header(made, time_ms=made.header.time_ms + 1)
    stranger = make_cluster_genesis(4)
    header = made.header
    forged = Chain(stranger).certificate(header)
    wrong = [
        chain.certificate(header, Kind.NOTARIZE),
        chain.certificate(fork.header),
        chain.certificate(header, signers=(0, 1)),
        chain.certify(Statement(Kind.FINALIZE, EPOCH, View(header.view + 1), header.digest)),
        chain.certify(Statement(Kind.FINALIZE, Epoch(1), header.view, header.digest)),
        forged,
        replace(chain.certificate(header), signatures=forged.signatures),
    ]
    for certificate in wrong:
        with pytest.raises(PeerFault):
            check_run(parent, [header], certificate, chain.epochs, verify)
    check_run(parent, [header], chain.certificate(header), chain.epochs, verify)
    assert chain.ask("bob", "payments.balance") == 0


def test_T03_a_run_is_one_chain_of_one_epoch(chain: Chain) -> None:
    parent = chain.tip
    one, two, three = (chain.make({}).header for _ in range(3))
    good = chain.certificate(three)
    check_run(parent, [one, two, three], good, chain.epochs, verify)
    unlinked = replace(two, parent=one.parent)
    for headers in (
        [one, three],
        [two, three],
        [one, two, three, three],
        [],
        [one, unlinked, three],
        [three],
    ):
        with pytest.raises(PeerFault):
            check_run(parent, headers, good, chain.epochs, verify)
    for changes in ({"chain": b"x" * 32}, {"epoch": Epoch(1)}, {"height": 5}):
        other = replace(one, **changes)
        with pytest.raises(PeerFault):
            check_run(parent, [other], chain.certificate(other), chain.epochs, verify)


def test_T03_nothing_stands_on_a_terminal_block_in_its_epoch(chain: Chain) -> None:
    parent = chain.tip
    terminal = replace(chain.make({}).header, next_epoch=Digest(b"n" * 32))
    child = replace(chain.make({}).header, parent=terminal.digest)
    with pytest.raises(PeerFault):
        check_run(parent, [terminal, child], chain.certificate(child), chain.epochs, verify)
    reproposed = chain.certify(
        Statement(Kind.FINALIZE, EPOCH, View(terminal.view + 3), terminal.digest)
    )
    check_run(parent, [terminal], reproposed, chain.epochs, verify)


def block_with_data(chain: Chain) -> tuple[FinalRun, list[Batch]]:
    session = funded(chain)
    lanes = {
        0: [[pay(chain, session)], [pay(chain, session)]],
        2: [[pay(chain, session), pay(chain, session)]],
    }
    made = chain.make(lanes)
    return chain.run_of(made), list(made.batches)


def test_T04_a_subset_another_order_or_other_batches_are_refused_and_change_nothing(
    chain: Chain,
) -> None:
    run, batches = block_with_data(chain)
    before, root = chain.executor.state_digest(), chain.executor.root
    first, second, third = batches
    same_name = Batch(first.header, first.payload[:-1] + b"x", first.signature)
    other = make_batch(0, LaneTip(Sequence(0), first.header.previous), same_name.payload, 1)
    other_tip = make_batch(
        2, LaneTip(Sequence(0), third.header.previous), third.payload[:-1] + b"x", 2
    )
    wrong: list[list[Batch]] = [
        [],
        [first, second],
        [second, first, third],
        [first, third, second],
        [first, second, third, third],
        [same_name, second, third],
        [other, second, third],
        [first, second, other_tip],
        [first, first, third],
        [third, first, second],
    ]
    for data in wrong:
        with pytest.raises(PeerFault):
            chain.executor.execute(run, [data])
    with pytest.raises(PeerFault):
        chain.executor.execute(run, [])
    assert (chain.executor.state_digest(), chain.executor.root) == (before, root)
    assert codes(chain.executor.execute(run, [batches])[0]) == ["executed"] * 4


def test_T04_the_second_block_of_a_run_is_checked_before_the_first_is_executed(
    chain: Chain,
) -> None:
    session = funded(chain)
    one = chain.make({0: [[pay(chain, session)]]})
    two = chain.make({0: [[pay(chain, session)]]})
    run = chain.run_of(one, two)
    before = chain.executor.state_digest()
    with pytest.raises(PeerFault):
        chain.executor.execute(run, [one.batches, one.batches])
    assert chain.executor.state_digest() == before
    outcomes = chain.executor.execute(run, [one.batches, two.batches])
    assert [outcome.height for outcome in outcomes] == [one.header.height, two.header.height]


def test_T04_a_block_is_executed_once_and_in_height_order(chain: Chain) -> None:
    one, two = chain.make({}), chain.make({})
    first, both = chain.run_of(one), chain.run_of(one, two)
    second = chain.run_of(two, parent=one.header)
    with pytest.raises(PeerFault):
        chain.executor.execute(second, [()])
    chain.executor.execute(first, [()])
    for run in (first, both):
        with pytest.raises(PeerFault):
            chain.executor.execute(run, [() for _ in run.headers])
    chain.executor.execute(second, [()])
    assert chain.executor.height == 2


@pytest.mark.parametrize("changes", [{"batch_count": 2}, {"batch_bytes": 1}, {"cut": ()}])
def test_T04_counts_and_cut_of_the_header_are_checked(
    chain: Chain, changes: dict[str, Any]
) -> None:
    session = funded(chain)
    made = replace_header(chain.make({0: [[pay(chain, session)]]}), **changes)
    with pytest.raises(PeerFault):
        chain.executor.execute(chain.run_of(made), [made.batches])


def test_T04_a_cut_never_goes_back(chain: Chain) -> None:
    session = funded(chain)
    chain.commit(pay(chain, session))
    made = chain.make({})
    shorter = (LaneTip(Sequence(0), made.header.cut[0].digest), *made.header.cut[1:])
    for cut in (shorter, initial_cut(chain.genesis.header.digest, 4)):
        back = replace_header(made, cut=cut)
        with pytest.raises(PeerFault):
            chain.executor.execute(chain.run_of(back), [()])


def test_a_final_block_that_anchors_another_history_halts(chain: Chain) -> None:
    chain.commit()
    made = chain.make({}, anchor=Anchor(Height(1), Digest(b"x" * 32)))
    with pytest.raises(Diverged):
        chain.executor.execute(chain.run_of(made), [()])
    ahead = Chain()
    made = ahead.make({}, anchor=Anchor(Height(1), Digest(b"x" * 32)))
    with pytest.raises(PeerFault):
        ahead.executor.execute(ahead.run_of(made), [()])
