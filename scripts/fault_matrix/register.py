"""Is a history of one register linearizable? Exact, because every answer tells its place in the one
order.

The register is a collection of `records`: an append answers with its number, a look with the number
of entries and the digest over all of them. So the total order of all operations is known, and the
history is linearizable if and only if no operation begins after another one has ended that stands
later in that order. Owns this check alone: no network, no clock; times are whatever one clock of
whoever made the history says.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from strongroom.consensus.types import NO_DIGEST
from strongroom.enclave.programs.records import claim_of, next_head


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """One append: `answered` is infinite, and `place` None, if nobody knows how it ended."""

    client: int
    contents: str
    """Unique in the history."""
    asked: float
    answered: float
    place: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One query of the head."""

    client: int
    linearizable: bool
    """False: as fresh as the client's own newest answer, and no more is promised."""
    asked: float
    answered: float
    place: int
    """How many entries it saw."""
    digest: str
    """Over all of them, hex."""


@dataclass(frozen=True, slots=True)
class History:
    """What clients did and saw, and what the ledger holds in the end."""

    owner: bytes
    collection: str
    appends: Sequence[Append]
    looks: Sequence[Look]
    entries: Sequence[str]
    """Contents by place, from 1 on, as read at the end."""


def anomalies(history: History) -> list[str]:
    """What does not hold, in words; empty: every answer fits one order that time does not
    contradict."""
    return [*_entries(history), *_heads(history), *_real_time(history), *_sessions(history)]


def _entries(history: History) -> list[str]:
    """Every acknowledged append stands at its place, nothing stands twice, nothing is from
    nowhere."""
    wrong = []
    for append in history.appends:
        if append.place is None:
            continue
        found = _at(history, append.place)
        if found != append.contents:
            wrong.append(
                f"append {append.contents!r} was told place {append.place}, where {found!r} stands"
            )
    asked = {append.contents for append in history.appends}
    for contents, count in Counter(history.entries).items():
        if count > 1:
            wrong.append(f"{contents!r} stands {count} times")
        if contents not in asked:
            wrong.append(f"{contents!r} stands in the register, and nobody appended it")
    return wrong


def _at(history: History, place: int) -> str | None:
    return history.entries[place - 1] if 1 <= place <= len(history.entries) else None


def _heads(history: History) -> list[str]:
    """What a look saw is the digest over the entries up to its place."""
    heads, chain = ["00" * len(NO_DIGEST)], bytes(NO_DIGEST)
    for place, contents in enumerate(history.entries, start=1):
        chain = bytes(
            next_head(chain, claim_of(history.owner, history.collection, place, contents, ()))
        )
        heads.append(chain.hex())
    return [
        f"a look at place {look.place} saw another history than the register's"
        for look in history.looks
        if look.place >= len(heads) or heads[look.place] != look.digest
    ]


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation, where it stands in the one order: appends at a place come before looks at
    it."""

    place: int
    is_look: bool
    asked: float
    answered: float
    words: str


def _real_time(history: History) -> list[str]:
    """Nothing stands before what had ended when it began. Looks that are not linearizable may be
    old, never new."""
    places = {contents: place for place, contents in enumerate(history.entries, start=1)}
    appends = [
        _Step(
            places[append.contents],
            False,
            append.asked,
            append.answered,
            f"append {append.contents!r}",
        )
        for append in history.appends
        if append.contents in places
    ]
    looks = [
        _Step(
            look.place,
            True,
            look.asked,
            look.answered,
            f"look of client {look.client} at {look.place}",
        )
        for look in history.looks
        if look.linearizable
    ]
    early = [
        _Step(
            look.place, True, -inf, look.answered, f"look of client {look.client} at {look.place}"
        )
        for look in history.looks
        if not look.linearizable
    ]
    wrong = _inversions([*appends, *looks])
    wrong += [text for text in _inversions([*appends, *early]) if text.startswith("look")]
    return sorted(set(wrong))


def _inversions(steps: list[_Step]) -> list[str]:
    """Pairs in which the later one of the order had ended before the earlier one began; one for
    each such later one."""
    wrong = []
    newest: _Step | None = None
    group: list[_Step] = []
    for step in sorted(steps, key=lambda one: (one.place, one.is_look)):
        if group and (group[0].place, group[0].is_look) != (step.place, step.is_look):
            newest = max([*group, *([newest] if newest else [])], key=lambda one: one.asked)
            group = []
        group.append(step)
        if newest is not None and step.answered < newest.asked:
            wrong.append(
                f"{step.words} had ended before {newest.words} began, and stands behind it"
            )
    return wrong


def _sessions(history: History) -> list[str]:
    """A client sees its own appends, and never goes back."""
    wrong = []
    clients = {append.client for append in history.appends} | {
        look.client for look in history.looks
    }
    for client in sorted(clients):
        known = 0
        ends: list[tuple[float, int, int]] = []
        for append in history.appends:
            if append.client == client and append.place is not None:
                ends.append((append.answered, 0, append.place))
        looks = sorted(
            (look for look in history.looks if look.client == client), key=lambda look: look.asked
        )
        ends += [(look.answered, 1, look.place) for look in looks]
        ends.sort()
        seen = 0
        for look in looks:
            while seen < len(ends) and ends[seen][0] < look.asked:
                known = max(known, ends[seen][2])
                seen += 1
            if look.place < known:
                wrong.append(f"client {client} saw {look.place} entries after it knew of {known}")
    return wrong
