"""A liar from a file that somebody else wrote, kept within what a member of a real cluster can do.

Owns loading and containment: what the liar sends passes through the wire form, and what it raises
stays its own.
"""

from collections import Counter
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from tests.simulation.actors.actor import Actor, ActorEvent, Role, Send

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.messages import decode_message, encode_message
from strongroom.consensus.replica.events import Now

SENDS_MAX = 1_000
"""Of one event; an authenticated link has a bound too."""

HINT = (
    "it must define `class Liar(Actor)` with `on_event(event, now) -> list[Send]`; "
    "docs/simulation.md has an example"
)


class Contained(Actor):
    """Somebody else's liar: no error of its own ends the simulation, and every message has a wire
    form."""

    def __init__(self, role: Role, make: Callable[[Role], Actor], mistakes: Counter[str]) -> None:
        super().__init__(role)
        self._mistakes = mistakes
        self._inner: Actor | None = None
        try:
            self._inner = make(role)
        except Exception as error:
            self._note(error)

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """What the liar answers, as far as a link could carry it."""
        if self._inner is None:
            return []
        try:
            sends = list(self._inner.on_event(event, now))
        except Exception as error:
            self._note(error)
            return []
        return [sent for send in sends[:SENDS_MAX] if (sent := self._carried(send)) is not None]

    def deadline(self) -> float | None:
        """When the liar wants a tick."""
        try:
            wanted = None if self._inner is None else self._inner.deadline()
            return None if wanted is None else float(wanted)
        except Exception as error:
            self._note(error)
            return None

    def _carried(self, send: Send) -> Send | None:
        try:
            message = decode_message(encode_message(send.message))
            if send.to is not None and not 0 <= send.to < self.role.seats:
                raise ValueError(f"there is no member {send.to}")
            return Send(send.to, message)
        except Exception as error:
            self._note(error)
            return None

    def _note(self, error: Exception) -> None:
        self._mistakes[f"{type(error).__name__}: {error}"] += 1


def load_liar(path: Path) -> type[Actor]:
    """The class `Liar` of a file.

    Raises:
        OperatorFault: no such file, it does not run, or it defines no such class.
    """
    spec = spec_from_file_location("given_liar", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise OperatorFault(f"{path}: no Python file; {HINT}")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise OperatorFault(
            f"{path} does not load ({type(error).__name__}: {error}); {HINT}"
        ) from None
    liar = getattr(module, "Liar", None)
    if not isinstance(liar, type) or not issubclass(liar, Actor) or liar.on_event is Actor.on_event:
        raise OperatorFault(f"{path}: no usable class Liar; {HINT}")
    return liar
