"""Snapshots: the same bytes on every replica, loaded only when a quorum named them; then all goes
on (T34, T40)."""

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from tests.enclave.chain import Chain, codes, pay
from tests.enclave.fixtures import make_cluster_genesis
from tests.enclave.probe import PAIRS
from tests.enclave.service_world import World
from tests.enclave.snapshot_world import BLOCKS, Ledger, Taken, load

from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import NO_DIGEST, ChainId, Digest, Epoch, Height, Milliseconds
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.door.refusals import Refusal
from strongroom.enclave.door.requests import Op, decode_answer, encode_request
from strongroom.enclave.door.serve import answer_to
from strongroom.enclave.execution.snapshot_loading import Loader, LoadRefused
from strongroom.enclave.execution.snapshotting import PIECE_ITEMS, Capture
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.history import HistoryLeaf, HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.snapshot import (
    CHUNK_BYTES,
    ExecutorState,
    SnapshotBox,
    Table,
    chunk_hash,
    snapshot_root,
)
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.outside.client_sessions import ClientSession
from strongroom.enclave.primitives import TAG_SIZE, DeterministicBox, DoesNotOpen, Secret
from strongroom.enclave.programs.state import State


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


# --- one snapshot, whoever makes it ---------------------------------------------------------------


def test_a_replica_that_executed_and_one_that_applied_make_the_same_snapshot(
    ledger: Ledger,
) -> None:
    ledger.go_to(17)
    applied, _ = ledger.fresh()
    ledger.follow(applied, 0, by_execution=False)
    executed, _ = ledger.fresh(ledger.keyring(2))
    ledger.follow(executed, 0, by_execution=True)
    made = [one.snapshots.hand_out(Height(0), 0) for one in (ledger.executor, applied, executed)]
    assert made[0] == made[1] == made[2]
    assert made[0][0] == 8


@pytest.mark.parametrize("by_execution", [True, False])
def test_a_snapshot_is_of_its_height_whatever_changes_until_it_is_sealed(
    by_execution: bool,
) -> None:
    """Nothing is copied when it begins: accounts, sessions, windows and the clock go on."""
    ledger = Ledger()
    ledger.go_to(8)
    then = ledger.executor.state_digest()
    for number in range(4):
        ledger.commit(pay(ledger, ledger.alice), pay(ledger, ledger.bob, to="alice"))
        ledger.once(f"late{number}", "payments.open", account="new")
    ledger.go_to(17)
    maker, _ = ledger.fresh()
    ledger.follow(maker, 0, by_execution=by_execution)
    loaded, loader = ledger.fresh()
    load(loader, ledger.stored(maker))
    assert loaded.state_digest() == then


def test_the_order_of_items_does_not_depend_on_how_they_came() -> None:
    """What executed, applied and loaded differ in is the order of their dicts, and which keys they
    remember twice, or though they are gone."""
    ledger = Ledger()
    items = {(f"account{number}", number): number for number in range(3 * PIECE_ITEMS)}
    shuffled = dict(sorted(items.items(), key=lambda item: hash(item[0])))
    roots = []
    again = [*items, *list(items)[::3], ("gone", 1), ("gone", 1)]
    for table in (table_of(items), table_of(shuffled), table_of(items, again)):
        capture = Capture(state_at(ledger), [table], ledger.genesis.chain, box())
        for height in range(1, 9):
            capture.advance(Height(height))
        roots.append(capture.root)
    assert roots[0] == roots[1] == roots[2]


def table_of(items: dict[Any, Any], walked: Sequence[Any] = ()) -> Table:
    keys = walked or list(items)
    return Table(
        "p", "m", len(items), len(keys), keys, lambda asked: [items.get(key) for key in asked]
    )


def state_at(ledger: Ledger, due: int = 8) -> ExecutorState:
    return ExecutorState(
        header=ledger.genesis.header, peaks=(), recent=(), sessions=(), due=Height(due)
    )


def box() -> DeterministicBox:
    return DeterministicBox(Secret(bytes(32)))


