"""Secrets in replicated state: boxes that die with their epoch unless carried (T52, P10)."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.fixtures import make_cluster_genesis
from tests.enclave.programs.vault.world import OWNER, POLICY, K, Room
from tests.enclave.service_world import World, admitted

from strongroom.consensus import codec, labels
from strongroom.consensus.types import Epoch, Height
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.snapshot import SnapshotBox
from strongroom.enclave.formats.write_set import WriteSetBox
from strongroom.enclave.keys.keys import EpochSecrets
from strongroom.enclave.keys.sealing import unseal_state
from strongroom.enclave.outside.client_sessions import ClientSession, Result
from strongroom.enclave.primitives import DeterministicBox, DoesNotOpen
from strongroom.enclave.programs.vault.tables import BOXES

GRACE_OVER_MS = 61_000
DROPPED, KEPT = bytes([7] * 32), bytes([9] * 32)


class VaultWorld(World):
    """Real enclaves of a service with the vault, epochs that end, and all that hosts keep."""

    def __init__(self) -> None:
        super().__init__(
            make_cluster_genesis(
                programs=("payments", "system", "vault"),
                limits={"activation_delay_ms": 0, "snapshot_blocks": 8},
            )
        )
        self.chunks: dict[int, dict[int, bytes]] = {}
        """Of every snapshot, by height, then by index: taken before the enclave drops them."""

    def commit(self, *envelopes: bytes, **how: Any) -> Outcome:
        outcome = super().commit(*envelopes, **how)
        for node in self.nodes.values():
            height, _, _, first, chunks = node.member._executor.snapshots.hand_out(Height(0), 0)
            self.chunks.setdefault(height, {}).update(enumerate(chunks, first))
        return outcome

    def session(self, who: str) -> ClientSession:
        session, opening = self.open(who)
        self.commit(opening)
        return session

    def tell(self, session: ClientSession, operation: str, **arguments: Any) -> Result:
        sequence, envelope = session.seal_call(self.call(operation, **arguments))
        return self.result(session, sequence, envelope, self.commit(envelope))

    def granted(self, session: ClientSession, operation: str, **arguments: Any) -> Any:
        result = self.tell(session, operation, **arguments)
        assert result.ok, (result.code, result.message)
        return result.value

    def shown(self, room: Room) -> bytes:
        return room.evidence(self.chain, self.tip.height, self.tip.digest)

    def ask(self, room: Room, key: str) -> Result:
        session = self.session(room.who)
        owner = f"id:{_identity(OWNER)}/{key}"
        return self.tell(
            session, "vault.ask", key=owner, purpose="print", evidence=self.shown(room)
        )

    def boxes(self, node: str = "n0") -> dict[Any, Any]:
        return self.nodes[node].core.learner._executor._runner.state.maps[BOXES].copy()

    def rotate(self, *, compromised: bool = False) -> None:
        self.govern("rotate", nonce=self.tip.digest[:8], compromised=compromised)
        self.turn_epoch()

    def secrets_of(self, epoch: int, node: str = "n0") -> EpochSecrets:
        return self.nodes[node].core.learner.keystore.keyring.of(Epoch(epoch))

    def settle(self) -> None:
        """Past the grace, and anchored: what is of no use is erased, on disks too."""
        self.commit(after_ms=GRACE_OVER_MS)
        self.commit()
        self.commit()
        for node in self.nodes.values():
            node.sealed = node.member.sealed()


def _identity(who: str) -> str:
    return person(who).id.hex()


@pytest.fixture
def world() -> VaultWorld:
    return VaultWorld()


def filled(world: VaultWorld, name: str, secret: bytes) -> ClientSession:
    owner = world.session(OWNER)
    world.granted(owner, "vault.new", name=name, policy=POLICY)
    world.granted(owner, "vault.put", key=f"/{name}", secret=secret)
    return owner


# --- everything that an attacker may hold ---------------------------------------------------------


def everything(world: VaultWorld) -> bytes:
    """All that disks hold, with everything opened that the ledger secrets of all epochs open:
    envelopes, outcomes, write sets, chunks of snapshots, sealed files."""
    held: list[bytes] = []
    for block, encoded in zip(world.blocks, world.outcomes, strict=True):
        outcome, header = Outcome.decode(encoded), block.header
        held += [batch.payload for batch in block.batches]
        held.append(encoded)
        secrets = world.secrets_of(header.epoch)
        opened = WriteSetBox(world.chain, header.epoch, secrets.write_set_box).open(
            outcome.write_set, header.height, header.digest, outcome.root
        )
        held.append(codec.encode((opened.changes, opened.opened, opened.results)))
    by_height = {block.header.height: block.header for block in world.blocks}
    for height, chunks in world.chunks.items():
        if not height or len(chunks) <= max(chunks):
            continue
        header = by_height[Height(height)]
        box = SnapshotBox(world.chain, header, world.secrets_of(header.epoch).snapshot_box)
        for index, chunk in chunks.items():
            try:
                held.append(box.open(index, len(chunks), chunk))
            except DoesNotOpen:
                continue  # not all of its chunks are out yet
    for node in world.nodes.values():
        state = unseal_state(node.chip.sealing_secret(world.cluster.measurement), node.sealed)
        held.append(node.sealed)
        for one in state.secrets:
            held.append(one.ledger.reveal() + (one.input.reveal() if one.input else b""))
    return b"\x00".join(held)


def keys_within(world: VaultWorld) -> Iterator[DeterministicBox]:
    """Every box that any secret in hand makes: of ledger secrets, and of input secrets on disks."""
    for node in world.nodes.values():
        state = unseal_state(node.chip.sealing_secret(world.cluster.measurement), node.sealed)
        for one in state.secrets:
            yield from (one.write_set_box, one.snapshot_box)
            for epoch in range(4):
                for generation in range(2):
                    for secret in filter(None, (one.ledger, one.input)):
                        remade = EpochSecrets(
                            epoch=Epoch(epoch),
                            input_secret=secret,
                            ledger=one.ledger,
                            generation=generation,
                        )
                        yield from (remade.vault_box, remade.session_box)


def opens(world: VaultWorld, boxes: list[tuple[int, int, bytes]], name: str) -> set[bytes]:
    """What comes out of boxes (epoch, version, box) of a key under every key in hand."""
    found = set()
    number = {"dropped": 1, "kept": 2}[name]
    for held in keys_within(world):
        for epoch, version, box in boxes:
            fields = (epoch, number, bytes.fromhex(_identity(OWNER)), name, version)
            aad = labels.bound(labels.VAULT_BOX, world.chain, codec.encode(fields))
            try:
                found.add(held.open(number << 32 | version, box, aad))
            except DoesNotOpen:
                continue
    return found


def test_T52_what_was_revoked_opens_with_nothing_once_its_epoch_is_erased(
    world: VaultWorld,
) -> None:
    """All ledger secrets, write sets, snapshots and disks in hand. The positive control is the same
    search before: then it finds both."""
    owner = filled(world, "dropped", DROPPED)
    filled(world, "kept", KEPT)
    first = {number: (epoch, 1, box) for (number, _), (epoch, box) in world.boxes().items()}
    for _ in range(10):
        world.commit()
    for node in world.nodes.values():
        node.sealed = node.member.sealed()
    assert opens(world, [first[1]], "dropped") == {DROPPED}, "the search works"
    assert first[1][2] in everything(world), "the box stands in what was searched"
    world.granted(owner, "vault.revoke", key="/dropped")
    assert set(world.boxes()) == {(2, 1)}
    world.rotate()
    world.settle()
    for _ in range(20):
        world.commit()
    for node in world.nodes.values():
        node.sealed = node.member.sealed()
    held = everything(world)
    assert first[1][2] in held, "write sets keep the box for ever"
    assert DROPPED not in held
    assert KEPT not in held
    assert not opens(world, [first[1]], "dropped")
    ((key, (epoch, carried)),) = world.boxes().items()
    assert (key, epoch) == ((2, 1), 1)
    assert opens(world, [(1, 1, carried)], "kept") == {KEPT}, "what was carried opens"
    assert not opens(world, [first[2]], "kept"), "in its new box alone"


def test_boxes_are_carried_in_the_first_block_of_an_epoch_and_keys_go_on(world: VaultWorld) -> None:
    filled(world, "toy", K)
    for epoch in (1, 2):
        world.rotate()
        assert [held for held, _ in world.boxes().values()] == [epoch - 1]
        world.commit()
        assert [held for held, _ in world.boxes().values()] == [epoch]
        answer = world.ask(Room(who=f"room of {epoch}"), "toy")
        assert answer.value["half"] == K


@pytest.mark.parametrize("compromised", [False, True])
def test_the_ended_epochs_secret_stays_until_the_block_that_carried_is_anchored(
    world: VaultWorld, compromised: bool
) -> None:
    filled(world, "toy", K)
    world.rotate(compromised=compromised)
    ring = world.nodes["n0"].core.learner.keystore.keyring
    assert ring.opens(Epoch(0))
    assert Epoch(0) in world.nodes["n0"].member._executor.open_epochs
    world.commit()
    for node in world.nodes.values():
        node.member.sealed()
    assert ring.opens(Epoch(0)), "the block that carried is not anchored yet"
    world.settle()
    assert not ring.opens(Epoch(0))


def test_a_replica_without_the_ended_epochs_secret_applies_the_first_block(
    world: VaultWorld,
) -> None:
    """It may not leave boxes behind that others carry: it takes over what they did."""
    filled(world, "toy", K)
    world.rotate(compromised=True)
    node = world.nodes["n3"]
    whole = node.core.learner.keystore.keyring._secrets[Epoch(0)]
    node.core.learner.keystore.keyring._secrets[Epoch(0)] = whole.without_input()
    assert not node.member._executor.can_execute
    block = world.next_block()
    with pytest.raises(KeysNeeded):
        node.member.execute([(block.header, block.batches)], block.certificate)
    world.commit(only={"n0", "n1", "n2"})
    node.core.learner._executor.apply(world.tip, Outcome.decode(world.outcomes[-1]))
    assert world.boxes("n3") == world.boxes("n0")
    digests = {one.core.learner._executor.state_digest() for one in world.nodes.values()}
    assert len(digests) == 1


def test_a_joiner_of_a_compromised_turn_carries_the_boxes_too(world: VaultWorld) -> None:
    """Else a set of newcomers alone could make no quorum that executes the first block."""
    filled(world, "toy", K)
    joiner = admitted(world)
    nonce = world.nodes["n0"].member.keys_challenge()
    evidence = joiner.member.keys_proof(nonce)
    joiner.member.keys_take(world.nodes["n0"].member.keys_give(evidence, nonce, world.tip.time_ms))
    world.commit()
    world.catch_up(joiner)
    world.freshen(joiner)
    world.nodes["n9"] = joiner
    world.govern("rotate", compromised=True)
    for _ in range(40):
        world.commit(*world.duties(), after_ms=1_000)
        world.catch_up(joiner)
        if world.epoch == 1 and joiner.governance.current.index_of(joiner.key) is not None:
            break
    ring = joiner.core.learner.keystore.keyring
    assert (ring.opens(Epoch(0)), ring.opens(Epoch(1))) == (True, True)
    world.finish(joiner)
    world.commit()
    assert joiner.height == world.tip.height
    assert world.boxes("n9") == world.boxes("n0")
    assert [epoch for epoch, _ in world.boxes("n9").values()] == [1]


def test_keys_that_lived_in_a_compromised_epoch_are_exposed_until_their_owner_acts(
    world: VaultWorld,
) -> None:
    filled(world, "one", K)
    filled(world, "two", K)
    world.rotate(compromised=True)
    owner = world.session(OWNER)
    refused = world.ask(Room(who="first"), "one")
    assert (refused.code, "exposed" in (refused.message or "")) == ("suspended", True)
    world.granted(owner, "vault.confirm", key="/one")
    assert world.ask(Room(who="second"), "one").value["half"] == K
    until = world.tip.time_ms + 10**6
    world.granted(owner, "vault.rotate", key="/two", secret=KEPT, old_until_ms=until)
    assert world.ask(Room(who="third"), "two").value["half"] == KEPT
    assert world.ask(Room(who="fourth"), "two@1").code == "suspended"
    world.rotate()
    assert world.ask(Room(who="fifth"), "two").value["half"] == KEPT


def test_T50_when_members_believe_others_an_open_lease_shows_fresh_evidence(
    world: VaultWorld,
) -> None:
    """A chip key that they revoked goes on nowhere by what it showed before."""
    filled(world, "toy", K)
    room = Room()
    session = world.session(room.who)
    key = f"id:{_identity(OWNER)}/toy"
    shown = world.shown(room)
    lease = world.granted(session, "vault.ask", key=key, purpose="print", evidence=shown)["lease"]
    assert world.tell(session, "vault.beat", lease=lease, number=1, used=0).ok
    world.govern("revoke_key", key=bytes(32))
    assert world.tell(session, "vault.beat", lease=lease, number=2, used=0).code == "evidence"
    shown = world.shown(room)
    assert world.tell(session, "vault.beat", lease=lease, number=2, used=0, evidence=shown).ok
    assert world.tell(session, "vault.beat", lease=lease, number=3, used=0).ok


# --- given once -----------------------------------------------------------------------------------


def test_T52_the_ledger_keeps_the_digest_alone_of_what_is_given_once(world: VaultWorld) -> None:
    filled(world, "toy", DROPPED)
    room = Room()
    answer = world.ask(room, "toy")
    assert answer.value["half"] == DROPPED
    held = everything(world)
    assert answer.value["lease"] in held, "the search sees what stands in write sets"
    assert DROPPED not in held
