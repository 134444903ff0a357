"""However a process came to where it is (by execution, by write sets, from a snapshot, through a
succession or a compromise), it has the same leases and boxes as the others, and goes on as they
do (T34, T40, T52)."""

from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.fixtures import make_cluster_genesis
from tests.enclave.programs.vault.world import IN_WEST, OWNER, PRINTERS, K, Room, policy_of
from tests.enclave.service_world import Node, World, admitted

from strongroom.consensus.types import Height
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.outside.client_sessions import ClientSession, Result
from strongroom.enclave.programs.vault.tables import (
    BOXES,
    FREEZES,
    LEASES,
    LOGS,
    VERSIONS,
    Lease,
)

SNAPSHOT = 8
"""Blocks between two snapshots."""
PIECES = 4
GRACE_OVER_MS = 61_000
TURN_BLOCKS = 3
"""From the vote on a succession until its last block."""


class Service(World):
    """Real enclaves of a service with the vault, and the snapshots that hosts keep."""

    def __init__(self) -> None:
        super().__init__(
            make_cluster_genesis(
                programs=("payments", "system", "vault"),
                limits={"activation_delay_ms": 0, "snapshot_blocks": SNAPSHOT},
            )
        )
        self.chunks: dict[int, tuple[int, dict[int, bytes]]] = {}
        """Of every snapshot, by height: (how many there are, by index)."""
        self.sessions: dict[tuple[str, int], ClientSession] = {}
        self.beats: dict[bytes, int] = {}

    def commit(self, *envelopes: bytes, **how: Any) -> Outcome:
        outcome = super().commit(*envelopes, **how)
        snapshots = self.nodes["n0"].member._executor.snapshots
        height, _, count, first, chunks = snapshots.hand_out(Height(0), 0)
        if height:
            self.chunks.setdefault(height, (count, {}))[1].update(enumerate(chunks, first))
        return outcome

    # --- what people and rooms do -----------------------------------------------------------------

    def of(self, who: str) -> ClientSession:
        """Somebody's session of this epoch."""
        place = who, int(self.epoch)
        if place not in self.sessions:
            self.sessions[place], opening = self.open(who)
            self.commit(opening)
        return self.sessions[place]

    def tell(self, who: str, operation: str, **arguments: Any) -> Result:
        session = self.of(who)
        sequence, envelope = session.seal_call(self.call(f"vault.{operation}", **arguments))
        return self.result(session, sequence, envelope, self.commit(envelope))

    def granted(self, who: str, operation: str, **arguments: Any) -> Any:
        result = self.tell(who, operation, **arguments)
        assert result.ok, (result.code, result.message)
        return result.value

    def ask(self, room: Room, key: str) -> Result:
        self.of(room.who)  # before the evidence: it takes a block
        shown = self.shown(room)
        named = f"id:{person(OWNER).id.hex()}/{key}"
        return self.tell(room.who, "ask", key=named, purpose="print", evidence=shown)

    def shown(self, room: Room) -> bytes:
        return room.evidence(self.chain, self.tip.height, self.tip.digest)

    def lease(self, room: Room, key: str) -> bytes:
        result = self.ask(room, key)
        assert result.ok, (result.code, result.message)
        return bytes(result.value["lease"])

    def beat(self, room: Room, lease: bytes, **more: Any) -> Result:
        number = self.beats.get(lease, 0) + 1
        result = self.tell(room.who, "beat", lease=lease, number=number, **{"used": 0} | more)
        self.beats[lease] = number if result.ok else number - 1
        return result

    def live(self, room: Room) -> bytes:
        """A busy life of a vault; a lease of that room that goes on."""
        terms = {"quantity": 40, "allotment": 2, "pieces": PIECES, "lease_ms": 3_600_000}
        for name in ("toy", "other", "gone"):
            self.granted(OWNER, "new", name=name, policy=policy_of(PRINTERS), **terms)
            self.granted(OWNER, "put", key=f"/{name}", secret=K)
        lease = self.lease(room, "toy")
        assert self.beat(room, lease, piece=1, used=1).ok
        self.granted(room.who, "use", lease=lease, unit=1, digest=bytes(32))
        second = Room(name="hall-8", who="second")
        held = self.lease(second, "other")
        assert self.ask(second.again(who="clone"), "other").code == "clone"
        assert self.beat(second, held).code == "clone"
        until = int(self.tip.time_ms) + 10**9
        self.granted(OWNER, "rotate", key="/other", secret=bytes(32), old_until_ms=until)
        self.granted(OWNER, "revoke", key="/gone")
        self.granted(OWNER, "change", key="/toy", policy=policy_of(PRINTERS, IN_WEST))
        return lease

    def go_on(self, room: Room, lease: bytes) -> None:
        """What all nodes must answer alike: `commit` compares their outcomes."""
        self.of(room.who)
        shown = self.shown(room)  # members may have changed what they believe
        result = self.beat(room, lease, piece=2, used=1, reserve=1, evidence=shown)
        assert result.ok, (result.code, result.message)
        assert self.ask(Room(name="third", who="third"), "toy").ok
        assert self.ask(Room(name="hall-8", who="second"), "gone").code == "revoked"
        assert self.ask(Room(name="fourth", who="fourth"), "other@1").value["half"]

    def rotate(self, *, compromised: bool = False) -> None:
        self.govern("rotate", nonce=self.tip.digest[:8], compromised=compromised)
        self.turn_epoch()

    def align(self, ahead: int) -> None:
        """Go to a height that is `ahead` before a snapshot's."""
        while (self.tip.height + ahead) % SNAPSHOT:
            self.commit()

    # --- ways to come to where the others are -----------------------------------------------------

    def again(self, name: str) -> Node:
        """The same node's next process: it has executed nothing."""
        node = self.nodes[name]
        return self.boot(name, node.chip, node.member.sealed())

    def load(self, node: Node, height: int) -> None:
        """Take the snapshot of a height in, as its host does."""
        learner = node.core.learner
        learner.extend(self.entries)
        count, chunks = self.chunks[height]
        assert len(chunks) == count
        history = HistoryTree(self.cluster.verified.header)
        for outcome in self.outcomes:
            history.append(Outcome.decode(outcome).history_leaf)
        named = next(
            Outcome.decode(one)
            for one in self.outcomes[height:]
            if Outcome.decode(one).snapshot_root != bytes(32)
        )
        newest = self.blocks[-1]
        path = history.path(named.height, newest.header.anchor.height + 1)
        header = self.blocks[height - 1].header
        leaf, certified = named.history_leaf, newest.certificate
        learner.load(header, leaf, path, newest.header, certified, count)
        for index in range(count):
            learner.load_chunk(index, chunks[index])
        learner.end_load()
        assert node.height == height

    def join(self, node: Node) -> None:
        """Be one of those that execute every further block."""
        self.catch_up(node)
        self.finish(node)
        self.nodes[node.name] = node

    def exposed(self, compromised: bool) -> None:
        """Did every secret live in an epoch that ended as compromised, by the word of all?"""
        for node in self.nodes.values():
            rows = node.core.learner._executor._runner.state.maps[VERSIONS].copy()
            marked = {place for place, row in rows.items() if row[1]}
            assert marked == ({(1, 1), (2, 1), (2, 2)} if compromised else set())

    def alike(self) -> None:
        """One state everywhere, to the last box."""
        executors = [node.core.learner._executor for node in self.nodes.values()]
        assert len({executor.state_digest() for executor in executors}) == 1
        for held in (LEASES, BOXES, FREEZES, LOGS, VERSIONS):
            first, *others = (executor._runner.state.maps[held].copy() for executor in executors)
            assert first, held
            assert all(other == first for other in others)


