"""Pages for people: files that tables name exist, lines are short, decisions are numbered."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLUMNS_MAX = 100
TABLE_COLUMNS_MAX = 160
WIDE = {"docs/performance.md", "docs/interfaces.md", "docs/threats.md", "tests/README.md"}
WIDE |= {"docs/vault.md", "docs/wrong-turns.md"}
"""Pages whose tables hold more than a short cell: measurements, methods, threats, planted bugs,
sentences."""

LISTED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
)
PAGES = [line for line in LISTED.stdout.splitlines() if (ROOT / line).is_file()]
READMES = [page for page in PAGES if page.endswith("README.md") and not page.startswith("tests/")]
MAP = "docs/where.md"
FILE = re.compile(r"`([\w/.-]+\.py|\w[\w/-]*/)`")
DECISION = re.compile(r"^(\d+)\. \*\*", re.MULTILINE)


def lines_of(page: str) -> list[tuple[int, str]]:
    """Lines outside of code blocks, with their numbers."""
    found, in_code = [], False
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code:
            found.append((number, line))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_prose_ends_at_the_column_and_cells_are_short(page: str) -> None:
    long = []
    for number, line in lines_of(page):
        is_table = line.startswith("|")
        if is_table and page in WIDE:
            continue
        if len(line) > (TABLE_COLUMNS_MAX if is_table else COLUMNS_MAX):
            long.append((number, len(line)))
    assert long == []


@pytest.mark.parametrize("readme", [*READMES, MAP])
def test_every_file_and_folder_that_a_table_names_exists(readme: str) -> None:
    missing = []
    for number, line in lines_of(readme):
        if not line.startswith("|"):
            continue
        for name in FILE.findall(line):
            here = [(ROOT / readme).parent, ROOT]
            if not any((folder / name).exists() for folder in here):
                missing.append((number, name))
    assert missing == []


@pytest.mark.parametrize("readme", READMES)
def test_decisions_are_numbered_one_after_the_other(readme: str) -> None:
    decisions = (ROOT / readme).read_text().partition("## Decisions")[2].partition("\n## ")[0]
    numbers = [int(number) for number in DECISION.findall(decisions)]
    assert numbers[:1] in ([], [1])
    assert all(after == before + 1 for before, after in pairwise(numbers))


def test_every_test_that_a_threat_row_names_speaks_of_that_row() -> None:
    rows = re.findall(
        r"^\| (T[0-9A-F]{2}) \| (.*) \|$", (ROOT / "tests/README.md").read_text(), re.M
    )
    assert len(rows) > 20
    for row, names in rows:
        for name in re.findall(r"`([^`]+)`", names):
            folder, _, last = name.rpartition("/")
            places = [ROOT / "tests" / folder / f"{kind}{last}.py" for kind in ("test_", "")]
            assert any(row in path.read_text() for path in places if path.is_file()), (row, name)


INVENTED = {"extra.py", "extra_.py", "asyncio.py", "liar.py", "nowhere.py"}
INVENTED |= {"a.py", "test_good.py", "test_bad.py", "test_waits.py", "mine.py", "engraver.py"}
INVENTED |= {"plotter.py", "big.py"}
"""Files that tests make."""


def test_every_module_that_a_text_names_exists() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]
    known = {Path(path).name for path in tracked} | INVENTED
    missing = {}
    for path in tracked:
        if path.endswith((".py", ".md")) and path != "CHANGELOG.md":
            named = set(re.findall(r"\b[a-z_0-9]+\.py\b", (ROOT / path).read_text()))
            if named - known:
                missing[path] = sorted(named - known)
    assert missing == {}


NAME = re.compile(r"`([A-Za-z_]+(?:\.(?!py`)[a-z_]+)?)`")
DEFINED = r"\b(?:def|class|function) {0}\b|self\.{0}\b|^{0}\b.* = "
"""A function, a class, an attribute, or a constant of a module."""
GUIDES = [
    "consensus/README.md",
    "enclave/README.md",
    "enclave/governance/README.md",
    "enclave/member/README.md",
    "node/README.md",
    "node/ordering/README.md",
    "node/sync/README.md",
    MAP,
]


@pytest.mark.parametrize("readme", GUIDES)
def test_every_function_that_a_table_names_beside_a_file_is_defined_there(readme: str) -> None:
    missing = []
    for number, line in lines_of(readme):
        if line == "## Decisions":
            break
        files = FILE.findall(line) if line.startswith("|") else []
        here = [(ROOT / readme).parent, ROOT]
        paths = [folder / name for name in files for folder in here if (folder / name).is_file()]
        source = "\n".join(path.read_text() for path in paths)
        for name in NAME.findall(line) if source else []:
            for part in name.split("."):
                if not re.search(DEFINED.format(part), source, re.MULTILINE):
                    missing.append((number, name))
    assert missing == []
