"""A dead service's node: what of its ledger goes on, and that a kill at any place loses nothing
(VAULT §7; T45)."""

import asyncio
import errno
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.enclave.dead_service import Dead, died, given, recovery_key
from tests.node.membership.recovering_world import (
    Killed,
    Kills,
    World,
    left_on_disk,
    played,
)
from typer.testing import CliRunner

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.governance import recovery_public as says
from strongroom.enclave.governance.recovery import PAUSE_MS
from strongroom.enclave.governance.recovery_actions import KEY_PAUSE_MS
from strongroom.enclave.keys.recovery import make_generation
from strongroom.enclave.outside.recovery_giving import Offer
from strongroom.node.cli.main import make_app
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.machine.durable_files import DiskFault
from strongroom.node.membership import recovering, recovering_end, recovering_folder
from strongroom.node.membership.recovering_end import open_ledger
from strongroom.node.membership.recovering_folder import AlreadyDone, NotHere
from strongroom.node.membership.recovering_ledger import LedgerDamaged

ORDERED = 2
"""Blocks that the service ordered and did not execute before it died."""
OPERATIONS_AT_LEAST = 4
"""Of the disk, in one step: a test that counts fewer watches nothing."""


@pytest.fixture(scope="module")
def dead() -> Dead:
    return died(lost=ORDERED)


