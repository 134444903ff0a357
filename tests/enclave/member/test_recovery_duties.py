"""What enclaves say of recovery by themselves: who makes a generation when, what is checked, which
epochs are added (VAULT §7; T45, T5A)."""

from dataclasses import dataclass, field
from typing import Any, cast

from tests.enclave.governance.recovery_world import RecoveryWorld, forged, secrets_of

from strongroom.consensus.types import ChainId, Epoch, PublicKey
from strongroom.enclave.governance import recovery_public as says
from strongroom.enclave.governance.recovery import CHECK_MS, PAUSE_MS
from strongroom.enclave.governance.recovery_actions import PART_BYTES_MAX
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.keys import EpochSecrets
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.keys.recovery import check_generation
from strongroom.enclave.member.duties import RANK_MS
from strongroom.enclave.member.recovery_duties import COVERS_AT_ONCE_MAX, RecoveryDuties, parts_of


@dataclass
class Keys:
    """What duties need of a key store."""

    node_key: PublicKey
    chain: ChainId
    keyring: Keyring = field(default_factory=lambda: Keyring([secrets_of(0)]))


class Enclaves:
    """The duties of every validator of a world."""

    def __init__(self, world: RecoveryWorld) -> None:
        self.world = world
        self.keys = [Keys(node.key, world.genesis.chain) for node in world.nodes]
        self.duties = [RecoveryDuties(cast(KeyStore, one), rank_ms=RANK_MS) for one in self.keys]

    def said(self, node: int, wall_ms: int | None = None) -> list[tuple[str, tuple[Any, ...]]]:
        """What one of them wants said now, as if nothing was said before."""
        wall_ms = self.world.tip.time_ms if wall_ms is None else wall_ms
        governance = self.world.governance
        return list(self.duties[node].wanted(governance, wall_ms, lambda _purpose, _ms: True))

    def order(self, *nodes: int) -> list[str]:
        """Have these say what they want, all executed; the actions."""
        found = [(node, said) for node in nodes for said in self.said(node)]
        for node, (action, fields) in found:
            self.world.ok(self.world.say(self.world.nodes[node], action, fields))
        return [action for _, (action, _) in found]

    def makers(self, wall_ms: int) -> set[int]:
        """Who would publish a generation at this time."""
        return {
            node
            for node in range(len(self.duties))
            if any(action == says.GENERATION for action, _ in self.said(node, wall_ms))
        }


def test_rank_r_waits_and_another_node_comes_first_with_each_number() -> None:
    world = RecoveryWorld()
    enclaves, now = Enclaves(world), world.tip.time_ms
    seen: list[int] = []
    for rank in range(4):
        late = now + rank * RANK_MS
        if rank:
            assert enclaves.makers(late - 1) == set(seen)
        (maker,) = enclaves.makers(late) - set(seen)
        seen.append(maker)
    liar = seen[0]
    world.ok(*world.parts(forged(world.make()), liar))
    world.pass_time(CHECK_MS)
    (first,) = enclaves.makers(world.tip.time_ms)
    assert first != liar
    assert liar not in enclaves.makers(world.tip.time_ms + 4 * RANK_MS)


def test_what_is_said_twice_is_the_same_and_what_is_made_anew_is_not() -> None:
    world = RecoveryWorld()
    enclaves, now = Enclaves(world), world.tip.time_ms + 10 * RANK_MS
    enclaves.makers(world.tip.time_ms)
    first = enclaves.said(0, now)
    assert first == enclaves.said(0, now)
    ((action, (number, part, parts, data)),) = first
    assert (action, number, part, parts) == (says.GENERATION, 1, 0, 1)
    ((_, (*_, other)),) = enclaves.said(1, now)
    assert data != other