def test_the_root_is_named_by_the_outcome_one_distance_later_and_by_no_other(
    ledger: Ledger,
) -> None:
    ledger.go_to(26)
    named = [outcome.height for outcome in ledger.outcomes if outcome.snapshot_root != NO_DIGEST]
    assert named == [16, 24]
    _, _, count, _, chunks = ledger.executor.snapshots.hand_out(Height(0), 0)
    assert len(chunks) == count
    assert snapshot_root(list(map(chunk_hash, chunks))) == ledger.outcomes[23].snapshot_root
    assert ledger.outcomes[23].history_leaf.snapshot_root == ledger.outcomes[23].snapshot_root


def test_an_outcome_that_names_another_snapshot_is_not_applied(ledger: Ledger) -> None:
    """T34"""
    ledger.go_to(16)
    follower, _ = ledger.fresh()
    for made, outcome in list(zip(ledger.blocks, ledger.outcomes, strict=True))[:15]:
        follower.apply(made.header, outcome)
    before = follower.state_digest()
    for root in (NO_DIGEST, Digest(bytes(31) + b"\x01")):
        with pytest.raises(OperatorFault, match="names another snapshot"):
            follower.apply(
                ledger.blocks[15].header, replace(ledger.outcomes[15], snapshot_root=root)
            )
    assert follower.state_digest() == before
    follower.apply(ledger.blocks[15].header, ledger.outcomes[15])


def test_no_block_pays_for_more_than_its_share() -> None:
    ledger = Ledger()
    items = {number: b"x" * 600 for number in range(20_000)}
    capture = Capture(
        state_at(ledger, due=400),
        [table_of(items)],
        ledger.genesis.chain,
        box(),
    )
    steps, sealed = [], []
    for height in range(1, 401):
        left, done = capture._left, len(capture._hashes)
        capture.advance(Height(height))
        steps.append(left - capture._left)
        sealed.append(len(capture._hashes) - done)
    assert max(steps) == 1
    assert max(sealed) == 1
    assert capture.count == len(capture._hashes) > 10


def test_a_new_distance_never_begins_a_snapshot_beside_another(ledger: Ledger) -> None:
    ledger.go_to(9)
    snapshots = ledger.executor.snapshots
    assert snapshots.is_due(Height(12), 12) is None
    assert snapshots.is_due(Height(16), 16) == 32
    assert snapshots.is_due(Height(17), 16) is None
    assert snapshots.is_due(Height(20), 1) is None, "never closer than eight heights"


# --- handing out ----------------------------------------------------------------------------------


def test_what_the_host_has_stored_is_dropped_and_the_rest_is_given_again(ledger: Ledger) -> None:
    ledger.go_to(16)
    taken = ledger.executor.snapshots.hand_out(Height(0), 0)
    assert ledger.executor.snapshots.hand_out(Height(0), 0) == taken
    assert ledger.executor.snapshots.hand_out(Height(3), 9) == taken, (
        "another height's chunks were stored, not these"
    )
    assert ledger.executor.snapshots.hand_out(Height(8), taken[2]) == (0, 0, 0, 0, ())


def test_a_snapshot_that_is_let_go_of_is_freed(ledger: Ledger) -> None:
    """Whoever holds itself when `settle` is called is held until the process ends."""
    ledger.go_to(8)
    first = weakref.ref(ledger.executor.snapshots._current)
    ledger.go_to(24)  # that of 16 is finished, that of 24 has begun
    gc.collect()
    assert first() is None


# --- loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_execution", [True, False])
def test_a_replica_that_loaded_comes_to_the_same_outcomes_and_to_the_same_snapshots(
    ledger: Ledger, by_execution: bool
) -> None:
    taken = ledger.taken()
    ledger.go_to(26)
    executor, loader = ledger.fresh()
    load(loader, taken)
    assert executor.height == 8
    ledger.follow(executor, 8, by_execution=by_execution)
    made, again = (
        one.snapshots.hand_out(Height(8), taken.count) for one in (ledger.executor, executor)
    )
    assert made == again
    assert made[0] == 16


def test_sessions_go_on_after_a_load_and_replays_stay_refused(ledger: Ledger) -> None:
    """T07: windows, closed one-shots and statements are in the snapshot."""
    opening = ledger.open(
        "alice", ledger.call("payments.transfer", to="bob", amount=1), close=True
    )[1]
    ledger.commit(opening)
    taken = ledger.taken()
    executor, loader = ledger.fresh()
    load(loader, taken)
    ledger.follow(executor, 8, by_execution=True)
    made = ledger.make({0: [[ledger.replayed, opening, pay(ledger, ledger.alice)]]})
    (outcome,) = executor.execute(ledger.run_of(made), [made.batches])
    assert codes(outcome) == ["duplicate", "duplicate", "executed"]


