"""README's four rows are rows of the suite, as docs/performance.md has them."""

from pathlib import Path

from strongroom.node.bench.suite_tables import README_HEAD, README_ROWS, SUITE_HEAD

ROOT = Path(__file__).parents[2]


def rows_of(file: Path, head: str) -> dict[str, list[str]]:
    """Cells by the first one, of the table that begins with this line."""
    lines = file.read_text(encoding="utf-8").splitlines()
    at = lines.index(head) + 2
    found = {}
    while lines[at].startswith("|"):
        name, *cells = (cell.strip() for cell in lines[at].strip("|").split("|"))
        found[name], at = cells, at + 1
    return found


def rounded(latencies: str) -> str:
    return " / ".join(f"{float(one):.0f}" for one in latencies.split(" / "))


def check_rows(shown: dict[str, list[str]], suite: dict[str, list[str]]) -> None:
    """The README's rows, whole and as the suite has them."""
    assert set(shown) == set(README_ROWS)
    for name, (pace, latencies, costs) in shown.items():
        measured = suite[name]
        assert (pace, latencies, costs) == (measured[0], rounded(measured[1]), measured[3]), name
        assert measured[-1] == "yes"


def test_the_rows_of_the_readme_are_those_of_the_suite() -> None:
    check_rows(
        rows_of(ROOT / "README.md", README_HEAD),
        rows_of(ROOT / "docs" / "performance.md", SUITE_HEAD),
    )
