"""Safety alone: may this statement be made (PROTOCOL §4, Guard)?

Owns the promises of one vote key in one epoch. The replica asks before it casts; inside the enclave
it stands, with its own memory, between every statement and the key. Knows nothing of time, peers,
leaders or the contents of blocks.
"""

from strongroom.consensus.errors import StrongroomError
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import Epoch, View

_EXCLUDED_BY = {
    Kind.NOTARIZE: (Kind.NOTARIZE, Kind.NULLIFY),
    Kind.NULLIFY: (Kind.FINALIZE, Kind.NULLIFY),
    Kind.FINALIZE: (Kind.NULLIFY, Kind.FINALIZE),
}
"""What must not have been said in a view before: no N or X before N, no F before X, no X or F
before F."""


class GuardRefuses(StrongroomError):
    """The statement contradicts what this key has said, or is of a view about which nothing is said
    any more."""

    def __init__(self, statement: Statement, reason: str) -> None:
        super().__init__(
            f"{statement.kind.name} in view {statement.view} of epoch {statement.epoch}: {reason}"
        )
        self.statement = statement


class SafetyRules:
    """Every statement of one key in one epoch, above the final view."""

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        self._floor = self._closed = View(0)
        self._made: dict[View, dict[Kind, Statement]] = {}

    def check(self, statement: Statement) -> None:
        """Allow a statement, or the same one again (signing it again gives the same bytes).

        Raises:
            GuardRefuses: another epoch, a forgotten view, or a contradiction.
        """
        if statement.epoch != self._epoch:
            raise GuardRefuses(statement, f"these promises are of epoch {self._epoch}")
        if statement.view <= self._floor:
            raise GuardRefuses(statement, f"views up to {self._floor} are final and forgotten")
        made = self._made.get(statement.view, {})
        if made.get(statement.kind) == statement:
            return
        if statement.view <= self._closed:
            raise GuardRefuses(
                statement,
                f"views up to {self._closed} are final, and what was said there may be lost",
            )
        if any(kind in made for kind in _EXCLUDED_BY[statement.kind]):
            raise GuardRefuses(
                statement, f"{', '.join(kind.name for kind in made)} was said there before"
            )

    def add(self, statement: Statement) -> None:
        """Remember a statement, which must then be durable before it is signed.

        Raises:
            GuardRefuses: as `check`.
        """
        self.check(statement)
        self._made.setdefault(statement.view, {})[statement.kind] = statement

    def knows(self, statement: Statement) -> bool:
        """Was this said, or is its view forgotten?"""
        return (
            statement.view <= self._floor or self.said(statement.view, statement.kind) == statement
        )

    def said(self, view: View, kind: Kind) -> Statement | None:
        """What was said of this kind in a view, if anything."""
        return self._made.get(view, {}).get(kind)

    @property
    def floor(self) -> View:
        """Nothing new is said up to this view, whatever else was forgotten."""
        return max(self._floor, self._closed)

    def silent_in(self, view: View) -> bool:
        """Was nothing said in this view, and may something be?"""
        return view > self.floor and view not in self._made

    def all(self) -> tuple[Statement, ...]:
        """Every remembered statement, by view and kind."""
        return tuple(made[kind] for _, made in sorted(self._made.items()) for kind in sorted(made))

    def close(self, view: View) -> None:
        """Say nothing new up to this view; what is remembered stays, and may be said again."""
        self._closed = max(self._closed, view)

    def forget_below(self, view: View) -> None:
        """Forget everything up to a final view; any statement up to it is refused from now on."""
        if view > self._floor:
            self._floor = view
            self._made = {at: made for at, made in self._made.items() if at > view}