def test_only_a_process_that_did_nothing_yet_loads(ledger: Ledger) -> None:
    taken = ledger.taken()
    executor, loader = ledger.fresh()
    executor.apply(ledger.blocks[0].header, ledger.outcomes[0])
    with pytest.raises(LoadRefused, match="start it again"):
        load(loader, taken)
    executor, loader = ledger.fresh()
    load(loader, taken)
    with pytest.raises(LoadRefused, match="start it again"):
        load(loader, taken)


def test_out_of_order_is_refused(ledger: Ledger) -> None:
    taken = ledger.taken()
    executor, loader = ledger.fresh()
    with pytest.raises(LoadRefused, match="LOAD comes first"):
        loader.add(0, taken.chunks[0])
    with pytest.raises(LoadRefused, match="LOAD comes first"):
        loader.end()
    with pytest.raises(LoadRefused, match="chunk 1, expected 0"):
        _begun(loader, taken).add(1, taken.chunks[0])
    with pytest.raises(LoadRefused, match="LOAD comes first"):
        loader.add(0, taken.chunks[0])
    load(loader, taken)
    assert executor.height == 8


def _begun(loader: Loader, taken: Taken) -> Loader:
    loader.begin(
        taken.header, taken.leaf, taken.path, taken.certified, taken.certificate, taken.count
    )
    return loader


def _other_height(ledger: Ledger, taken: Taken) -> Taken:
    return replace(taken, header=ledger.blocks[6].header)


def _other_leaf(ledger: Ledger, taken: Taken) -> Taken:
    return replace(
        taken, leaf=ledger.outcomes[14].history_leaf, path=ledger.history.path(Height(15), 17)
    )


def _forged_root(_: Ledger, taken: Taken) -> Taken:
    return replace(taken, leaf=replace(taken.leaf, snapshot_root=Digest(b"\x07" * 32)))


def _leaf_of_another_height(_: Ledger, taken: Taken) -> Taken:
    return replace(taken, leaf=replace(taken.leaf, height=Height(15)))


def _too_few_signers(ledger: Ledger, taken: Taken) -> Taken:
    return replace(taken, certificate=ledger.certificate(taken.certified, signers=(0, 1)))


def _another_block_certified(ledger: Ledger, taken: Taken) -> Taken:
    return replace(taken, certificate=ledger.certificate(ledger.blocks[15].header))


def _anchor_below(ledger: Ledger, taken: Taken) -> Taken:
    header = ledger.blocks[15].header
    return replace(taken, certified=header, certificate=ledger.certificate(header))


def _flipped(_: Ledger, taken: Taken) -> Taken:
    first = bytearray(taken.chunks[0])
    first[100] ^= 1
    return replace(taken, chunks=(bytes(first), *taken.chunks[1:]))


def _cut(_: Ledger, taken: Taken) -> Taken:
    return replace(taken, chunks=(taken.chunks[0][:-1], *taken.chunks[1:]))


FORGERIES: list[Callable[[Ledger, Taken], Taken]] = [
    _other_height,
    _other_leaf,
    _forged_root,
    _leaf_of_another_height,
    _too_few_signers,
    _another_block_certified,
    _anchor_below,
    _flipped,
    _cut,
]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__.strip("_"))
def test_a_forged_snapshot_is_refused_and_changes_nothing(
    ledger: Ledger, forge: Callable[[Ledger, Taken], Taken]
) -> None:
    """T34, T40: another height, leaf, root, certificate or anchor; flipped or cut bytes."""
    taken = ledger.taken()
    executor, loader = ledger.fresh()
    before = executor.state_digest()
    with pytest.raises(LoadRefused):
        load(loader, forge(ledger, taken))
    assert (executor.height, executor.state_digest()) == (0, before)
    load(loader, taken)  # as it was: the right one is still taken


