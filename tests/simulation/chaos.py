"""A world drawn from a seed: size, liars, network, crashes and load; then it heals, and everything
must become final.

Owns the choice alone. Safety is checked by the world after every event; liveness here, after
healing, within a bound.
"""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from random import Random

from tests.simulation.actors.actor import Actor, Liar, Role
from tests.simulation.actors.chatterbox import Chatterbox
from tests.simulation.actors.enclave import EXECUTION_DELAY
from tests.simulation.actors.epoch_forger import EpochForger
from tests.simulation.actors.equivocator import Equivocator
from tests.simulation.actors.false_forwarder import FalseForwarder
from tests.simulation.actors.false_leader import FalseLeader
from tests.simulation.actors.false_server import FalseServer
from tests.simulation.actors.flooder import Flooder
from tests.simulation.actors.forger import Forger
from tests.simulation.actors.glutton import Glutton
from tests.simulation.actors.historian import Historian
from tests.simulation.actors.lane_forker import LaneForker
from tests.simulation.actors.lane_thief import LaneThief
from tests.simulation.actors.nuller import Nuller
from tests.simulation.actors.old_voter import OldVoter
from tests.simulation.actors.over_the_end import OverTheEnd
from tests.simulation.actors.replayer import Replayer
from tests.simulation.actors.selective import Selective
from tests.simulation.actors.silent_proposer import SilentProposer
from tests.simulation.actors.slow_drip import SlowDrip
from tests.simulation.actors.stale_disk import StaleDisk
from tests.simulation.actors.twin import Twin
from tests.simulation.actors.view_skipper import ViewSkipper
from tests.simulation.actors.withholder import Withholder
from tests.simulation.checkers import Violation
from tests.simulation.network import LOST, Network
from tests.simulation.realm import GOVERN
from tests.simulation.world import Secrets, World

from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import SignerIndex
from strongroom.node.ordering.forwarding import ForwardBounds

LIARS: dict[str, Callable[[Role], Actor]] = {
    "silent": Liar,
    "equivocator": Equivocator,
    "chatterbox": Chatterbox,
    "nuller": Nuller,
    "forger": Forger,
    "false leader": FalseLeader,
    "withholder": Withholder,
    "selective": Selective,
    "silent proposer": SilentProposer,
    "slow drip": SlowDrip,
    "lane forker": LaneForker,
    "false server": FalseServer,
    "replayer": Replayer,
    "twin": Twin,
    "view skipper": ViewSkipper,
    "stale disk": StaleDisk,
    "old voter": OldVoter,
    "historian": Historian,
    "epoch forger": EpochForger,
    "over the end": OverTheEnd,
    "glutton": Glutton,
    "flooder": Flooder,
    "lane thief": LaneThief,
    "false forwarder": FalseForwarder,
}
QUICK = Settings(
    delta0=0.06,
    retry=0.3,
    skip_after=1.2,
    fetch_wait=0.01,
    fetch_timeout_max=1.0,
    gap_executions=7.0,
    anchor_gap=None,
)
FORWARDS_SHARE = 0.5
FORWARDING = ForwardBounds(members_min=4, bytes_min=1)
STORM_SECONDS = 3.0
GRACE_SECONDS = 1.5
TURNOVER_SHARE = 0.25
"""Of all worlds: everybody is honest, and a mishap befalls one node while sets and keys change."""
EPOCHS_SHARE = 0.5
"""Of all worlds: those whose set and keys change."""
KEEPING_SHARE = 0.2
"""Of all first members: those that keep their vote key over epochs."""
RESERVES_MAX = 3
CHANGES_MAX = 5
CALM_SHARE = 0.12
"""Of all worlds: nobody lies or fails, no message is lost, and so no view is given up."""
PADDING_BYTES = 900
"""In some worlds a few transactions fill what one origin may make a node keep."""
POINTS = (
    *("", "", "appended", "durable", "sending", "block appended", "block stored", "batch stored"),
    *("log is long", "log begins"),
)
EPOCH_POINTS = ("epoch ends", "epoch begins", "epoch begun")
HEALING_SECONDS_MAX = 60.0
STORE_DELAYS = (0.0, 0.0, 0.01, 0.2)
EXECUTION_DELAYS = (EXECUTION_DELAY, EXECUTION_DELAY, 0.05)
SIGN_DELAYS = (0.0, 0.0, 0.005, 0.05)
MISHAPS = ("", "log lost", "store cut", "store cut", "secret lost")
DURABLE_POINTS = ("batch stored", "durable", "sending", "block stored")
LOG_POINTS = ("log begins", "epoch begins", "epoch begun", "batch stored")
ALONE_SHARE = 0.6
"""Of all mishaps: nobody else hears the node around that time."""
CLIENTS_OF_VICTIM = 5
CLIENT_SHARE = 0.3
"""Of all restarts: a client hands something in before any peer has said a word."""
DELAY_CLASSES = ((0.002, 0.01), (0.05, 0.2), (0.3, 0.8), LOST)


