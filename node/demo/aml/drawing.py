"""Pictures of the laundering scenario: rings, scatter-gathers, counts.

Owns where things stand. Colours are banks'; texts are escaped by pictures.py.
"""

from collections.abc import Collection, Mapping
from math import cos, pi, sin
from typing import Any

from strongroom.node.demo.aml.searching import Legs
from strongroom.node.demo.aml.transfers import World
from strongroom.node.demo.clean_rooms.pictures import Svg, colour

SHOWN_MAX, SCATTERS_MAX = 12, 8
COLUMNS, CELL = 4, 230.0
Account = tuple[str, str]
Leg = tuple[Any, ...]


def draw_rings(world: World, rings: Collection[Legs]) -> str:
    """Rings side by side: those through most members first, then the smallest."""
    chosen = _chosen(world, rings)
    rows = -(-len(chosen) // COLUMNS) or 1
    made = Svg(COLUMNS * CELL, rows * CELL + 34, "Rings of transfers between accounts of banks")
    _legend(made, world)
    for number, legs in enumerate(chosen):
        x, y = (number % COLUMNS + 0.5) * CELL, 34 + (number // COLUMNS + 0.5) * CELL
        _ring(made, world, sorted(legs, key=_time), (x, y))
    return made.made()


def draw_scatters(world: World, patterns: Collection[Legs]) -> str:
    """Scatter-gathers side by side: payer, those between, receiver."""
    chosen = _chosen(world, patterns)[:SCATTERS_MAX]
    rows = [chosen[at : at + 2] for at in range(0, len(chosen), 2)]
    heights = [56.0 + 36 * max(map(_middles, row)) for row in rows]
    width, y = COLUMNS * CELL / 2, 34.0
    made = Svg(COLUMNS * CELL, sum(heights) + y, "One account pays another over several")
    _legend(made, world)
    for row, height in zip(rows, heights, strict=True):
        for at, legs in enumerate(row):
            _scatter(made, world, sorted(legs, key=_time), (at * width, y, width, height))
        y += height
    return made.made()


def draw_counts(found: Mapping[str, Mapping[str, int]]) -> str:
    """Two bars for each kind: what banks find alone, what they find together."""
    made = Svg(920, 26 + 74 * len(found), "Patterns found alone and pooled")
    most = max([1, *(max(one["pooled"], one["alone"]) for one in found.values())])
    for number, (kind, one) in enumerate(found.items()):
        y = 20.0 + number * 74
        made.text(0, y + 4, kind, "strong")
        for row, (what, name) in enumerate((("alone", "each bank alone"), ("pooled", "pooled"))):
            top, width = y + 12 + row * 22, 600.0 * one[what] / most
            made.text(0, top + 13, name, "label")
            made.rect(130, top, max(width, 1.0), 16, ("bar-soft", "bar")[row])
            made.text(138 + width, top + 13, f"{one[what]:,}", "strong")
    return made.made()


def _chosen(world: World, patterns: Collection[Legs]) -> list[Legs]:
    """Through most members first, then the smallest; none over accounts of one that is shown."""

    def order(legs: Legs) -> tuple[int, int, list[Leg]]:
        members = {world.member_of(str(bank)) for leg in legs for bank in (leg[0], leg[2])}
        return -len(members), len(legs), sorted(legs, key=str)

    chosen, shown = list[Legs](), set[Account]()
    for legs in sorted(patterns, key=order):
        accounts = {end for leg in legs for end in (_payer(leg), _payee(leg))}
        if not accounts & shown:
            chosen.append(legs)
            shown |= accounts
        if len(chosen) == SHOWN_MAX:
            break
    return chosen


def _ring(made: Svg, world: World, legs: list[Leg], middle: tuple[float, float]) -> None:
    (x, y), count = middle, len(legs)
    ends = [(str(leg[0]), str(leg[1])) for leg in legs]
    places = {
        end: (x + 60 * sin(2 * pi * at / count), y - 60 * cos(2 * pi * at / count))
        for at, end in enumerate(ends)
    }
    for leg in legs:
        _arrow(made, world, leg, places, bend=0.14)
    for at, end in enumerate(ends):
        right, up = sin(2 * pi * at / count), cos(2 * pi * at / count)
        anchor = "middle" if abs(right) < 0.3 else "start" if right > 0 else "end"
        label = (x + 73 * right, y - 73 * up + 4 - 3 * up)
        _account(made, world, end, places[end], label, anchor)
    made.text(x, y + 4, f"{count} transfers", "label", "middle")


def _scatter(
    made: Svg, world: World, legs: list[Leg], box: tuple[float, float, float, float]
) -> None:
    x, y, width, height = box
    payers, payees = {_payer(leg) for leg in legs}, {_payee(leg) for leg in legs}
    middle = sorted(payers & payees)
    places = {end: (x + 70, y + height / 2) for end in payers - set(middle)}
    places |= {end: (x + width - 70, y + height / 2) for end in payees - set(middle)}
    for at, end in enumerate(middle):
        places[end] = (x + width / 2, y + height / 2 + 36 * (at - (len(middle) - 1) / 2))
    for leg in legs:
        _arrow(made, world, leg, places)
    for end, (px, py) in places.items():
        _account(made, world, end, (px, py), (px, py - 12))


def _middles(legs: Legs) -> int:
    return len({_payer(leg) for leg in legs} & {_payee(leg) for leg in legs})


def _arrow(
    made: Svg,
    world: World,
    leg: Leg,
    places: Mapping[Account, tuple[float, float]],
    bend: float = 0,
) -> None:
    payer, payee = _payer(leg), _payee(leg)
    across = world.member_of(payer[0]) != world.member_of(payee[0])
    tip = f"{payer[1]} pays {payee[1]} {int(leg[5]) / 100:,.2f}"
    kind = "across" if across else "edge"
    made.arrow(places[payer], places[payee], kind, gap=10, bend=bend, tip=tip)


def _account(
    made: Svg,
    world: World,
    end: Account,
    place: tuple[float, float],
    label: tuple[float, float],
    anchor: str = "middle",
) -> None:
    member = world.member_of(end[0])
    tip = f"account {end[1]} of {end[0]}"
    made.circle(*place, 8, colour(world.members.index(member)), tip)
    made.text(*label, f"…{end[1][-4:]}", "small", anchor)


def _legend(made: Svg, world: World) -> None:
    x = 8.0
    for number, member in enumerate(world.members):
        made.circle(x + 6, 12, 6, colour(number))
        made.text(x + 18, 16, member, "label")
        x += 40 + 8.0 * len(member)


def _payer(leg: Leg) -> Account:
    return str(leg[0]), str(leg[1])


def _payee(leg: Leg) -> Account:
    return str(leg[2]), str(leg[3])


def _time(leg: Leg) -> int:
    return int(leg[4])