def test_chunks_that_an_enclave_made_but_no_quorum_named_are_refused(ledger: Ledger) -> None:
    """T34: a broken enclave has the ledger secret; what it seals opens, and is not what the history
    names."""
    taken = ledger.taken()
    secrets = ledger.cluster.secrets[1]
    sealing = SnapshotBox(ledger.genesis.chain, taken.header, secrets.snapshot_box)
    plain = sealing.open(0, taken.count, taken.chunks[0])
    place = plain.rindex(b"savings")
    forged = plain[:place] + b"Savings" + plain[place + 7 :]
    executor, loader = ledger.fresh()
    before = executor.state_digest()
    with pytest.raises(LoadRefused, match="not those that a quorum named"):
        load(loader, taken, chunks=[sealing.seal(0, taken.count, forged), *taken.chunks[1:]])
    assert (executor.height, executor.state_digest()) == (0, before)


# --- several chunks -------------------------------------------------------------------------------


@cache
def large() -> tuple[Ledger, Taken]:
    """A ledger whose snapshot takes several chunks."""
    ledger = Ledger()
    pairs = ledger.executor._runner.state.maps[PAIRS]
    for number in range(4_000):
        pairs.restore((f"pair {number}", number), "x" * 1_000)
    return ledger, ledger.taken()


def test_a_snapshot_of_several_chunks_is_loaded() -> None:
    ledger, taken = large()
    assert taken.count > 3
    assert {len(chunk) - TAG_SIZE for chunk in taken.chunks[:-1]} == {CHUNK_BYTES}
    executor, loader = ledger.fresh()
    load(loader, taken)
    ledger.follow(executor, 8, by_execution=True)


def _swapped(chunks: list[bytes]) -> list[bytes]:
    return [chunks[1], chunks[0], *chunks[2:]]


def _twice(chunks: list[bytes]) -> list[bytes]:
    return [chunks[0], chunks[0], *chunks[2:]]


def _without_last(chunks: list[bytes]) -> list[bytes]:
    return chunks[:-1]


def _one_more(chunks: list[bytes]) -> list[bytes]:
    return [*chunks, chunks[-1]]


@pytest.mark.parametrize(
    "change", [_swapped, _twice, _without_last, _one_more], ids=lambda one: one.__name__
)
@pytest.mark.parametrize("told", ["the count", "what is given"])
def test_swapped_missing_and_surplus_chunks_are_refused(
    change: Callable[[list[bytes]], list[bytes]], told: str
) -> None:
    """T40: whatever count the host tells."""
    ledger, taken = large()
    executor, loader = ledger.fresh()
    before = executor.state_digest()
    chunks = change(list(taken.chunks))
    with pytest.raises(LoadRefused):
        load(
            loader, taken, chunks=chunks, count=taken.count if told == "the count" else len(chunks)
        )
    assert (executor.height, executor.state_digest()) == (0, before)


def test_a_chunk_of_another_height_or_another_chain_is_refused() -> None:
    """T40"""
    ledger, taken = large()
    ledger.executor.snapshots.hand_out(Height(8), taken.count)
    ledger.go_to(24)
    height, _, count, _, chunks = ledger.executor.snapshots.hand_out(Height(8), taken.count)
    assert (height, count) == (16, taken.count)
    elsewhere = Ledger.__new__(Ledger)
    Chain.__init__(
        elsewhere, make_cluster_genesis(4, programs=("probe",), limits={"snapshot_blocks": BLOCKS})
    )
    elsewhere.go_idle(16)
    foreign = elsewhere.executor.snapshots.hand_out(Height(0), 0)[4][0]
    for chunk in (chunks[0], foreign):
        _, loader = ledger.fresh()
        with pytest.raises(LoadRefused, match="box does not open"):
            load(loader, taken, chunks=[chunk, *taken.chunks[1:]])


def test_a_chunk_opens_in_its_own_place_only() -> None:
    """T40: chain, epoch, height, block, index and count are all bound, each by itself."""
    ledger = Ledger()
    header, chain = ledger.genesis.header, ledger.genesis.chain
    sealed = SnapshotBox(chain, header, box()).seal(3, 7, b"state")
    assert SnapshotBox(chain, header, box()).open(3, 7, sealed) == b"state"
    others = [
        (SnapshotBox(ChainId(bytes(32)), header, box()), 3, 7),
        (SnapshotBox(chain, replace(header, epoch=Epoch(1)), box()), 3, 7),
        (SnapshotBox(chain, replace(header, height=Height(1)), box()), 3, 7),
        (SnapshotBox(chain, replace(header, time_ms=Milliseconds(1)), box()), 3, 7),
        (SnapshotBox(chain, header, box()), 4, 7),
        (SnapshotBox(chain, header, box()), 3, 8),
    ]
    for other, index, count in others:
        with pytest.raises(DoesNotOpen):
            other.open(index, count, sealed)


