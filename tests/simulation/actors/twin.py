"""One key, two nodes that do not know of each other (T30)."""

from tests.simulation.actors.actor import ActorEvent, Liar, Role, Send
from tests.simulation.actors.honest import Honest
from tests.simulation.actors.witness import Witness

from strongroom.consensus.replica.events import Now


class Twin(Liar):
    """Two honest nodes under one key; what comes in goes to one of them, ticks to both."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._nodes = (Honest(role, Witness()), Honest(role, Witness()))
        self._started = False

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Let both, or one of them, act."""
        sends: list[Send] = []
        if not self._started:
            self._started = True
            for node in self._nodes:
                sends += node.boot(now)
        chosen = self._nodes
        if self.role.random.random() < 0.5:
            chosen = (self.role.random.choice(self._nodes),) * 1  # type: ignore[assignment]
        for node in chosen:
            sends += node.on_event(event, now)
        return sends

    def deadline(self) -> float | None:
        """The earlier of the two."""
        if not self._started:
            return 0.0
        return min(at for at in (node.deadline() for node in self._nodes) if at is not None)
