"""Pictures of the health demo: where points stand and what they say; nothing runs or loads."""

import re
from xml.etree import ElementTree

import pytest

from strongroom.node.demo.health.pictures import (
    ALONE,
    JOINT,
    LEFT,
    NAMES,
    PANEL,
    SCALE,
    TOP,
    Bin,
    Gain,
    calibration_picture,
    gain_picture,
)

BINS = [Bin(0.1, 0.2, 40), Bin(0.5, 0.4, 10)]


def circles(picture: str, style: str) -> list[tuple[float, float, float, str]]:
    """(x, y, radius, title) of each point."""
    found = []
    for one in ElementTree.fromstring(picture).iter("circle"):
        title = one.find("title")
        if one.get("class") == style and title is not None:
            places = (float(one.get(name, "nan")) for name in ("cx", "cy", "r"))
            found.append((*places, str(title.text)))
    return found  # type: ignore[return-value]


def texts(picture: str) -> list[str]:
    return [str(one.text) for one in ElementTree.fromstring(picture).iter("text")]


def test_a_panel_for_each_hospital_and_a_point_for_each_bin() -> None:
    picture = calibration_picture([("north", BINS), ("south", [])])
    first, second = circles(picture, JOINT)
    assert first[:2] == (LEFT + 0.1 * PANEL, TOP + 0.8 * PANEL)
    assert second[:2] == (LEFT + 0.5 * PANEL, TOP + 0.6 * PANEL)
    assert first[2] == pytest.approx(2 * second[2], abs=0.1), "areas go with records"
    assert first[3] == "north: told 0.10, found 0.20, 40 records"
    assert {"north", "south", "too few records to tell"} <= set(texts(picture))


def test_what_pooling_gains_is_said_also_where_it_is_nothing() -> None:
    gains = [
        Gain("north", 0.7, 0.8),
        Gain("south", 0.8, 0.75),
        Gain("west", None, 0.9),
        Gain("east", 0.6, None),
    ]
    picture = gain_picture(gains)
    assert [one.words for one in gains] == [
        *("gains 0.100", "gains nothing (-0.050)", "had no model", "not told")
    ]
    assert {one.words for one in gains} <= set(texts(picture))
    joint = {title: x for x, _, _, title in circles(picture, JOINT)}
    assert joint["north joint: 0.800"] == pytest.approx(NAMES + 0.6 * SCALE)
    assert len(joint) == 4, "a key, and three hospitals"
    assert len(circles(picture, ALONE)) == 4
    assert Gain("equal", 0.8, 0.8).words == "gains nothing (+0.000)"


def test_an_axis_goes_as_low_as_its_points() -> None:
    picture = gain_picture([Gain("north", 0.31, 0.8)])
    assert "0.3" in texts(picture)
    assert all(x >= NAMES for x, _, _, _ in circles(picture, ALONE))


def test_nothing_of_a_name_is_markup_and_nothing_is_remote() -> None:
    name = "<script>&\"'</script>"
    for picture in (calibration_picture([(name, BINS)]), gain_picture([Gain(name, 0.1, 0.2)])):
        assert name in texts(picture)
        assert not re.search(r"<script|href|src=|url\(|@import|https?:", picture)