def test_the_root_binds_the_number_of_chunks() -> None:
    """Otherwise an inner node could stand for a chunk."""
    hashes = [chunk_hash(b"%d" % number) for number in range(4)]
    pairs = [merkle.root_of(hashes[:2]), merkle.root_of(hashes[2:])]
    assert merkle.root_of(hashes) == merkle.root_of(pairs)
    assert snapshot_root(hashes) != snapshot_root(pairs)


def test_a_map_that_was_scanned_before_is_scanned_anew_after_a_load() -> None:
    state = State([PAIRS])
    pairs = state.maps[PAIRS]
    pairs.restore(("b", 1), "old")
    assert [key for key, _ in pairs.items()] == [("b", 1)]
    state.install({("probe", "pairs"): {("c", 1): "x", ("a", 1): "y"}})
    assert list(pairs.items()) == [(("a", 1), "y"), (("c", 1), "x")]
    state.install({})
    assert list(pairs.items()) == []


# --- keys -----------------------------------------------------------------------------------------


def test_no_session_secret_is_in_a_snapshot() -> None:
    """P10: a session's key is there only in its box, under the input secret."""
    ledger = Ledger()
    taken = ledger.taken()
    secrets = ledger.cluster.secrets[1]
    sealing = SnapshotBox(ledger.genesis.chain, taken.header, secrets.snapshot_box)
    plain = b"".join(
        sealing.open(index, taken.count, chunk) for index, chunk in enumerate(taken.chunks)
    )
    table = ledger.executor._tables.current
    assert secrets.input is not None
    hidden = [secrets.input.reveal(), secrets.ledger.reveal()]
    for session in (ledger.alice, ledger.bob):
        kept = table.find(session.id)
        assert kept is not None
        assert kept.box is not None
        assert kept.box in plain
        hidden.append(table.keys_of(session.id, kept)._secret.reveal())
    assert not [secret for secret in hidden if secret in plain]


def test_with_the_input_secret_erased_a_snapshot_opens_and_no_envelope_does() -> None:
    """P10, T13: an old snapshot and all of today's keys open nothing that clients sealed."""
    ledger = Ledger()
    taken = ledger.taken()
    keyring = Keyring([ledger.cluster.secrets[1].without_input()])
    executor, loader = ledger.fresh(keyring)
    load(loader, taken)
    assert executor.height == 8
    made = ledger.blocks[8]
    with pytest.raises(KeysNeeded):
        executor.execute(ledger.run_of(made, parent=executor.header), [made.batches])
    table = executor._tables.current
    session = table.find(ledger.alice.id)
    assert session is not None
    with pytest.raises(KeysNeeded):
        table.keys_of(ledger.alice.id, session)
    ledger.follow(executor, 8, by_execution=False)  # it goes on by write sets


def test_without_the_ledger_secret_nothing_is_loaded() -> None:
    ledger = Ledger()
    taken = ledger.taken()
    _, loader = ledger.fresh(Keyring())
    with pytest.raises(KeysNeeded):
        load(loader, taken)


# --- through epochs, and through the door ---------------------------------------------------------


