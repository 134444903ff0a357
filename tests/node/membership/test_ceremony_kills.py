"""`kill -9` in every step of a founding, before and after each write: whoever asks again goes on,
says nothing else than before, and ends with a folder that is whole (DESIGN §5, Genesis)."""

import fcntl
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.node.membership.ceremony_world import (
    CODE,
    KILLS_MAX,
    NOW_MS,
    Killed,
    Organisation,
    World,
    kill_at,
    proposal_of,
    run_in_process,
    world,
)

from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.proofs.genesis import pin_of
from strongroom.node.cli.found_given import node_of
from strongroom.node.cluster import publishing
from strongroom.node.cluster.publishing import finish_founding
from strongroom.node.config import Address, NodeConfig, load
from strongroom.node.layout import SEALED_STATE, ClusterLayout, NodeLayout
from strongroom.node.membership import ceremony_sealing
from strongroom.node.membership import ceremony_steps as steps
from strongroom.node.membership.ceremony_answers import Acceptance, FoundingFile
from strongroom.node.membership.ceremony_judging import judge_acceptance
from strongroom.node.membership.node_folder import make_folder

MODULES = (steps, ceremony_sealing, publishing)


@pytest.fixture(autouse=True)
def code(monkeypatch: pytest.MonkeyPatch) -> None:
    run_in_process(monkeypatch, lambda _: CODE)


class Machine:
    """One organisation's, on which the process ends at every point of a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, one: Organisation, spare: Path) -> None:
        self._patch, self._folder, self._spare = monkeypatch, one.layout.cluster.directory, spare

    async def killed_in(
        self, step: Callable[[], Awaitable[bytes]], then: Callable[[bytes], Awaitable[None]]
    ) -> int:
        """End in `step`, take it again, and look at what came of it; how many points there are."""
        shutil.rmtree(self._spare, ignore_errors=True)
        shutil.copytree(self._folder, self._spare)
        for at in range(KILLS_MAX):
            with self._patch.context() as patched, suppress(Killed):
                kill_at(patched, MODULES, at)
                await step()
                return at
            await then(await step())
            shutil.rmtree(self._folder)
            shutil.copytree(self._spare, self._folder)
        raise AssertionError("a step without an end")


async def test_whoever_is_killed_takes_the_step_again_and_ends_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await (await world(tmp_path)).accept()
    founder = made.founder
    machine = Machine(monkeypatch, founder, tmp_path / "spare")

    async def made_by_all(founding: bytes) -> None:
        shown = World(made.organisations, made.proposal, made.acceptances, founding)
        assert await shown.confirm_one(founder)

    async def make() -> bytes:
        return await steps.make_founding(
            founder.party, made.proposal, made.acceptances, now_ms=NOW_MS
        )

    assert await machine.killed_in(make, made_by_all) >= 4
    await made.make()

    async def same(confirmation: bytes) -> None:
        assert confirmation == await made.confirm_one(founder)

    assert await machine.killed_in(lambda: made.confirm_one(founder), same) >= 12
    await made.confirm()
    pin = pin_of(FoundingFile.decode(made.founding).chain)

    async def seal() -> bytes:
        told = finish_founding(founder.party, made.proposal, made.founding, made.confirmations)
        return told.encode()

    async def whole(told: bytes) -> None:
        assert told.decode() == pin
        layout = founder.layout
        assert len(load(layout.config).peers) == 3
        state, genesis = layout.sealed / SEALED_STATE, layout.cluster.genesis
        Lifecycle(SimulatedChip.load(layout.chip), CODE).unseal(
            state.read_bytes(), genesis.read_bytes()
        )
        assert layout.cluster.service.exists()
        assert layout.cluster.ca.exists()
        left = {path.name for path in layout.ceremony.directory.iterdir()}
        assert not left & {"sealed-keys", "sealed-state"}

    assert await machine.killed_in(seal, whole) >= 14


@pytest.mark.parametrize("instead", [False, True])
async def test_whoever_is_killed_while_it_accepts_has_said_one_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instead: bool
) -> None:
    made = await world(tmp_path)
    one = made["bank2"]
    if instead:
        await made.accept()
        made.proposal = proposal_of(made.cards, salt=b"another".ljust(32)).encode()

    async def accept() -> bytes:
        return await steps.accept(
            one.party, made.proposal, made.cards, now_ms=NOW_MS, instead=instead
        )

    async def its_keys_are_those_of_its_word(acceptance: bytes) -> None:
        assert await accept() == acceptance
        files = one.layout.ceremony
        core = Lifecycle(SimulatedChip.load(one.layout.chip), CODE)
        core.resume_founding(files.keys.read_bytes())
        assert files.proposal.read_bytes() == made.proposal
        agreed = steps.accepted_proposal(one.party, made.proposal)
        _, enclave = judge_acceptance(agreed, acceptance)
        assert core._founding is not None
        assert enclave.claims.node_key == core._founding.node.public
        assert Acceptance.decode(acceptance).proposal == agreed.proposal.digest

    machine = Machine(monkeypatch, one, tmp_path / "spare")
    points = await machine.killed_in(accept, its_keys_are_those_of_its_word)
    assert points >= (24 if instead else 20)


async def test_a_folder_that_was_half_made_is_no_node_and_goes(tmp_path: Path) -> None:
    made = await world(tmp_path)
    folder = made["bank1"].layout.cluster.directory
    left = folder / ".n1.making-abc"
    shutil.copytree(folder / "n1", left)
    assert node_of(folder, None).name == "n1"
    layout = NodeLayout(folder / "n1")
    shutil.rmtree(layout.directory)
    config = NodeConfig(
        name="n1",
        directory=layout.directory,
        genesis=ClusterLayout(folder).genesis,
        rpc=Address("127.0.0.2", 7400),
        peer=Address("127.0.0.2", 7410),
    )
    held = os.open(left, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)  # its maker lives
    await make_folder(config)
    assert left.exists()
    os.close(held)
    shutil.rmtree(layout.directory)
    await make_folder(config)
    assert not left.exists()
    assert load(layout.config).name == "n1"
