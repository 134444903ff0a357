"""A scenario as one HTML file: no remote asset, no script; every text of it escaped.

Owns the page's order. What stands in it is what the scenario kept (lines.py); pictures come from
pictures.py alone, which escapes their texts.
"""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.demo.clean_rooms.lines import Grid, Lines, Picture, Proof, Refusal
from strongroom.node.demo.clean_rooms.report_style import STYLE

FIGURES = "figures"
"""Of `Lines.facts`: {what: number or text}, shown large."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_report(lines: Lines, path: Path) -> None:
    """Write the page.

    Raises:
        OperatorFault: it cannot be written.
    """
    try:
        path.write_text(page(lines), encoding="utf-8")
    except OSError as fault:
        raise OperatorFault(f"{path} cannot be written: {fault.strerror}") from None


def page(lines: Lines) -> str:
    """The page as text."""
    parts = [
        _head(lines),
        _figures(lines),
        *map(_picture, lines.pictures),
        *map(_grid, lines.grids),
        _refusals(lines.refusals),
        _proofs(lines.proofs),
        _lines(lines),
        "<footer>Every line was checked while the scenario ran, on real processes of this "
        "machine: nodes, workers, owners. Chips are simulated: nothing here rests on silicon."
        "</footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(lines.title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(lines: Lines) -> str:
    count, broken = len(lines.lines), len(lines.broken)
    words = f"all {count} lines hold" if lines.holds else f"{broken} of {count} lines do not hold"
    if not lines.complete and not broken:
        words = f"broken off after {count} lines"
    kind = "badge" if lines.holds else "badge bad"
    return (
        f"<header><h1>{escape(lines.title)}</h1><p>{escape(lines.intro)}</p>"
        f'<span class="{kind}">{words} · {lines.teller.seconds:.0f} s</span></header>'
    )


def _figures(lines: Lines) -> str:
    figures = lines.facts.get(FIGURES, {})
    cells = (
        f'<div class="fact"><b>{escape(_shown(value))}</b><span>{escape(what)}</span></div>'
        for what, value in figures.items()
    )
    return f'<h2>In figures</h2><div class="facts">{"".join(cells)}</div>' if figures else ""


def _picture(one: Picture) -> str:
    return _section(one.title, one.caption, one.svg)


def _grid(one: Grid) -> str:
    rows = (
        f"<tr>{''.join(f'<td{_mark(cell)}>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in one.rows
    )
    return _section(one.title, one.caption, _table(one.columns, rows))


def _refusals(refusals: list[Refusal]) -> str:
    if not refusals:
        return ""
    rows = (
        f"<tr><td>{escape(one.who)}</td><td>{escape(one.tried)}</td>"
        f'<td class="{"good" if one.holds else "broken"}"><code>'
        f"{escape(one.code or 'it was done')}</code></td></tr>"
        for one in refusals
    )
    table = _table(("who", "tried", "refused with"), rows)
    return _section("What was refused", "Each by the ledger, or by the worker's own rules.", table)


def _proofs(proofs: list[Proof]) -> str:
    if not proofs:
        return ""
    made = []
    for one in proofs:
        facts = "".join(
            f'<dt>{escape(name)}</dt><dd class="mono">{escape(value)}</dd>'
            for name, value in one.facts
        )
        made.append(f"<details><summary>{escape(one.title)}</summary><dl>{facts}</dl></details>")
    caption = "Verified offline, from the file and the service's pin alone; the claim is revealed."
    return _section("Receipts", caption, "".join(made))


def _lines(lines: Lines) -> str:
    rows = (
        f'<li><b class="{"good" if one.holds else "broken"}">{"✓" if one.holds else "✗"}</b>'
        f"{escape(one.words)}</li>"
        for one in lines.lines
    )
    return _section("Every line that had to hold", "", f'<ul class="lines">{"".join(rows)}</ul>')


def _section(title: str, caption: str, inside: str) -> str:
    told = f'<p class="caption">{escape(caption)}</p>' if caption else ""
    return f'<section><h2>{escape(title)}</h2>{told}<div class="card">{inside}</div></section>'


def _table(columns: Iterable[str], rows: Iterable[str]) -> str:
    heads = "".join(f"<th>{escape(one)}</th>" for one in columns)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _mark(cell: str) -> str:
    return {"sees": ' class="sees"', "–": ' class="none"'}.get(cell, "")


def _shown(value: object) -> str:
    return f"{value:,}" if type(value) is int else str(value)
