"""docs/governance.md: its tables are the code's, its commands are commands."""

import re
from pathlib import Path

from typer.testing import CliRunner

from strongroom.enclave.governance import changes, proposals
from strongroom.enclave.governance.change_rows import Change
from strongroom.enclave.governance.public import changes_digest
from strongroom.enclave.governance.records import ProposalStatus
from strongroom.enclave.governance.rules import LIMITS
from strongroom.enclave.governance.thresholds import Class
from strongroom.node.cli.main import make_app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/governance.md").read_text()
OWN = {**changes._CODE, **changes._NODES, **changes._PEOPLE, **changes._GOVERNANCE}
SPECIAL = {
    "set_limit": ("limits", "yes"),
    "set_weight": ("members", "to 1"),
    "set_threshold": ("strictest", "if lower"),
    "set_program_regions": ("users", "if wider"),
    "set_access_regions": ("members", "if wider"),
}


def rows(first: str) -> list[list[str]]:
    """Cells of the table whose heading begins so, without its head."""
    below = PAGE.split(f"\n| {first} |")[1].split("\n\n")[0]
    cells = [line.strip("|").split(" | ") for line in below.splitlines()[2:]]
    return [[cell.strip() for cell in row] for row in cells]


def test_the_table_of_changes_is_the_codes() -> None:
    shown = {row[0].strip("`"): (row[1], row[2]) for row in rows("change")}
    assert shown == {name: SPECIAL.get(name) or _plain(row) for name, row in OWN.items()}
    others = {row[0].strip("`"): (row[1], row[2]) for row in rows("row")}
    brought = {name: row for name, row in changes.CHANGES.items() if name not in OWN}
    assert others == {name: SPECIAL.get(name) or _plain(row) for name, row in brought.items()}


def _plain(row: Change) -> tuple[str, str]:
    assert isinstance(row.group, Class)
    assert isinstance(row.loosens, bool)
    return str(row.group), "yes" if row.loosens else "no"


def test_the_places_of_the_rules_are_in_the_code() -> None:
    for _, _, place in rows("step"):
        file, name = re.fullmatch(r"`(\S+)`, `(\S+)`", place).groups()  # type: ignore[union-attr]
        text = (ROOT / "enclave/governance" / file).read_text()
        assert f"def {name.split('.')[-1]}(" in text, place


def test_statuses_bounds_and_the_digest_are_the_codes() -> None:
    (line,) = re.findall(r"^Status: (.*)$", PAGE, re.M)
    assert {*re.findall(r"`(\w+)`", line)} == {str(status) for status in ProposalStatus}
    assert f"1 to {proposals.CHANGES_OF_PROPOSAL_MAX} changes" in PAGE
    assert f"{proposals.CHANGES_OF_PROPOSAL_BYTES_MAX // 1024} KiB" in PAGE
    assert f"{LIMITS['proposal_lifetime_ms'].default // 86_400_000} days" in PAGE


def test_a_stranger_can_make_the_digest_from_what_the_page_says() -> None:
    """With nothing of ours."""
    from hashlib import sha256

    label = re.findall(r"over the label `([^`]+)`", PAGE)[0].encode()
    one = b"\x92\xa6rotate\x91\x92\xabcompromised\xc2"
    two = b"\x91\x92" + one + one
    rotate = ("rotate", (("compromised", False),))
    assert changes_digest((rotate,)) == sha256(label + b"\x00" + one).digest()
    assert changes_digest((rotate, rotate)) == sha256(label + b"\x00" + two).digest()


def test_its_commands_are_commands_with_these_options() -> None:
    app = make_app()
    found = re.findall(r"^(?:\$ )?strongroom gov (\w+)(.*)$", PAGE, re.M)
    assert len(found) >= 6
    for command, rest in found:
        told = CliRunner().invoke(app, ["gov", command, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--\w+", rest):
            assert option in told, (command, option)


def test_every_change_that_is_named_beside_ccf_is_one() -> None:
    named = {name for row in rows("CCF") for name in re.findall(r"`([a-z_]+)", row[1])}
    assert named - {"roster"} <= set(changes.CHANGES)
