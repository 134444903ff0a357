"""What somebody may have meant who wrote a name that is not there.

Owns the one suggestion in an error's text. Knows nothing of what the names stand for.
"""

import difflib
from collections.abc import Iterable

_KNOWN_MAX = 1_000
"""Names that are compared; a folder may hold any number of files."""


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """``did you mean NAME?`` for the nearest of `known`, or nothing when none is near."""
    names = sorted(known)[:_KNOWN_MAX]
    folded = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(wrong.lower(), folded, n=1, cutoff=0.7)
    return f"did you mean {folded[near[0]]}?" if near else ""