@pytest.fixture
def service() -> Service:
    return Service()


def test_a_process_that_applies_every_write_set_goes_on_with_the_others(service: Service) -> None:
    room = Room()
    lease = service.live(room)
    service.join(service.again("n1"))
    service.alike()
    service.go_on(room, lease)
    service.alike()


@pytest.mark.parametrize("compromised", [False, True], ids=["rotated", "compromised"])
@pytest.mark.parametrize("after", [-1, 0, 1], ids=["before", "at the end", "boxed anew"])
def test_a_process_that_begins_from_a_snapshot_near_a_succession_has_the_same_boxes(
    service: Service, after: int, compromised: bool
) -> None:
    """Taken before, at and after the last block of an epoch: what was boxed anew since is taken
    over from write sets."""
    room = Room()
    lease = service.live(room)
    service.govern("rotate", compromised=compromised)
    service.align(TURN_BLOCKS + after)
    service.turn_epoch()
    taken = int(service.tip.height) + after
    while int(service.blocks[-1].header.anchor.height) < taken + SNAPSHOT:
        service.commit()
    service.exposed(compromised)
    node = service.again("n1")
    service.load(node, taken)
    boxes = node.core.learner._executor._runner.state.maps[BOXES].copy()
    assert {epoch for epoch, _ in boxes.values()} == {1 if after == 1 else 0}
    service.join(node)
    service.alike()
    service.exposed(compromised)
    if compromised:
        for key in ("/toy", "/other"):
            service.granted(OWNER, "confirm", key=key)
    service.go_on(room, lease)
    service.alike()
    service.rotate()
    service.commit()
    service.alike()
    assert service.beat(room, lease, used=1).ok


