"""A world drawn from a seed: size, liars, network, crashes and load; then it heals, and everything must become final.

Owns the choice alone. Safety is checked by the world after every event; liveness here, after healing, within a bound.
"""

from collections import Counter
from collections.abc import Callable
from random import Random

from tests.simulation.actors.actor import Actor, Liar, Role
from tests.simulation.actors.chatterbox import Chatterbox
from tests.simulation.actors.equivocator import Equivocator
from tests.simulation.actors.false_leader import FalseLeader
from tests.simulation.actors.false_server import FalseServer
from tests.simulation.actors.forger import Forger
from tests.simulation.actors.lane_forker import LaneForker
from tests.simulation.actors.nuller import Nuller
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
from tests.simulation.world import World

from strongroom.consensus.settings import Settings
from strongroom.consensus.types import Digest

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
}
QUICK = Settings(delta0=0.06, retry=0.3, skip_after=1.2, fetch_wait=0.01, fetch_timeout_max=1.0)
STORM_SECONDS = 3.0
EPOCH_ENDS_SHARE = 0.15
WISH = Digest(b"\x05" * 32)
HEALING_SECONDS_MAX = 60.0
DELAY_CLASSES = ((0.002, 0.01), (0.05, 0.2), (0.3, 0.8), LOST)


class Chaos:
    """One seed's world and what is done to it."""

    def __init__(self, seed: int, liar: Callable[[Role], Actor] | None = None, size: int | None = None) -> None:
        self.random = Random(f"chaos {seed}")
        self.done: Counter[str] = Counter()
        self.size = size or self.random.choice((1, 2, 3, 4, 4, 4, 4, 5, 6, 7))
        faults = (self.size - 1) // 3
        names = [self.random.choice(list(LIARS)) for _ in range(self.random.randint(0, faults))]
        makers: list[Callable[[Role], Actor]] = [LIARS[name] for name in names]
        if liar is not None and faults:
            names, makers = ["given"] * faults, [liar] * faults
        self.done.update(f"liar: {name}" for name in names)
        places = self.random.sample(range(self.size), len(makers))
        self.ends = self.random.random() < EPOCH_ENDS_SHARE
        self.storm = self.random.choice((STORM_SECONDS, STORM_SECONDS, 4 * STORM_SECONDS))
        self.done["epoch ends"] += self.ends
        self.world = World(
            size=self.size,
            seed=seed,
            wishes={self.random.randint(1, 8): WISH} if self.ends else None,
            liars=dict(zip(places, makers, strict=True)),
            settings=QUICK,
            network=self._draw_network(seed),
        )

    def _draw_network(self, seed: int) -> Network:
        network = Network(Random(seed + 1), salt=seed)
        kind = self.random.choice(("calm", "lossy", "classes", "classes", "slow"))
        self.done[f"network: {kind}"] += 1
        if kind == "lossy":
            network.loss, network.duplication = self.random.uniform(0, 0.3), self.random.uniform(0, 0.3)
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
        world, honest = self.world, [node.role.index for node in self.world.honest_nodes]
        for index in honest:
            world.skew_ms[index] = self.random.randint(-50, 50)
            world.honest(index).store_delay = self.random.choice((0.0, 0.0, 0.01, 0.2))
            world.honest(index).log_bytes_max = self.random.choice((1_000, 10_000, 40_000))
        world.start()
        for number in range(self.random.choice((1, 3, 12, 40))):
            at = self.random.uniform(0, self.storm)
            world.at(at, lambda number=number: self._submit(number))  # type: ignore[misc]
        for _ in range(self.random.randint(0, 4)):
            world.at(self.random.uniform(0, self.storm), self._strike)
        world.run(self.storm)
        self._heal()
        if not world.run(HEALING_SECONDS_MAX, self._settled):
            states = [(r.view, r.final.height, r.strikes, r.alarm) for r in world.replicas]
            raise Violation("liveness", f"not final after {HEALING_SECONDS_MAX} s: {states}")
        return world

    def _settled(self) -> bool:
        """Everything is final everywhere, or the epoch has ended for everybody."""
        return self.world.everything_final() or (self.ends and all(replica.ended for replica in self.world.replicas))

    def _up(self) -> list[int]:
        return [node.role.index for node in self.world.honest_nodes if node.role.index not in self.world.down]

    def _submit(self, number: int) -> None:
        up = self._up()
        if up:
            self.world.submit(self.random.choice(up), b"transaction %d" % number)

    def _strike(self) -> None:
        world, up = self.world, self._up()
        kind = self.random.choice(("crash", "crash at", "all crash", "partition", "one way", "mend"))
        self.done[kind] += 1
        match kind:
            case "crash" if up:
                self._crash(self.random.choice(up))
            case "crash at" if up:
                victim = self.random.choice(up)
                point = self.random.choice(("", "", "appended", "durable", "sending", "block appended", "batch stored"))
                world.crash_at(victim, point, self.random.randint(1, 12))
                world.at(self.random.uniform(0.2, 1.5), lambda: self._mend(victim))
            case "all crash":
                for index in up:
                    self._crash(index)
            case "partition":
                members = list(range(self.size))
                self.random.shuffle(members)
                middle = self.random.randint(0, self.size)
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

    def _heal(self) -> None:
        self.world.network.heal()
        self.world.stop_crashing()
        for index in sorted(self.world.down):
            self._mend(index)
