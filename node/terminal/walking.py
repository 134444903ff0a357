"""How far a walk over a ledger is, said on stderr while it takes long.

Owns when it is said: not at all where the walk is short, then now and then. Files say no end before
they are read, so a height and the time it took are all there is to say.
"""

from time import monotonic

from strongroom.node.terminal.printing import note

NOTE_SECONDS = 2.0
"""How long a walk may take before it is said how far it is, and between two such lines."""


class Walking:
    """Told heights as they pass; says some of them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = self._said = monotonic()

    def __call__(self, height: int) -> None:
        """This height has passed."""
        now = monotonic()
        if now - self._said >= NOTE_SECONDS:
            self._said = now
            note(f"{self._what} up to height {height:,}, {now - self._begun:.0f} s")
