"""An input secret within its grace: who holds it, loses it, gets it again, who never does (DESIGN
§5).

The ledger goes on only while a quorum executes, and executing needs the secret of the epoch before
for as long as its sessions live. So no order of restarts may leave fewer than a quorum with it.
"""

import pytest
from tests.enclave.chain import codes
from tests.enclave.hostile_host import Measured
from tests.enclave.service_world import Node, World, admitted

from strongroom.consensus.types import Epoch
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.keys.sealing import unseal_state
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.member.stage import Need
from strongroom.enclave.outside.client_sessions import ClientSession

GRACE_OVER_MS = 61_000


def rotated(*, compromised: bool = False) -> tuple[World, ClientSession]:
    """A service in epoch 1, and a session of epoch 0."""
    world = World()
    session, opening = world.open("alice")
    world.commit(opening)
    world.govern("rotate", compromised=compromised)
    world.turn_epoch()
    for node in world.nodes.values():
        node.sealed = node.member.sealed()
    return world, session


def restart(world: World, name: str) -> Node:
    """The next boot of a node from its disk; nothing was shown to it yet."""
    old = world.nodes[name]
    world.nodes[name] = again = world.boot(name, old.chip, old.sealed)
    return again


def exchange(world: World, *, asker: Node, giver: Node) -> None:
    """KEYS."""
    nonce = giver.member.keys_challenge()
    evidence = asker.member.keys_proof(nonce)
    asker.sealed = asker.member.keys_take(
        giver.member.keys_give(evidence, nonce, world.tip.time_ms)
    )


def on_disk(world: World, node: Node) -> list[int]:
    """Epochs whose input secret a sealed file holds."""
    state = unseal_state(node.chip.sealing_secret(world.cluster.measurement), node.sealed)
    return [one.epoch for one in state.secrets if one.opens]


def ring(node: Node):  # type: ignore[no-untyped-def]
    return node.core.learner.keystore.keyring


def paid(world: World, session: ClientSession, account: str) -> list[str]:
    """A call in a session of epoch 0, executed by every node."""
    _, call = session.seal_call(world.call("payments.open", account=account))
    outcome = codes(world.commit(call))
    assert {node.height for node in world.nodes.values()} == {world.tip.height}
    return outcome


# --- restarts -------------------------------------------------------------------------------------


def test_T13_a_secret_from_a_disk_is_of_no_use_before_the_ledger_has_decided_and_is_not_lost() -> (
    None
):
    """A host that shows heads, and not what they anchor, neither uses an older secret nor makes its
    node lose it."""
    world, session = rotated()
    away = world.nodes.pop("n2")
    world.commit()
    world.commit()
    world.nodes["n2"] = away
    again = restart(world, "n2")
    again.core.learner.extend(world.entries)
    world.freshen(again)
    assert (ring(again).opens(Epoch(0)), ring(again).doubted) == (False, (0,))
    assert [one.epoch for one in ring(again).all() if one.opens] == [1]
    again.sealed = again.member.sealed()
    assert on_disk(world, again) == [0, 1], "the next boot may still need it"
    again = restart(world, "n2")
    again.core.learner.extend(world.entries)
    world.freshen(again)
    world.catch_up(again)
    assert (ring(again).opens(Epoch(0)), ring(again).doubted) == (True, ())
    world.finish(again)
    assert paid(world, session, "food") == ["executed"]


def test_one_restart_after_the_other_within_the_grace_leaves_every_replica_executing() -> None:
    """Each comes back while the ledger has gone on: its disk cannot show by itself where the newest
    anchor lies."""
    world, session = rotated()
    for name in ("n0", "n1", "n2", "n3"):
        away = world.nodes.pop(name)
        world.commit(
            session.seal_call(world.call("payments.open", account=f"while {name} is away"))[1]
        )
        world.commit()
        world.nodes[name] = away
        again = restart(world, name)
        again.core.learner.extend(world.entries)
        world.freshen(again)
        world.catch_up(again)
        world.finish(again)
        assert again.member._need() != Need.KEYS
        again.sealed = again.member.sealed()
    assert paid(world, session, "food") == ["executed"]


def test_all_restarted_at_once_within_the_grace_execute_again() -> None:
    world, session = rotated()
    world.commit()
    for name in tuple(world.nodes):
        world.nodes[name].sealed = world.nodes[name].member.sealed()
        restart(world, name).core.learner.extend(world.entries)
    for node in world.nodes.values():
        world.catch_up(node)
        world.finish(node)
    assert paid(world, session, "food") == ["executed"]