def test_a_member_loads_a_snapshot_of_a_later_epoch_and_is_as_good_as_the_others() -> None:
    """Grace, wish, registry, active clock and what is to be erased are all there."""
    world = new_world()
    session, opening = world.open("alice")
    world.commit(opening)
    world.govern("rotate", compromised=False)
    world.turn_epoch()
    while world.tip.height % BLOCKS:
        world.commit()
    taken = world_taken(world)
    node = world.nodes["n1"]
    again = world.boot("n1", node.chip, node.member.sealed())
    learner = again.core.learner
    with pytest.raises(Refusal, match="epoch 1 is not known"):
        ask(again.core, Op.LOAD, *wire(taken))
    learner.extend(world.entries)
    ask(again.core, Op.LOAD, *wire(taken))
    for index, chunk in enumerate(taken.chunks):
        ask(again.core, Op.LOAD_CHUNK, index, chunk)
    ask(again.core, Op.LOAD_END)
    assert again.height == taken.header.height
    assert again.governance.document()
    world.nodes["n1"] = again
    world.catch_up(again)
    world.finish(again)
    assert again.member.status()[:2] == world.nodes["n0"].member.status()[:2]
    assert again.governance.document() == world.nodes["n0"].governance.document()
    assert list(world.commit(transfer_in(world, session)).codes) == [
        0
    ]  # in its grace still; all four came to one outcome
    world.commit(after_ms=120_000)
    assert list(world.commit(transfer_in(world, session)).codes) == [5]


def new_world() -> World:
    """Real enclaves, of a service that takes a snapshot every eight heights."""
    return World(make_cluster_genesis(4, limits={"snapshot_blocks": BLOCKS}))


def transfer(world: World) -> Any:
    return world.call("payments.transfer", to="bob", amount=1)


def transfer_in(world: World, session: ClientSession) -> bytes:
    return session.seal_call(transfer(world))[1]


def ask(core: Lifecycle, op: Op, *arguments: object) -> Any:
    """Through the door, as bytes."""
    return decode_answer(answer_to(core, encode_request(op, *arguments)))


def wire(taken: Taken) -> tuple[object, ...]:
    """Arguments of LOAD."""
    certified, certificate = taken.certified.encoded, taken.certificate.to_wire()
    return (
        taken.header.encoded,
        taken.leaf.encode(),
        taken.path,
        certified,
        certificate,
        taken.count,
    )


def world_taken(world: World) -> Taken:
    """The newest snapshot, its root named and anchored, its chunks taken through a member."""
    height = world.tip.height
    while world.tip.height <= height + BLOCKS:
        world.commit()
    stored: dict[int, dict[int, bytes]] = {}
    asked = (Height(0), 0)
    while (answer := ask(world.nodes["n0"].core, Op.SNAPSHOT, *asked))[0]:
        at, _, _, first, chunks = answer
        stored.setdefault(at, {}).update(enumerate(chunks, first))
        asked = (Height(at), first + len(chunks))
    history = HistoryTree(world.cluster.verified.header)
    for outcome in world.outcomes:
        history.append(Outcome.decode(outcome).history_leaf)
    named = Outcome.decode(world.outcomes[height + BLOCKS - 1])
    newest = world.blocks[-1]
    return Taken(
        world.blocks[height - 1].header,
        named.history_leaf,
        history.path(named.height, newest.header.anchor.height + 1),
        newest.header,
        newest.certificate,
        tuple(stored[height][index] for index in sorted(stored[height])),
    )


def test_the_door_reads_strictly() -> None:
    """LOAD and its like take canonical arguments only, and a refusal says why."""
    world = new_world()
    core = world.nodes["n0"].core
    for op, arguments in (
        (Op.SNAPSHOT, (1,)),
        (Op.SNAPSHOT, (-1, 0)),
        (Op.LOAD, (b"", b"", (), b"", (), 1)),
        (Op.LOAD_CHUNK, (0, "text")),
        (Op.LOAD_END, (1,)),
    ):
        with pytest.raises(Refusal) as refused:
            decode_answer(answer_to(core, encode_request(op, *arguments)))
        assert refused.value.kind.label == "NotCanonical"
    with pytest.raises(Refusal) as refused:
        decode_answer(answer_to(core, encode_request(Op.LOAD_END)))
    assert refused.value.kind.label == "LoadRefused"
    assert decode_answer(answer_to(core, encode_request(Op.SNAPSHOT, 0, 0))) == (0, 0, 0, 0, ())


def test_a_history_leaf_is_read_back_as_it_was() -> None:
    leaf = HistoryLeaf(Height(3), *(Digest(bytes([number]) * 32) for number in range(4)))
    assert HistoryLeaf.decode(leaf.encode()) == leaf
    for broken in (leaf.encode()[:-1], b"x" + leaf.encode()[1:]):
        with pytest.raises(NotCanonical):
            HistoryLeaf.decode(broken)