@pytest.mark.parametrize("compromised", [False, True], ids=["rotated", "compromised"])
def test_a_process_that_applies_write_sets_through_successions_goes_on_with_the_others(
    service: Service, compromised: bool
) -> None:
    room = Room()
    lease = service.live(room)
    service.rotate(compromised=compromised)
    service.commit()
    service.join(service.again("n2"))
    service.alike()
    service.exposed(compromised)
    if compromised:
        for key in ("/toy", "/other"):
            service.granted(OWNER, "confirm", key=key)
    service.rotate()
    service.join(service.again("n3"))
    service.alike()
    service.go_on(room, lease)
    service.alike()


@pytest.mark.parametrize("compromised", [False, True], ids=["rotated", "compromised"])
def test_a_joiner_that_begins_from_a_snapshot_carries_boxes_and_goes_on_with_the_others(
    service: Service, compromised: bool
) -> None:
    room = Room()
    lease = service.live(room)
    joiner = admitted(service)
    service.align(0)
    taken = int(service.tip.height)
    while int(service.blocks[-1].header.anchor.height) < taken + SNAPSHOT:
        service.commit()
    giver = service.nodes["n0"].member
    nonce = giver.keys_challenge()
    proof = joiner.member.keys_proof(nonce)
    joiner.member.keys_take(giver.keys_give(proof, nonce, service.tip.time_ms))
    service.load(joiner, taken)
    service.catch_up(joiner)
    service.freshen(joiner)
    service.nodes["n9"] = joiner
    service.govern("rotate", compromised=compromised)
    for _ in range(40):
        service.commit(*service.duties(), after_ms=1_000)
        service.catch_up(joiner)
        if service.epoch == 1 and joiner.governance.current.index_of(joiner.key) is not None:
            break
    service.finish(joiner)
    service.commit()
    service.alike()
    service.exposed(compromised)
    if compromised:
        for key in ("/toy", "/other"):
            service.granted(OWNER, "confirm", key=key)
    service.go_on(room, lease)
    service.alike()


@pytest.mark.parametrize("compromised", [False, True], ids=["rotated", "compromised"])
def test_T52_a_beat_that_a_host_held_back_over_an_epochs_end_brings_no_piece_twice(
    service: Service, compromised: bool
) -> None:
    """In the grace it counts, once; without one, or behind it, it is of another epoch."""
    room = Room()
    lease = service.live(room)
    session = service.of(room.who)
    beats = [
        session.seal_call(service.call("vault.beat", lease=lease, number=2, used=1, piece=2))
        for _ in range(2)
    ]
    service.rotate(compromised=compromised)
    held, again = (envelope for _, envelope in beats)
    codes = [list(service.commit(held).codes) for _ in range(2)]
    assert codes == ([[5], [5]] if compromised else [[0], [1]])
    executor = service.nodes["n0"].core.learner._executor
    given = Lease(*executor._runner.state.maps[LEASES].copy()[lease]).pieces
    assert given == (2 if compromised else 3)
    service.commit(after_ms=GRACE_OVER_MS)
    assert list(service.commit(again).codes) == [5]
    assert Lease(*executor._runner.state.maps[LEASES].copy()[lease]).pieces == given
    service.alike()