def test_P10_restarted_before_the_grace_ended_and_shown_that_it_has_a_node_forgets() -> None:
    world, _ = rotated()
    away = world.nodes.pop("n3")
    world.commit(after_ms=GRACE_OVER_MS)
    world.commit()
    world.commit()
    world.nodes["n3"] = away
    again = restart(world, "n3")
    again.core.learner.extend(world.entries)
    world.freshen(again)
    assert not ring(again).opens(Epoch(0))
    world.catch_up(again)
    assert (ring(again).opens(Epoch(0)), ring(again).doubted) == (False, ())
    world.finish(again)
    again.sealed = again.member.sealed()
    assert on_disk(world, again) == [1]
    assert again.member._need() in (Need.ATTEST, Need.SUCCESSOR)
    assert ring(again).forgot, "it lies on this heap: the process is replaced"


def test_a_block_past_the_grace_is_executed_without_the_secret_of_the_epoch_before() -> None:
    """Its anchor is what lets everybody forget: waiting for the secret there would be waiting for
    ever."""
    world, session = rotated()
    for node in world.nodes.values():
        ring(node).forget_input(Epoch(0))
    block = world.next_block((session.seal_call(world.call("payments.open", account="food"))[1],))
    with pytest.raises(KeysNeeded):
        world.nodes["n0"].member.execute([(block.header, block.batches)], block.certificate)
    _, call = session.seal_call(world.call("payments.open", account="late"))
    assert codes(world.commit(call, after_ms=GRACE_OVER_MS)) == ["wrong epoch"]


# --- KEYS -----------------------------------------------------------------------------------------


def test_a_validator_that_lost_a_secret_in_grace_asks_for_it_and_is_given_it() -> None:
    world, session = rotated()
    node = world.nodes["n1"]
    ring(node).forget_input(Epoch(0))
    assert node.member.duties(world.wall_ms)[3] == Need.KEYS
    exchange(world, asker=node, giver=world.nodes["n2"])
    assert ring(node).opens(Epoch(0))
    assert on_disk(world, node) == [0, 1]
    assert paid(world, session, "food") == ["executed"]


def test_P10_nobody_is_given_a_secret_whose_grace_is_over_though_the_giver_holds_it_still() -> None:
    world, _ = rotated()
    asker, giver = world.nodes["n1"], world.nodes["n2"]
    ring(asker).forget_input(Epoch(0))
    asker_height = asker.height
    world.commit(after_ms=GRACE_OVER_MS, only={"n0", "n2", "n3"})
    assert ring(giver).opens(Epoch(0)), "its erasure waits for the anchor"
    exchange(world, asker=asker, giver=giver)
    assert (ring(asker).opens(Epoch(0)), asker.height) == (False, asker_height)


def test_P10_an_enclave_that_has_outlived_a_secret_takes_it_from_nobody() -> None:
    """The giver is behind, and its host lets it give: what was erased stays erased all the same."""
    world, _ = rotated()
    asker, giver = world.nodes["n1"], world.nodes["n2"]
    world.commit(after_ms=GRACE_OVER_MS, only={"n0", "n1", "n3"})
    ring(asker).forget_input(Epoch(0))
    exchange(world, asker=asker, giver=giver)
    assert not ring(asker).opens(Epoch(0)), "though no quorum has anchored the grace's end yet"
    world.commit(only={"n0", "n1", "n3"})
    world.commit(only={"n0", "n1", "n3"})
    assert ring(giver).opens(Epoch(0))
    exchange(world, asker=asker, giver=giver)
    assert not ring(asker).opens(Epoch(0))
    assert on_disk(world, asker) == [1]


def test_P10_after_a_compromise_there_is_no_grace_to_ask_in() -> None:
    world, _ = rotated(compromised=True)
    asker, giver = world.nodes["n1"], world.nodes["n2"]
    ring(asker).forget_input(Epoch(0))
    assert ring(giver).opens(Epoch(0)), "its erasure waits for the anchor"
    assert asker.member.duties(world.wall_ms)[3] != Need.KEYS
    exchange(world, asker=asker, giver=giver)
    assert not ring(asker).opens(Epoch(0))
    world.commit(world.open("bob")[1])
    assert asker.height == world.tip.height, "and none that a block would need"


