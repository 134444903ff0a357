"""Every rule, section, threat and promise that the code cites stands in the repository's own
pages."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {
    "PROTOCOL": (DOCS / "protocol.md", "\n## §{} "),
    "DESIGN": (DOCS / "architecture.md", "\n## §{} "),
    "VAULT": (DOCS / "sections.md", "\n## VAULT §{} "),
    "ROOMS": (DOCS / "sections.md", "\n## ROOMS §{} "),
}
SOURCES = (".py", ".md", ".qnt", ".toml", ".js", ".mjs")

_BESIDE = r"(?:\s+(?:Guard|Core|Receipt|stop \d+))?"
_NEXT = r"(?:,|\s+and|–)[\s#]*(?:R\d+,?[\s#]*)*(?:§\d+|\d+(?![\d.]*[\s-]*[a-zA-Z%]))"
SECTION = re.compile(
    r"\b(PROTOCOL|DESIGN|VAULT|ROOMS)(?:\.md)?(?:[\s,#]|R\d+|Core|Guard|and)*"
    rf"(§\d+{_BESIDE}(?:{_NEXT}{_BESIDE})*)"
)
"""Also over the end of a line, after rules of the same page, and several in a row."""
OUTSIDE = re.compile(
    r"(?:RFC|FIPS|SEC|X\.690|draft|Core|Discovery|EAR|AR4SI|docs/|NIST|SP|JWS|JWK|CBOR|COSE|manual|"
    r"Dwork|IETF|Section|BSI|PKCS|spec|TLS|HPKE)[^§]{0,160}(?:§[\d., ]+)*$",
    re.IGNORECASE,
)
"""What stands before the § of somebody else's document."""
RULE = re.compile(r"\bR(\d{1,2})\b(?!\.\d)")
THREAT = re.compile(r"\bT([0-7][0-9A-F])\b")
STYLE = re.compile(r"\bSTYLE (\d+)")
PROMISE = re.compile(r"\bP(\d{1,2})\b(?!-)")


def files() -> Iterator[Path]:
    """What git tracks, apart from the pages that define the names."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        path = ROOT / line
        if path.suffix in SOURCES and path.is_file() and not path.is_symlink():
            yield path


def cited(pattern: re.Pattern[str]) -> dict[str, set[str]]:
    """What a pattern finds, and where."""
    found: dict[str, set[str]] = {}
    for path in files():
        for match in pattern.finditer(path.read_text()):
            found.setdefault(match.group(1), set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_cited_section_exists() -> None:
    missing = []
    for path in files():
        for match in SECTION.finditer(path.read_text()):
            page, form = PAGES[match.group(1)]
            for number in re.findall(
                r"(?<!R)(?<!R\d)(?<!stop )\b\d+", match.group(2).replace("§", " ")
            ):
                if form.format(number) not in page.read_text():
                    missing.append((str(path.relative_to(ROOT)), match.group(0)))
    assert missing == []


def test_every_section_sign_in_the_code_is_of_a_page_here_or_of_a_named_source() -> None:
    """No § without a document that a stranger can find."""
    lost, several = [], 0
    for path in files():
        if path.suffix != ".py" or path == Path(__file__).resolve():
            continue
        text = path.read_text()
        known = [match.span() for match in SECTION.finditer(text)]
        for match in re.finditer(r"§\s?\d", text):
            several += 1
            ours = any(begin <= match.start() < end for begin, end in known)
            if (
                not ours
                and OUTSIDE.search(text[max(0, match.start() - 200) : match.start()]) is None
            ):
                line = text.count("\n", 0, match.start()) + 1
                lost.append(f"{path.relative_to(ROOT)}:{line}")
    assert several > 300
    assert lost == []


@pytest.mark.parametrize(
    ("pattern", "page", "form"),
    [
        (RULE, "docs/protocol.md", "\n**R{} "),
        (THREAT, "docs/threats.md", "\n| T{} |"),
        (STYLE, "CONTRIBUTING.md", "\n{}. "),
        (PROMISE, "docs/architecture.md", "\n| P{} |"),
    ],
    ids=["rules", "threats", "style", "promises"],
)
def test_every_cited_name_is_explained(pattern: re.Pattern[str], page: str, form: str) -> None:
    names = cited(pattern)
    text = (ROOT / page).read_text()
    assert names, "the pattern finds nothing: it is broken"
    missing = {
        name: sorted(where) for name, where in names.items() if form.format(name) not in text
    }
    assert missing == {}


def test_a_threat_row_without_a_test_says_that_it_comes_later() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    text = (DOCS / "threats.md").read_text()
    later = False
    missing = []
    for line in text.splitlines():
        later = "*later*" in line if line.startswith("## ") else later
        match = re.match(r"\| (T[0-9A-F]{2}) \|", line)
        if match and not later and "*later*" not in line and match.group(1) not in tests:
            missing.append(match.group(1))
    assert missing == []