@pytest.fixture
def world(dead: Dead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return played(monkeypatch, dead, left_on_disk(dead, tmp_path / "n0"))


def codes_of(data: bytes) -> set[int]:
    return set(Outcome.decode(data).codes)


async def test_a_ledger_as_it_was_left_goes_on_from_its_end(world: World) -> None:
    end = await world.begin()
    newest = len(world.dead.records)
    assert (end.certified, end.executed) == (newest, newest - ORDERED)
    assert [note.split(":")[0] for note in end.notes] == ["not-executed"]
    assert f"{ORDERED} transactions" in end.notes[0]
    made = await world.recover()
    assert made.opening.height == newest + 1
    ledger = world.ledger()
    assert [codes_of(outcome) for _, outcome in ledger[-3:]] == [{Code.LOST}, {Code.LOST}, set()]
    assert world.node().mark == (made.opening.height, made.opening.digest)
    walks = {reached.what for reached in world.told if reached.height == reached.of}
    assert walks == {"following the ledger", "applying outcomes"}
    assert not world.folder.before.exists()


@pytest.mark.parametrize("left", [1, ORDERED])
async def test_blocks_that_nobody_certified_are_left_out_and_kept_aside(
    dead: Dead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """As a crash of all nodes leaves it: the newest run was written, and its certificate was
    not."""
    certified, executed = len(dead.records) - left, len(dead.records) - ORDERED
    layout = left_on_disk(dead, tmp_path / "n0", certified=certified)
    world = played(monkeypatch, dead, layout)
    end = recovering.look(layout)
    assert (end.certified, end.executed, end.ordered) == (certified, executed, ORDERED - left)
    assert (end.newest_block, end.uncertified) == (len(dead.records), left)
    assert end.notes[0].startswith("uncertified-tail")
    made = await world.recover()
    assert made.head.header.height == certified
    ledger = world.ledger()
    assert len(ledger) == certified + 1 == made.opening.height
    before = left_on_disk(dead, tmp_path / "compare", certified=certified)
    for path in before.ledger.iterdir():
        kept = world.folder.before / "ledger" / path.name
        assert kept.stat().st_size == path.stat().st_size
    assert StoredBlock.decode(ledger[-1][0]).header == made.opening


def shares_anew(dead: Dead) -> int:
    """Members take other keys, and shares made to them come into force with the newest block; the
    height whose rules are the older ones."""
    chain = dead.chain
    chain.step_ms = KEY_PAUSE_MS + 1
    chain.commit()
    older = {name: chain.members_keys[name] for name in chain.names}
    at = int(chain.tip.height)
    chain.commit(
        *[
            chain.say(key, says.RECOVERY_KEY, (recovery_key(f"{name} anew").public, b"", at))
            for name, key in older.items()
        ]
    )
    missing = chain.executor.governance.recovery_due(Milliseconds(chain.tip.time_ms + PAUSE_MS))
    assert missing is not None
    one = make_generation(
        chain=chain.genesis.chain,
        number=missing.number,
        basis=missing.basis,
        threshold=missing.threshold,
        members=missing.members,
        secrets=[chain.cluster.secrets[0].without_input()],
    )
    nodes = [keys.node for keys in chain.cluster.keys]
    chain.commit(chain.say(nodes[0], says.GENERATION, (one.number, 0, 1, one.encode())))
    checked = [chain.say(node, says.CHECKED, (one.number, one.digest)) for node in nodes[1:3]]
    held = [
        chain.say(older[name], says.SHARE_HELD, (one.number, one.digest))
        for name in chain.names[: one.needed]
    ]
    before = int(chain.tip.height)
    chain.commit(*checked, *held)
    dead.records = chain.records()
    return before


async def test_shares_that_no_certified_block_anchors_are_not_the_ones_that_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may agree under them, no quorum has said: the outcomes from there on do not count."""
    dead = died()
    before = shares_anew(dead)
    layout = left_on_disk(dead, tmp_path / "n0")
    world = played(monkeypatch, dead, layout)
    end = recovering.look(layout)
    assert (end.certified, end.newest_outcome, end.executed) == (before + 1, before + 1, before)
    names = [note.split(":")[0] for note in end.notes]
    assert names == ["unanchored-change", "not-executed"]
    made = await world.recover()
    assert (made.rules.generation, made.opening.anchor.height) == (1, before)
    ledger = world.ledger()
    assert len(ledger) == before + 2
    assert codes_of(ledger[before][1]) == {Code.LOST}
    assert (world.folder.before / "ledger").exists()


async def test_outcomes_that_the_certified_block_anchors_must_be_there(
    dead: Dead, tmp_path: Path
) -> None:
    layout = left_on_disk(dead, tmp_path / "n0", executed=3)
    with pytest.raises(OperatorFault, match=r"outcomes-missing.*height 3.*another node's"):
        recovering.look(layout)


async def test_a_damaged_ledger_says_where_and_what_to_do(world: World) -> None:
    (path,) = world.layout.ledger.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    shutil.rmtree(world.layout.index)
    with pytest.raises(LedgerDamaged, match=r"ledger-damaged.*byte .*take another node's"):
        await world.begin()
    assert path.read_bytes() == bytes(data)
    shutil.rmtree(world.layout.ledger)
    with pytest.raises(OperatorFault, match="no ledger in"):
        await world.begin()


async def test_a_torn_end_is_cut_and_the_rest_goes_on(world: World) -> None:
    (path,) = world.layout.ledger.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    shutil.rmtree(world.layout.index)
    made = await world.recover()
    assert world.ledger()[-1][0] == StoredBlock(made.opening, made, ()).encode()


async def test_a_full_disk_ends_a_step_with_a_sentence_and_it_is_done_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    for step in (World.begin, World.plan, lambda one: one.take("member0", "member1"), World.open):
        with monkeypatch.context() as patch:
            patch.setattr(recovering_folder, "write_atomic", full)
            with pytest.raises(DiskFault, match=r"no space left for .*: free some, then restart"):
                await step(world)
        await step(world)
    assert world.folder.done.exists()


# --- steps out of order ---


async def test_begun_twice_it_goes_on_and_another_ledger_is_noticed(
    world: World, dead: Dead, tmp_path: Path
) -> None:
    await world.begin()
    first = (await world.plan()).plan.statement
    state = world.folder.state.read_bytes()
    await world.begin()
    assert (await world.plan()).plan.statement == first
    assert world.folder.state.read_bytes() != b"" != state
    shorter = left_on_disk(dead, tmp_path / "other", certified=len(dead.records) - 1)
    shutil.rmtree(world.layout.index)
    shutil.rmtree(world.layout.ledger)
    shorter.ledger.rename(world.layout.ledger)
    with pytest.raises(OperatorFault, match=r"another-ledger.*move that folder away"):
        await world.begin()


async def test_a_step_before_its_time_says_which_comes_first(world: World) -> None:
    for step in (world.plan(), world.open()):
        with pytest.raises(NotHere, match="`recover begin` comes first"):
            await step
    await world.begin()
    with pytest.raises(NotHere, match="`recover plan` comes first"):
        await recovering.take(world.layout, world.genesis, [])


async def test_once_it_is_through_no_step_touches_it_again(world: World) -> None:
    """Above all not the sealed keys of a node that has gone on since: with older ones it could say
    what it has said otherwise."""
    await world.recover()
    gone_on = b"what the enclave has sealed since"
    (world.layout.sealed / SEALED_STATE).write_bytes(gone_on)
    for step in (world.open(), world.plan(), world.take("member1")):
        with pytest.raises(AlreadyDone, match="start the node"):
            await step
    assert not world.folder.state.exists()
    assert not world.folder.end.exists()
    assert (world.layout.sealed / SEALED_STATE).read_bytes() == gone_on
    shutil.rmtree(world.layout.sealed)
    with pytest.raises(AlreadyDone, match="move that folder away"):
        await world.begin()


async def test_a_node_that_was_started_before_the_last_file_was_gone_keeps_its_keys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(world.folder), "finish", killed)
        with pytest.raises(Killed):
            await world.recover()
    gone_on = b"what the enclave has sealed since"
    (world.layout.sealed / SEALED_STATE).write_bytes(gone_on)
    await world.open()
    assert (world.layout.sealed / SEALED_STATE).read_bytes() == gone_on


def node_key(evidence: bytes) -> bytes:
    return Claims.decode(Evidence.decode(evidence).claims).node_key


async def test_several_nodes_come_back_together_from_files_alone(
    dead: Dead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds = [
        played(monkeypatch, dead, left_on_disk(dead, tmp_path / name)) for name in ("n0", "n1")
    ]
    shown = []
    for world in worlds:
        await world.begin()
        shown.append(world.folder.evidence.read_bytes())
    lead, other = worlds
    if node_key(shown[0]) > node_key(shown[1]):
        lead, other = other, lead
    with pytest.raises(Refusal, match="its key is the lowest"):
        await recovering.plan(other.layout, other.genesis, shown)
    await recovering.plan(lead.layout, lead.genesis, shown)
    with pytest.raises(NotHere, match="`recover plan` or, with the lead's offer, `recover join`"):
        await other.open()
    offer = lead.folder.offer.read_bytes()
    for _ in range(2):
        await recovering.join(other.layout, other.genesis, offer)
    await lead.take("member1", "member3")
    await lead.open()
    (handed,) = lead.layout.recovery.glob("for-*")
    await open_ledger(other.layout, other.genesis, handed.read_bytes(), progress=other.told.append)
    assert other.ledger() == lead.ledger()
    assert other.layout.sealed.joinpath(SEALED_STATE).exists()


# --- kills ---


async def killed_before_each(
    step: Callable[[World], Awaitable[object]],
    image: Path,
    dead: Dead,
    monkeypatch: pytest.MonkeyPatch,
) -> list[World]:
    """A step on copies of a folder: killed before the first operation of the disk, before the
    second, and so on, and done again after each kill; the worlds after that."""
    worlds: list[World] = []
    killed = True
    while killed:
        folder = image.parent / f"{image.name}-{len(worlds)}" / "n0"
        shutil.copytree(image, folder)
        with monkeypatch.context() as patch:
            worlds.append(world := played(patch, dead, NodeLayout(folder)))
            kills = Kills(patch)
            kills.before(len(worlds))
            with suppress(Killed):
                await step(world)
            killed = kills.killed
            kills.never()
            with suppress(AlreadyDone):
                await step(world)
    return worlds


async def test_T45_a_kill_between_any_two_operations_of_the_disk_loses_nothing_before_it_opens(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each step but the last: what comes after it goes on as if nothing had been."""
    steps: list[tuple[Callable[[World], Awaitable[object]], tuple[str, ...]]] = [
        (World.begin, ()),
        (World.plan, ()),
        (lambda one: one.take("member0"), ("member0",)),
    ]
    for number, (step, gave) in enumerate(steps):
        image = tmp_path / f"before-{number}"
        shutil.copytree(world.layout.directory, image)
        await step(world)
        worlds = await killed_before_each(step, image, world.dead, monkeypatch)
        assert len(worlds) > OPERATIONS_AT_LEAST
        for one in worlds:
            told = await recovering.progress_of(one.layout, one.genesis)
            assert (told.planned, told.given) == (number > 0, gave)
    await world.take("member2")
    made = await world.open()
    assert made.members == ("member0", "member2")


@pytest.mark.parametrize("tail", [False, True], ids=["whole", "with a tail"])
async def test_T45_a_kill_between_any_two_operations_of_the_disk_loses_nothing_once_it_is_open(
    dead: Dead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tail: bool
) -> None:
    certified = len(dead.records) - ORDERED if tail else None
    layout = left_on_disk(dead, tmp_path / "n0", certified=certified)
    world = played(monkeypatch, dead, layout)
    with monkeypatch.context() as patch:
        patch.setattr(recovering_end, "_finish", lambda folder: folder.end.read_bytes())
        ended = await world.recover()
    image = tmp_path / "ended"
    shutil.copytree(layout.directory, image)
    await world.open()
    ledger, node = world.ledger(), (layout.sealed / SEALED_STATE).read_bytes()
    assert len(ledger) == (certified or len(dead.records)) + 1
    worlds = await killed_before_each(World.open, image, dead, monkeypatch)
    assert len(worlds) > OPERATIONS_AT_LEAST * 3
    for one in worlds:
        assert one.ledger() == ledger
        assert (one.layout.sealed / SEALED_STATE).read_bytes() == node
        assert one.folder.done.exists()
        assert not one.folder.state.exists()
        assert ended


async def killed_between_the_moves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open, and be gone when the ledger is aside and the shorter one is not in its place."""
    rename = os.rename

    def killed(source: Path, target: Path) -> None:
        if Path(source).name == "shorter":
            raise Killed
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(Killed):
            await world.recover()
    assert not world.layout.ledger.exists()


async def test_a_ledger_on_its_way_is_none_that_is_missing(
    dead: Dead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked first after that kill, also `recover open` with shares, which are counted
    no more."""
    layout = left_on_disk(dead, tmp_path / "n0", certified=len(dead.records) - ORDERED)
    world = played(monkeypatch, dead, layout)
    await killed_between_the_moves(world, monkeypatch)
    offer = Offer.decode(world.folder.offer.read_bytes())
    (share := tmp_path / "share").write_bytes(given(dead, offer.plan, "member0").encode())
    (genesis := tmp_path / "genesis.bin").write_bytes(world.genesis)
    layout.chip.mkdir()
    (layout.directory / "node.toml").write_text("")
    shutil.copytree(layout.directory, tmp_path / "other" / "n0")
    words = ["recover", "open", str(share), "--genesis", str(genesis), "--json", "--ledger"]
    app = make_app("recover")
    done = await asyncio.to_thread(CliRunner().invoke, app, [*words, str(layout.directory)])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["taken"] == document["refused"] == []
    assert world.folder.done.exists()
    other = World(dead, NodeLayout(tmp_path / "other" / "n0"))
    told = await recovering.progress_of(other.layout, other.genesis)
    assert told.given == ("member0", "member2")
    await other.open()
    assert other.ledger() == world.ledger()


async def test_another_ledger_in_the_place_of_one_that_is_aside_is_not_mixed_with_it(
    dead: Dead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certified = len(dead.records) - ORDERED
    layout = left_on_disk(dead, tmp_path / "n0", certified=certified)
    world = played(monkeypatch, dead, layout)
    await killed_between_the_moves(world, monkeypatch)
    found = left_on_disk(dead, tmp_path / "n1", certified=certified)
    found.ledger.rename(layout.ledger)
    for _ in range(2):
        with pytest.raises(OperatorFault, match=r"another-ledger: .*before/ledger back"):
            await world.open()
    shutil.rmtree(layout.ledger)
    shutil.copytree(world.folder.before / "ledger", layout.ledger)
    shutil.rmtree(world.folder.before / "ledger")
    made = await world.open()
    assert len(world.ledger()) == certified + 1 == made.opening.height
