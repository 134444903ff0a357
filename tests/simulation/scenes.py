"""Short words for what scenarios do and ask: a fixed δ, a stream of transactions, who said what."""

from collections.abc import Iterable
from functools import partial
from random import Random

from tests.simulation.network import Network
from tests.simulation.world import LiarFactory, World

from strongroom.consensus.leaders import leader_of, leader_order
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import SignerIndex

DELTA = 0.01
"""δ: the one-way delay of every message in these scenes, in seconds."""
QUICK = Settings(delta0=0.06, retry=0.3, skip_after=1.2, fetch_wait=0.01, fetch_timeout_max=1.0)


def steady(seed: int = 1) -> Network:
    """Every message takes δ."""
    return Network(Random(seed), delay=(DELTA, DELTA), salt=seed)


class Scene(World):
    """A world with words."""

    def __init__(
        self,
        size: int = 4,
        seed: int = 1,
        liars: dict[int, LiarFactory] | None = None,
        settings: Settings = QUICK,
        network: Network | None = None,
        **options: object,
    ) -> None:
        super().__init__(
            size=size,
            seed=seed,
            liars=liars,
            settings=settings,
            network=network or steady(seed),
            **options,  # type: ignore[arg-type]
        )
        self.said: list[tuple[SignerIndex, Statement]] = []

    def signed(self, node: SignerIndex, statement: Statement) -> None:
        self.said.append((node, statement))
        super().signed(node, statement)

    def leader(self, view: int) -> int:
        """Who leads a view."""
        return leader_of(leader_order(self.anchor.digest, len(self.roles)), view)  # type: ignore[arg-type]

    def views(self, kind: Kind) -> set[int]:
        """Views in which an honest node said this."""
        return {int(statement.view) for _, statement in self.said if statement.kind is kind}

    def load(self, count: int, every: float = 0.05, nodes: Iterable[int] | None = None) -> None:
        """Submit `count` transactions from now on, by turns to the nodes that are up then."""
        turns = [int(index) for index in nodes or (node.role.index for node in self.honest_nodes)]
        start = len(self.submitted)
        for number in range(start, start + count):
            self.at(every * (number - start), partial(self._submit_by_turn, turns, number))

    def _submit_by_turn(self, turns: list[int], number: int) -> None:
        up = [index for index in turns if index not in self.down]
        if up:
            self.submit(up[number % len(up)], b"load %d" % number)

    def settle(self, seconds: float = 30.0) -> None:
        """Let everything that was submitted become final; it must within the time."""
        assert self.run(seconds, self.everything_final), [
            (r.view, r.final.height, r.strikes, r.has_work, r.alarm)
            for r in (replica.state for replica in self.replicas)
        ]

    def heights(self) -> list[int]:
        """Final heights of the honest nodes that are up."""
        return [int(replica.state.final.height) for replica in self.replicas]

    def alarms(self) -> list[str]:
        """Alarms of honest nodes that are up."""
        return [replica.state.alarm for replica in self.replicas if replica.state.alarm]
