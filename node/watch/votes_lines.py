"""The panel of the view that runs: who voted for what, as rows of text.

Owns its layout alone. A name stands for a vote, a dot for none yet; where there is no room for
names, their number. FINALIZE votes are for the block of the view before: they come while the next
view runs.
"""

from collections.abc import Sequence

from rich.cells import cell_len

from strongroom.node.watch.lines import Line, age, fit, number, title
from strongroom.node.watch.view import View, Votes

ROWS = 3
_LABEL = 10
_MARGIN = "   "


def consensus(view: View, width: int) -> list[Line]:
    """A heading and two rows: the votes; without them how many vote, and what was lost."""
    lost = f"views without a block: {view.nullified}"
    if view.votes is None:
        leads = f"leader {view.leader} ★" if view.leader else "no leader known"
        words = f"view {number(view.view)} ── {leads} ── {age(view.view_age)} in it"
        voting = f"{view.voting} of {number(view.members)} vote, a quorum is {number(view.quorum)}"
        return [
            title(words, width),
            Line(fit(f"{_MARGIN}{voting}", width)),
            Line(fit(f"{_MARGIN}{lost}", width)),
        ]
    votes, half = view.votes, (width - len(_MARGIN)) // 2
    room, beyond = half - _LABEL - 2, width - len(_MARGIN) - half - _LABEL
    left = (
        _row("notarize", _cast(votes.notarize, votes.validators, view.quorum, room)),
        _row("nullify", _cast(votes.nullify, votes.validators, view.quorum, room)),
    )
    block = f"{number(votes.finalizes)}  "
    done = _cast(votes.finalize, votes.validators, view.quorum, beyond - len(block))
    right = (
        _row("finalize", f"{block}{done}"),
        _row("lanes", _lanes(votes.lanes, beyond)),
    )
    beside = ("", lost if view.nullified else "")
    return [
        title(_heading(view, votes), width),
        *(
            Line(_beside(one, two, three, width))
            for one, two, three in zip(left, right, beside, strict=True)
        ),
    ]


def _heading(view: View, votes: Votes) -> str:
    words = f"view {number(votes.view)} ── leader {votes.leader} ★"
    if votes.rests:
        return f"{words} ── rests, nothing to order"
    words += f" ── {age(max(0.0, view.now - votes.since))} in it"
    if votes.proposes is not None:
        words += f" ── proposes {number(votes.proposes)}"
    return f"{words} ── timeouts {votes.strikes}" if votes.strikes else words


def _row(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}"


def _beside(one: str, two: str, three: str, width: int) -> str:
    half = (width - len(_MARGIN)) // 2
    line = f"{_MARGIN}{fit(one, half)}{two}"
    left = width - cell_len(line) - 2
    return fit(f"{line}  {three}" if three and cell_len(three) <= left else line, width)


def _cast(cast: Sequence[str], validators: Sequence[str], quorum: int | None, room: int) -> str:
    """Who voted, by index, and how many of a quorum."""
    count = f"{len(cast)} of {number(quorum)}"
    names = " ".join(one if one in cast else fit("·", cell_len(one)) for one in validators)
    text = f"{names}  {count}"
    return text if cell_len(text) <= room else count


def _lanes(lanes: Sequence[tuple[str, int]], room: int) -> str:
    """Batches that wait, by lane; where there is no room, of all lanes."""
    text = "  ".join(f"{name} +{waiting}" for name, waiting in lanes)
    return text if cell_len(text) <= room else f"+{sum(waiting for _, waiting in lanes)} in all"
