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
from tests.simulation.actors.epoch_forger import EpochForger
from tests.simulation.actors.equivocator import Equivocator
from tests.simulation.actors.false_leader import FalseLeader
from tests.simulation.actors.false_server import FalseServer
from tests.simulation.actors.forger import Forger
from tests.simulation.actors.historian import Historian
from tests.simulation.actors.lane_forker import LaneForker
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
}
QUICK = Settings(delta0=0.06, retry=0.3, skip_after=1.2, fetch_wait=0.01, fetch_timeout_max=1.0)
STORM_SECONDS = 3.0
GRACE_SECONDS = 1.5
EPOCHS_SHARE = 0.5
"""Of all worlds: those whose set and keys change."""
KEEPING_SHARE = 0.2
"""Of all first members: those that keep their vote key over epochs."""
RESERVES_MAX = 3
CHANGES_MAX = 5
POINTS = (
    *("", "", "appended", "durable", "sending", "block appended", "block stored", "batch stored"),
    *("log is long", "log begins"),
)
EPOCH_POINTS = ("epoch ends", "epoch begins", "epoch begun")
HEALING_SECONDS_MAX = 60.0
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
        names = [self.random.choice(list(LIARS)) for _ in range(self.random.randint(0, faults))]
        makers: list[Callable[[Role], Actor]] = [LIARS[name] for name in names]
        if liar is not None and faults:
            names, makers = ["given"] * faults, [liar] * faults
        self.done.update(f"liar: {name}" for name in names)
        places = self.random.sample(range(self.size), len(makers))
        self.changes = (
            self.random.randint(1, CHANGES_MAX) if self.random.random() < EPOCHS_SHARE else 0
        )
        self.reserves = self.random.randint(0, RESERVES_MAX) if self.changes else 0
        self.may_lose_log = (
            bool(self.changes) and len(names) < faults and self.random.random() < 0.5
        )
        self.storm = self.random.choice((STORM_SECONDS, STORM_SECONDS, 4 * STORM_SECONDS))
        self.world = World(
            size=self.size,
            seed=seed,
            reserves=self.reserves,
            rotate_every=self.random.choice((None, None, 3, 8)) if self.changes else None,
            members_min=3 * (len(names) + self.may_lose_log) + 1,
            keeping=frozenset(
                seat for seat in range(self.size) if self.random.random() < KEEPING_SHARE
            ),
            links=self.random.random() < 0.5,
            grace=self.random.choice((0.0, GRACE_SECONDS)),
            secrets=secrets,
            liars=dict(zip(places, makers, strict=True)),
            settings=QUICK,
            network=self._draw_network(seed),
        )

    def _draw_network(self, seed: int) -> Network:
        network = Network(Random(seed + 1), salt=seed)
        kind = self.random.choice(("calm", "lossy", "classes", "classes", "slow"))
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
        world, honest = self.world, [node.role.index for node in self.world.honest_nodes]
        for index in honest:
            world.skew_ms[index] = self.random.randint(-50, 50)
            world.honest(index).store_delay = self.random.choice((0.0, 0.0, 0.01, 0.2))
            world.honest(index).log_bytes_max = self.random.choice((1_000, 10_000, 40_000))
        world.start()
        for number in range(self.random.choice((1, 3, 12, 40))):
            at = self.random.uniform(0, self.storm)
            world.at(at, lambda number=number: self._submit(number))  # type: ignore[misc]
        for number in range(self.changes):
            world.at(self.random.uniform(0, self.storm), lambda number=number: self._change(number))  # type: ignore[misc]
        for _ in range(self.random.randint(0, 4)):
            world.at(self.random.uniform(0, self.storm), self._strike)
        if self.may_lose_log:
            world.at(self.random.uniform(0, self.storm), self._lose_log)
        world.run(self.storm)
        self._heal()
        if not world.run(HEALING_SECONDS_MAX, self._settled):
            world.check_executing()
            states = [
                (
                    node.epoch,
                    node.replica.view,
                    node.replica.final.height,
                    node.replica.strikes,
                    node.replica.alarm,
                )
                for node in world.honest_nodes
            ]
            raise Violation("liveness", f"not final after {HEALING_SECONDS_MAX} s: {states}")
        if not world.run(HEALING_SECONDS_MAX, lambda: world.everything_notarized_is_final):
            held = [
                (replica.view, replica.final_view, replica.has_work) for replica in world.replicas
            ]
            raise Violation("liveness", f"rests below a notarized block that is not final: {held}")
        self._count_epochs()
        return world

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
            self.world.submit(self.random.choice(up), b"transaction %d" % number)

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

    def _lose_log(self) -> None:
        """A deleted log or a restored snapshot (row 25): the node finds its key and no promises."""
        up = self._up()
        if up:
            victim = self.random.choice(up)
            self.done["log lost"] += 1
            self.world.crash(victim)
            self.world.lose_log(victim)
            self.world.at(self.random.uniform(0.05, 1.0), lambda: self._mend(victim))

    def _strike(self) -> None:
        world, up = self.world, self._up()
        kind = self.random.choice(
            ("crash", "crash at", "all crash", "partition", "one way", "mend")
        )
        self.done[kind] += 1
        match kind:
            case "crash" if up:
                self._crash(self.random.choice(up))
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

    def _heal(self) -> None:
        self.world.network.heal()
        self.world.stop_crashing()
        for index in sorted(self.world.down):
            self._mend(index)
