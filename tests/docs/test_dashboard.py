"""docs/deploy/grafana/strongroom.json: valid, whole, and about metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.docs.promql import metrics_in, parsed

from strongroom.node.metrics.catalogue import METRICS, PREFIX

FILE = Path(__file__).parents[2] / "docs" / "deploy" / "grafana" / "strongroom.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
NOT_SHOWN = {
    f"{PREFIX}consensus_view": "it begins anew with each epoch; what it costs is shown",
    f"{PREFIX}consensus_epoch": "changes are rare, and events of the explorer",
    f"{PREFIX}archive_segments": "its bytes are shown",
    f"{PREFIX}archive_failing": "an alert tells of it",
    f"{PREFIX}archive_reads_total": "for whoever looks why an answer was -32008",
    f"{PREFIX}traces_dropped_total": "of tracing alone, which few have",
}
"""Metrics without a panel, and why."""
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


def shown() -> set[str]:
    found = {name for _, expression in EXPRESSIONS for name in metrics_in(expression)}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def test_it_can_be_imported_anywhere() -> None:
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert (DASHBOARD["uid"], variables["datasource"]["type"]) == ("strongroom", "datasource")
    assert variables.keys() == {"datasource", "job", "instance"}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS) >= 14
    for panel in PANELS:
        assert panel["datasource"] == SOURCE, panel["title"]
        assert all(target["datasource"] == SOURCE for target in panel["targets"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert len(panel["description"].split()) >= 8
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["legendFormat"] for target in panel["targets"])
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)


def test_panels_do_not_overlap_and_keep_to_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_every_expression_parses_and_is_of_the_chosen_nodes(title: str, expression: str) -> None:
    parsed(expression)
    selectors = re.findall(r"(?:strongroom|process)_\w+(\{[^}]*\})?", expression)
    assert selectors
    assert all(one.startswith('{job="$job",instance=~"$instance"') for one in selectors), title


def test_what_does_not_parse_is_found() -> None:
    with pytest.raises(ValueError, match=r".+"):
        parsed("sum(rate(strongroom_x[$__rate_interval])")


def test_each_panel_reads_metrics_that_there_are_and_each_metric_has_a_panel() -> None:
    ours = {name for name in shown() if name.startswith(PREFIX)}
    assert ours <= METRICS.keys(), ours - METRICS.keys()
    assert METRICS.keys() - ours == NOT_SHOWN.keys()


def test_a_counter_is_shown_as_a_rate_or_is_asked_whether_it_moved() -> None:
    for title, expression in EXPRESSIONS:
        for name in re.findall(r"strongroom_\w+_total", expression):
            before = expression[: expression.index(name)]
            assert before.endswith(("rate(", "increase(")) or "> 0" in expression, title
