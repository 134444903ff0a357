"""The frame of clean-room scenarios: lines, refusals, the page, pictures, places."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.demo.clean_rooms.captures import NOT_SEARCHED, Captures, Place
from strongroom.node.demo.clean_rooms.lines import Lines, Refusal
from strongroom.node.demo.clean_rooms.pictures import COLOURS, Svg, colour
from strongroom.node.demo.clean_rooms.report import page, write_report
from strongroom.node.demo.clean_rooms.report_style import STYLE
from strongroom.node.terminal.teller import StoryFails, Teller

EVIL = "<script>alert('x')</script>\"&"


def lines(**changes: object) -> Lines:
    made = Lines(Teller(to_stderr=True), "A title")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


async def refuse(fault: Exception | None) -> None:
    if fault is not None:
        raise fault


@pytest.mark.parametrize(
    ("fault", "code", "holds"),
    [
        (ProgramFailed("withdrawn", "by its owner"), "withdrawn", True),
        (ProgramFailed("recipients", "others"), "recipients", False),
        (ClientFault("nothing left"), "ClientFault", False),
        (None, "", False),
    ],
)
async def test_what_is_tried_must_be_refused_with_its_code(
    fault: Exception | None, code: str, holds: bool
) -> None:
    kept = lines(complete=True)
    await kept.refused("withdrawn", "bank", "opens", refuse(fault))
    assert kept.refusals == [Refusal("bank", "opens", "withdrawn", code)]
    assert kept.holds is holds
    assert kept.document["ok"] is holds


async def test_what_is_no_refusal_is_not_taken_for_one() -> None:
    with pytest.raises(ZeroDivisionError):
        await lines().refused("withdrawn", "bank", "opens", refuse(ZeroDivisionError()))


def test_a_story_holds_when_it_came_to_its_end_with_lines_that_all_hold() -> None:
    kept = lines()
    kept.check(True, "one")
    with pytest.raises(StoryFails, match="not told to its end"):
        kept.demand()
    kept.complete = True
    kept.demand()
    kept.check(False, "two")
    with pytest.raises(StoryFails, match="1 lines do not hold: two"):
        kept.demand()
    with pytest.raises(StoryFails):
        lines(complete=True).demand()


class Elements(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def full_page() -> str:
    kept = lines(title=EVIL, intro=EVIL, complete=True)
    kept.check(True, EVIL)
    kept.keep_refusal(Refusal(EVIL, EVIL, "code", "code"))
    made = Svg(10, 10, EVIL)
    made.circle(5, 5, 2, colour(0), EVIL)
    made.text(1, 1, EVIL)
    kept.picture(EVIL, EVIL, made.made())
    kept.grid(EVIL, [EVIL], [[EVIL]], EVIL)
    kept.proof(EVIL, [(EVIL, EVIL)])
    kept.facts["figures"] = {EVIL: EVIL, "rows": 1234}
    return page(kept)


def test_the_page_has_no_script_no_remote_asset_and_escapes_what_it_is_told() -> None:
    text = full_page()
    elements = Elements()
    elements.feed(text)
    tags = {tag for tag, _ in elements.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    attributes = {name for _, some in elements.tags for name in some}
    assert not attributes & {"src", "href", "srcset", "onload", "onclick", "style", "action"}
    assert not re.search(r"(https?:)?//|@import|url\(", text)
    assert "default-src 'none'" in text
    assert "1,234" in text
    assert text.count("&lt;script&gt;") >= 12


def test_the_page_says_at_its_head_whether_all_lines_hold(tmp_path: Path) -> None:
    kept = lines(complete=True)
    kept.check(True, "one")
    assert "all 1 lines hold" in page(kept)
    broken = lines()
    broken.check(True, "one")
    assert "broken off after 1 lines" in page(broken)
    broken.check(False, "two")
    assert "1 of 2 lines do not hold" in page(broken)
    write_report(kept, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(OperatorFault, match="cannot be written"):
        write_report(kept, tmp_path / "none" / "report.html")


def test_every_colour_stands_in_both_schemes() -> None:
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    names = set(re.findall(r"var\((--[a-z0-9-]+)\)", STYLE))
    assert names >= {f"--c{number}" for number in range(COLOURS)}
    for name in names:
        assert f"{name}: #" in light
        assert f"{name}: #" in dark


def test_a_picture_is_well_formed_and_says_what_it_shows() -> None:
    made = Svg(100, 50, EVIL)
    made.arrow((0, 0), (30, 40), "across", gap=5, bend=0.2, tip=EVIL)
    made.path([(0, 0), (1.234567, 2)], "plot c0")
    made.rect(1, 2, 3, 4, "suppressed", opacity=0.5)
    root = ElementTree.fromstring(made.made())
    assert root.attrib["aria-label"] == EVIL
    assert [child.tag for child in root] == ["path", "polygon", "path", "rect"]
    assert root[0].findtext("title") == EVIL
    assert root[2].attrib["d"] == "M 0 0 L 1.23 2"


@pytest.mark.parametrize("kind", ['x" onload="y', "A", "a>b"])
def test_a_class_is_a_class(kind: str) -> None:
    with pytest.raises(ValueError, match=re.escape(kind)):
        Svg(1, 1, "").circle(0, 0, 1, kind)


PLACE = Place(
    name="n0's disk",
    who="its host",
    size=2**20,
    found={"rows": (), "keys": ()},
    must=frozenset(),
    may=frozenset(),
    control=True,
)
SEEN = {"rows": ("disk (raw)",), "keys": ()}


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"control": False}, False),
        ({"found": SEEN}, False),
        ({"found": SEEN, "may": frozenset({"rows"})}, True),
        ({"found": SEEN, "may": frozenset({"keys"})}, False),
        ({"must": frozenset({"rows"})}, False),
        ({"found": SEEN, "must": frozenset({"rows"}), "control": None}, True),
        ({"control": None}, False),
        ({"note": NOT_SEARCHED, "control": None}, True),
    ],
)
def test_a_place_holds_what_it_must_and_nothing_that_it_may_not(
    changes: dict[str, object], holds: bool
) -> None:
    assert replace(PLACE, **changes).holds is holds  # type: ignore[arg-type]


def test_finds_of_one_place_add_up() -> None:
    twice = replace(PLACE, found=SEEN).with_finds_of(PLACE)
    assert (twice.size, twice.found["rows"]) == (2 * 2**20, ("disk (raw)",))
    assert twice.cells(["rows", "keys"])[2:4] == ["sees", "–"]


def test_files_are_searched_for_every_secret_in_every_form(tmp_path: Path) -> None:
    kept = lines()
    captures = Captures(None, tmp_path / "captures", kept)  # type: ignore[arg-type]
    key = bytes(range(100, 132))
    captures.look_for("alfa", "ALFA-0123456789")
    captures.look_for_keys("keys", [key.hex()])
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "rows.csv").write_text("x,ALFA-0123456789,control-text\n")
    (tmp_path / "desk" / "key.json").write_text(f'"{key.hex()}"')
    captures.files("desk", "alfa", tmp_path / "desk", must={"alfa", "keys"})
    captures.files("other", "beta", tmp_path / "desk", control="control-text")
    captures.files("blind", "beta", tmp_path / "desk", may={"alfa", "keys"}, control="not there")
    assert [place.holds for place in captures.places] == [True, False, False]
    captures.show()
    assert [line.holds for line in kept.lines] == [True, False, False]
    assert kept.grids[0].columns == ("place", "who can look", "alfa", "keys", "searched")