class Chaos:
    """One seed's world and what is done to it."""

    def __init__(
        self,
        seed: int,
        liar: Callable[[Role], Actor] | None = None,
        size: int | None = None,
        secrets: Secrets = Secrets.HEADS,
    ) -> None:
        self.random = Random(f"chaos {seed}")
        self.done: Counter[str] = Counter()
        self.size = size or self.random.choice((1, 2, 3, 4, 4, 4, 4, 5, 6, 7))
        faults = (self.size - 1) // 3
        self.turnover = faults > 0 and self.random.random() < TURNOVER_SHARE and liar is None
        liars = 0 if self.turnover else self.random.randint(0, faults)
        names = [self.random.choice(list(LIARS)) for _ in range(liars)]
        makers: list[Callable[[Role], Actor]] = [LIARS[name] for name in names]
        if liar is not None and faults:
            names, makers = ["given"] * faults, [liar] * faults
        self.calm = not self.turnover and self.random.random() < CALM_SHARE and liar is None
        if self.calm:
            names, makers = [], []
        self.done.update(f"liar: {name}" for name in names)
        places = self.random.sample(range(self.size), len(makers))
        self.changes = (
            self.random.randint(1, CHANGES_MAX)
            if self.turnover or self.random.random() < EPOCHS_SHARE
            else 0
        )
        self.reserves = self.random.randint(0, RESERVES_MAX) if self.changes else 0
        spare = bool(self.changes) and len(names) < faults and not self.calm
        self.mishap = self.random.choice(MISHAPS[self.turnover :]) if spare else ""
        """What befalls one honest node more than a crash; it counts as faulty."""
        self.victim = self.random.choice([at for at in range(self.size) if at not in places])
        self.padding = self.random.choice((0, 0, PADDING_BYTES))
        self.forwards = self.random.random() < FORWARDS_SHARE
        self.done["batches over two hops"] += self.forwards
        self.storm = self.random.choice((STORM_SECONDS, STORM_SECONDS, 4 * STORM_SECONDS))
        self.world = World(
            size=self.size,
            seed=seed,
            reserves=self.reserves,
            rotate_every=self.random.choice((None, None, 3, 8)) if self.changes else None,
            members_min=3 * (len(names) + bool(self.mishap)) + 1,
            keeping=frozenset(
                seat for seat in range(self.size) if self.random.random() < KEEPING_SHARE
            ),
            links=self.random.random() < 0.5,
            grace=self.random.choice((0.0, GRACE_SECONDS)),
            secrets=secrets,
            deprived=frozenset({self.victim} if self.mishap == "secret lost" else ()),
            liars=dict(zip(places, makers, strict=True)),
            settings=QUICK,
            network=self._draw_network(seed),
        )

    def _draw_network(self, seed: int) -> Network:
        network = Network(Random(seed + 1), salt=seed)
        kind = self.random.choice(("calm", "lossy", "classes", "classes", "slow"))
        kind = "calm" if self.calm else kind
        self.done[f"network: {kind}"] += 1
        if kind == "lossy":
            network.loss, network.duplication = (
                self.random.uniform(0, 0.3),
                self.random.uniform(0, 0.3),
            )
            network.delay = (0.001, 0.1)
        elif kind == "classes":
            network.classes = DELAY_CLASSES
        elif kind == "slow":
            network.delay = (0.01, 0.3)
        return network

    def run(self) -> World:
        """Storm, heal, and wait until everything that was submitted is final everywhere.

        Raises:
            Violation: of any checker.
        """
        world = self.world
        self._draw_machines()
        self._began, self._healed = world.now, False
        world.start()
        for number in range(self.random.choice((12, 40) if self.turnover else (1, 3, 12, 40))):
            at = self.random.uniform(0, self.storm)
            world.at(at, lambda number=number: self._submit(number))  # type: ignore[misc]
        for number in range(self.changes):
            world.at(self.random.uniform(0, self.storm), lambda number=number: self._change(number))  # type: ignore[misc]
        for _ in range(0 if self.calm else self.random.randint(0, 4)):
            world.at(self.random.uniform(0, self.storm), self._strike)
        if self.mishap:
            world.at(self.random.uniform(0.0, 0.7) * self.storm, self._await_mishap)
        world.run(self.storm)
        self._heal()
        if not world.run(HEALING_SECONDS_MAX, self._settled):
            world.check_executing()
            states = [
                (
                    node.epoch,
                    node.replica.state.view,
                    node.replica.state.final.height,
                    node.replica.state.strikes,
                    node.replica.state.alarm,
                )
                for node in world.honest_nodes
            ]
            raise Violation("liveness", f"not final after {HEALING_SECONDS_MAX} s: {states}")
        if not world.run(HEALING_SECONDS_MAX, lambda: world.everything_notarized_is_final):
            held = [
                (replica.state.view, replica.state.final_view, replica.state.has_work)
                for replica in world.replicas
            ]
            raise Violation("liveness", f"rests below a notarized block that is not final: {held}")
        self._count_epochs()
        if self.calm and world.given_up:
            raise Violation("no view is given up in calm", f"views {sorted(world.given_up)}")
        return world

    def _draw_machines(self) -> None:
        """Clocks, disks and enclaves of the honest nodes."""
        world, random = self.world, self.random
        for node in world.honest_nodes:
            world.skew_ms[node.role.index] = random.randint(-50, 50)
            node.log_bytes_max = random.choice((1_000, 10_000, 40_000))
            node.sign_delay = random.choice(SIGN_DELAYS)
            if self.forwards:
                node.forward = FORWARDING
            if not self.calm:
                node.store_delay = random.choice(STORE_DELAYS)
                node.execution_delay = random.choice(EXECUTION_DELAYS)
        if self.mishap:
            world.honest(self.victim).log_bytes_max = 1_000

    def _count_epochs(self) -> None:
        sets = [
            self.world.realm.seats_of(self.world.epochs[epoch])
            for epoch in sorted(self.world.epochs)
        ]
        seen: set[bytes] = set().union(*(node.store.seen for node in self.world.honest_nodes))
        self.done["refreshes"] += sum(
            transaction.startswith(GOVERN + b" refresh") for transaction in seen
        )
        for before, after in pairwise(sets):
            self.done["epoch changes"] += 1
            self.done["joins"] += len(after - before)
            self.done["leaves"] += len(before - after)

    def _settled(self) -> bool:
        """Everything is final everywhere, and everybody is where the last change of the set
        leads."""
        return self.world.everything_final() and (
            not self.changes or self.world.everybody_is_there()
        )

    def _up(self) -> list[int]:
        return [
            node.role.index
            for node in self.world.honest_nodes
            if node.role.index not in self.world.down
        ]

    def _submit(self, number: int) -> None:
        up = self._up()
        if up:
            padding = bytes(self.padding)
            self.world.submit(self.random.choice(up), b"transaction %d" % number + padding)

    def _change(self, number: int) -> None:
        """Ask for another set, or for other keys; what makes no sense when it is executed is
        dropped by the state."""
        seats = range(self.size + self.reserves)
        seat, other = self.random.choice(seats), self.random.choice(seats)
        what = self.random.choice(
            (b"join %d", b"leave %d", b"leave %d", b"replace %d " + b"%d" % other, b"rotate %d")
        )
        up = self._up()
        if up:
            self.world.submit(
                self.random.choice(up), GOVERN + b" " + what % seat + b" #%d" % number
            )

    def _await_mishap(self) -> None:
        """In turnover it befalls the node once that has seen an epoch begin, if it ever does."""
        late = self.world.now > self._began + 0.7 * self.storm
        is_up = self.victim not in self.world.down
        if late or not self.turnover or (is_up and self.world.honest(self.victim).epoch > 0):
            self._befall()
        else:
            self.world.at(0.05, self._await_mishap)

    def _befall(self) -> None:
        """A deleted log or a restored snapshot (row 25), a damaged block store, an input secret
        that never comes back; and crashes before and after it."""
        world, random = self.world, self.random
        acts = {"log lost": self._lose_log, "store cut": self._cut_store}
        self.done[self.mishap] += 1
        alone, at = random.random() < ALONE_SHARE, random.uniform(0.1, 0.5)
        end = at + random.uniform(0.1, 0.6)
        if alone:
            self._cut_off(self.victim)
            world.at(end, lambda: self._let_back(self.victim))
        for _ in range(CLIENTS_OF_VICTIM):
            world.at(random.uniform(0.0, end), lambda: self._hand_to(self.victim))
        first, second = random.choice(DURABLE_POINTS), random.choice(LOG_POINTS)
        world.at(random.uniform(0.0, at), lambda: self._crash_at(self.victim, first))
        world.at(at, acts.get(self.mishap, self._crash_victim))
        world.at(at + 0.01, lambda: self._crash_at(self.victim, second))
        world.at(at + random.uniform(0.1, 0.8), self._crash_victim)
        for _ in range(random.randint(0, 2)):
            other, point = random.choice(self._up() or [self.victim]), random.choice(EPOCH_POINTS)
            self._crash_at(other, point)

    def _crash_at(self, index: int, point: str) -> None:
        """The next time; it comes back in any case."""
        if not self._healed:
            self.world.crash_at(index, point, 1)
            self.world.at(self.random.uniform(0.2, 1.5), lambda: self._mend(index))

    def _links_of(self, index: int) -> set[tuple[SignerIndex, SignerIndex]]:
        node = SignerIndex(index)
        others = set(self.world.actors) - {node}
        return {(node, other) for other in others} | {(other, node) for other in others}

    def _cut_off(self, index: int) -> None:
        """Nothing reaches it, and nothing of it the others; its clients do."""
        if self._healed:
            return
        self.world.network.cut = self.world.network.cut | self._links_of(index)

    def _let_back(self, index: int) -> None:
        self.world.network.cut = self.world.network.cut - self._links_of(index)

    def _hand_to(self, index: int) -> None:
        if index not in self.world.down:
            number = len(self.world.submitted)
            self.world.submit(index, b"only here %d" % number + bytes(self.padding))

    def _crash_victim(self) -> None:
        if self.victim not in self.world.down and not self._healed:
            self.world.crash(self.victim)
            self.world.at(self.random.uniform(0.05, 0.3), lambda: self._mend(self.victim))

    def _lose_log(self) -> None:
        """The node finds its key and no promises."""
        self._crash_victim()
        if not self._healed:
            self.world.lose_log(self.victim)

    def _cut_store(self) -> None:
        """The newest blocks are damaged, as many as there happen to be; often the end of an epoch
        is among them."""
        self._crash_victim()
        if self._healed:
            return
        node = self.world.honest(self.victim)
        stored = len(node.disk.blocks.read())
        end = max(0, int(node.anchor.height) - 1)
        below = [self.random.randint(0, stored), end, self.random.randint(0, end)]
        self.world.cut_back(self.victim, min(stored, self.random.choice(below)))

    def _strike(self) -> None:
        world, up = self.world, self._up()
        kind = self.random.choice(
            ("crash", "crash at", "absent", "all crash", "partition", "one way", "mend")
        )
        self.done[kind] += 1
        match kind:
            case "crash" if up:
                self._crash(self.random.choice(up))
            case "absent" if up:  # until the storm is over, mostly
                victim = self.random.choice(up)
                world.crash(victim)
                world.at(self.storm, lambda: self._mend(victim))
            case "crash at" if up:
                victim = self.random.choice(up)
                point = self.random.choice(POINTS + (EPOCH_POINTS if self.changes else ()))
                world.crash_at(
                    victim, point, 1 if point in EPOCH_POINTS else self.random.randint(1, 12)
                )
                world.at(self.random.uniform(0.2, 1.5), lambda: self._mend(victim))
            case "all crash":
                for index in up:
                    self._crash(index)
            case "partition":
                members = list(range(self.size + self.reserves))
                self.random.shuffle(members)
                middle = self.random.randint(0, len(members))
                world.network.partition(set(members[:middle]), set(members[middle:]))
            case "one way":
                pairs = [(a, b) for a in range(self.size) for b in range(self.size) if a != b]
                world.network.cut = set(self.random.sample(pairs, len(pairs) // 3))  # type: ignore[arg-type]
            case _:
                world.network.cut = set()

    def _crash(self, index: int) -> None:
        self.world.crash(index)
        self.world.at(self.random.uniform(0.05, 1.0), lambda: self._mend(index))

    def _mend(self, index: int) -> None:
        if index in self.world.down:
            self.world.restart(index)
            if self.random.random() < CLIENT_SHARE and index not in self.world.down:
                number = len(self.world.submitted)
                self.world.submit(index, b"at once after a restart %d" % number)

    def _heal(self) -> None:
        self._healed = True
        self.world.network.heal()
        self.world.stop_crashing()
        for index in sorted(self.world.down):
            self._mend(index)