def test_enclaves_make_check_and_extend_a_generation_by_themselves() -> None:
    world = RecoveryWorld()
    enclaves = Enclaves(world)
    (maker,) = enclaves.makers(world.tip.time_ms)
    assert enclaves.order(maker) == [says.GENERATION]
    assert enclaves.order(*range(4)) == [says.CHECKED] * 4
    assert enclaves.order(*range(4)) == []
    (record,) = world.governance.recovery.generations()
    one = world.governance.recovery.generation(record)
    check_generation(one, [secrets_of(0)])
    world.ok(*[world.held(name, one) for name in world.names[:3]])
    assert world.alarms == ()
    world.decide("rotate", compromised=False)
    world.turn()
    for keys in enclaves.keys:
        keys.keyring.add(secrets_of(1))
    said = [enclaves.said(node) for node in range(4)]
    assert said[0] == said[1] == said[2] == said[3]
    assert enclaves.order(0) == [says.EPOCH]
    assert "uncovered" in world.alarms
    assert enclaves.order(1) == [says.EPOCH]
    assert not world.alarms
    assert enclaves.order(*range(4)) == []


def test_T5A_no_enclave_says_that_a_lie_is_right() -> None:
    world = RecoveryWorld()
    enclaves = Enclaves(world)
    world.ok(*world.parts(forged(world.make()), 3))
    assert enclaves.order(*range(4)) == []
    world.pass_time(PAUSE_MS)
    assert enclaves.order(*range(4)) == []
    wrong = RecoveryWorld()
    others = Enclaves(wrong)
    of_another = EpochSecrets(epoch=Epoch(0), input_secret=None, ledger=secrets_of(9).ledger)
    wrong.ok(*wrong.parts(wrong.make(secrets=[of_another])))
    assert others.order(*range(4)) == []


def test_an_enclave_that_lacks_a_secret_makes_none_and_waits_with_its_word() -> None:
    world = RecoveryWorld()
    enclaves = Enclaves(world)
    for keys in enclaves.keys[:2]:
        keys.keyring = Keyring([])
    enclaves.makers(world.tip.time_ms)
    assert enclaves.makers(world.tip.time_ms + 10 * RANK_MS) == {2, 3}
    world.publish(3)
    assert enclaves.order(*range(4)) == [says.CHECKED] * 2
    enclaves.keys[0].keyring = Keyring([secrets_of(0)])
    assert enclaves.order(*range(4)) == [says.CHECKED]


def test_no_later_secret_is_sealed_under_suspicion_or_when_recovery_is_off() -> None:
    for compromised in (True, False):
        world = RecoveryWorld()
        world.activate()
        enclaves = Enclaves(world)
        enclaves.order(*range(4))
        world.decide("rotate", compromised=compromised)
        world.turn()
        for keys in enclaves.keys:
            keys.keyring.add(secrets_of(1))
        if not compromised:
            world.set_threshold(0)
        assert [action for action, _ in enclaves.said(0) if action == says.EPOCH] == []


def test_of_many_epochs_a_few_are_said_at_a_time() -> None:
    world = RecoveryWorld()
    world.activate()
    enclaves = Enclaves(world)
    enclaves.order(*range(4))
    for epoch in range(1, COVERS_AT_ONCE_MAX + 3):
        world.decide("rotate", compromised=False)
        world.turn()
        for keys in enclaves.keys:
            keys.keyring.add(secrets_of(epoch))
    said = [fields[1] for action, fields in enclaves.said(0) if action == says.EPOCH]
    assert said == list(range(1, COVERS_AT_ONCE_MAX + 1))
    while enclaves.order(0, 1):
        pass
    assert world.entries[0].covered == world.governance.epoch


def test_a_large_generation_is_said_in_parts() -> None:
    whole = b"x" * (2 * PART_BYTES_MAX + 1)
    parts = [cast(tuple[int, int, int, bytes], fields) for _, fields in parts_of(7, whole)]
    assert [part[:3] for part in parts] == [(7, 0, 3), (7, 1, 3), (7, 2, 3)]
    assert b"".join(part[3] for part in parts) == whole
