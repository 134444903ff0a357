"""README's four rows are rows of the suite, as docs/performance.md has them."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("max throughput", "50 % load", "lone client", "one of four dead")


def rows_of(file: str, head: str) -> dict[str, list[str]]:
    """Cells by the first one, of the table that begins with this line."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    at = lines.index(head) + 2
    found = {}
    while lines[at].startswith("|"):
        name, *cells = (cell.strip() for cell in lines[at].strip("|").split("|"))
        found[name], at = cells, at + 1
    return found


def rounded(latencies: str) -> str:
    return " / ".join(f"{float(one):.0f}" for one in latencies.split(" / "))


def test_the_rows_of_the_readme_are_those_of_the_suite() -> None:
    shown = rows_of(
        "README.md",
        "| load | per second | p50 / p95 / p99 ms | host + enclave + client µs |",
    )
    suite = rows_of(
        "docs/performance.md",
        "| load | per second | p50 / p95 / p99 ms | receipt ms | host + enclave + client µs | "
        "floor | agree |",
    )
    assert set(shown) == set(NAMES)
    for name, (pace, latencies, costs) in shown.items():
        measured = suite[name]
        assert (pace, latencies, costs) == (measured[0], rounded(measured[1]), measured[3]), name
        assert measured[-1] == "yes"