def test_after_a_compromise_a_restart_forgets_at_once() -> None:
    world, _ = rotated(compromised=True)
    away = world.nodes.pop("n3")
    world.commit()
    world.nodes["n3"] = away
    again = restart(world, "n3")
    again.core.learner.extend(world.entries)
    world.catch_up(again)
    world.finish(again)
    assert (ring(again).opens(Epoch(0)), ring(again).doubted) == (False, ())
    world.commit(world.open("bob")[1])
    assert again.height == world.tip.height


def test_a_node_that_is_no_validator_gets_no_input_secret_neither_of_the_epoch_nor_in_grace() -> (
    None
):
    world, _ = rotated()
    joiner = admitted(world)
    exchange(world, asker=joiner, giver=world.nodes["n0"])
    assert [(one.epoch, one.opens) for one in ring(joiner).kept()] == [(0, False), (1, False)]


def test_whoever_is_suspended_attests_though_it_lacks_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets none before it has attested; asking for keys alone it would wait for ever."""
    world, _ = rotated()
    node = world.nodes["n1"]
    ring(node).forget_input(Epoch(0))
    monkeypatch.setattr(node.governance, "is_due_to_attest", lambda _: True)
    assert {node.member.duties(world.wall_ms)[3] for _ in range(4)} == {Need.KEYS, Need.ATTEST}


# --- the process that goes on ---------------------------------------------------------------------


def test_a_successor_begun_within_a_later_grace_takes_over_with_what_its_predecessor_used() -> None:
    """Rotations close together: one secret is to be erased while another is in its grace, and heads
    are ahead."""
    world, _ = rotated()
    session, opening = world.open("bob")
    world.commit(opening)
    world.govern("rotate", nonce=b"2", compromised=False)
    world.turn_epoch()
    world.commit()
    world.commit()
    node = world.nodes["n1"]
    node.sealed = node.member.sealed()
    assert on_disk(world, node) == [1, 2]
    assert node.member._need() == Need.SUCCESSOR
    core = Lifecycle(node.chip, Measured(world.cluster.measurement))  # type: ignore[arg-type]
    nonce = core.unseal_successor(node.sealed, world.cluster.genesis)
    heir = Node(node.name, node.chip, core, node.sealed)
    core.learner.extend(world.entries)
    world.freshen(heir)
    assert ring(heir).doubted == (1,)
    heir.sealed = core.take_over(node.core.hand_over(nonce))
    world.nodes["n1"] = heir
    assert (ring(heir).opens(Epoch(1)), ring(heir).doubted) == (True, ())
    world.catch_up(heir)
    world.finish(heir)
    assert paid(world, session, "food") == ["executed"]


def test_a_successor_of_a_process_in_doubt_is_in_doubt() -> None:
    world, _ = rotated()
    world.commit()
    node = restart(world, "n1")
    node.core.learner.extend(world.entries)
    world.freshen(node)
    assert ring(node).doubted == (0,)
    core = Lifecycle(node.chip, Measured(world.cluster.measurement))  # type: ignore[arg-type]
    nonce = core.unseal_successor(node.member.sealed(), world.cluster.genesis)
    sealed = core.take_over(node.core.hand_over(nonce))
    heir = Node(node.name, node.chip, core, sealed)
    assert (ring(heir).opens(Epoch(0)), ring(heir).doubted) == (False, (0,))
    assert on_disk(world, heir) == [0, 1]


def test_P10_a_successor_that_knows_of_a_graces_end_keeps_nothing_of_its_predecessor() -> None:
    """It does not end the node over it, as it once did: it forgets, and says that its own heap had
    the secret."""
    world, _ = rotated()
    node = world.nodes["n1"]
    node.sealed = node.member.sealed()
    core = Lifecycle(node.chip, Measured(world.cluster.measurement))  # type: ignore[arg-type]
    nonce = core.unseal_successor(node.sealed, world.cluster.genesis)
    heir = Node(node.name, node.chip, core, node.sealed)
    everybody = {"n0", "n2", "n3"}
    world.commit(after_ms=GRACE_OVER_MS, only=everybody)
    world.commit(only=everybody)
    world.commit(only=everybody)
    world.catch_up(heir)
    world.freshen(heir)
    assert not ring(heir).opens(Epoch(0))
    heir.sealed = core.take_over(node.core.hand_over(nonce))
    assert not ring(heir).opens(Epoch(0))
    assert on_disk(world, heir) == [1]
    assert ring(heir).forgot
