"""`strongroom trust`: a page that says no more than tests show, and counts exactly what is
measured."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.enclave.fixtures import make_cluster_genesis
from typer.testing import CliRunner

from strongroom.enclave.governance.grant_records import Act
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.node.cli.main import make_app
from strongroom.node.cli.parties import PARTIES
from strongroom.node.cli.privileged import (
    NOBODY,
    PRIVILEGED,
    PRIVILEGED_PEOPLE,
    PRIVILEGED_SIMULATED,
)
from strongroom.node.cli.promises import HEAP, PROMISES
from strongroom.node.cli.trusted_base import TrustedBase, trusted_base
from strongroom.node.rooms.counting import room_base
from strongroom.node.source_lines import code_lines
from strongroom.node.vault.refusals import NEXT

ROOT = Path(__file__).parents[3]
EVIDENCE = sorted({evidence for one in (*PROMISES, *PRIVILEGED) for evidence in one.evidence})
BASE = cache(trusted_base)


@pytest.fixture(scope="module", autouse=True)
def _counted_once() -> Iterator[None]:
    """Reading all that is measured takes seconds, and it does not change meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strongroom.node.cli.trusted_base.trusted_base", BASE)
        patch.setattr("strongroom.node.rooms.counting.room_base", cache(room_base))
        yield


@pytest.fixture(scope="module")
def base() -> TrustedBase:
    return BASE()


def said(*arguments: str) -> str:
    done = CliRunner().invoke(make_app("trust"), ["trust", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_each_privileged_operation_is_told_with_who_enforces_it_and_whether_root_can() -> None:
    rows = {one.operation: one for one in PRIVILEGED}
    granted = {str(act) if act is not Act.ROLE else "role:PROGRAM:ROLE" for act in Act}
    assert {name for name, one in rows.items() if one.granted} == granted
    for one in PRIVILEGED:
        assert one.bypass == (NOBODY in one.enforced_by), one.operation
        assert one.evidence or not one.granted
    page = " ".join(said().split())
    for one in PRIVILEGED:
        verdict = "CAN BYPASS" if one.bypass else "cannot bypass"
        assert " ".join(f"root {verdict}: {one.root}".split()) in page
        assert " ".join(one.how.split()) in page
    assert PRIVILEGED_SIMULATED in page
    assert PRIVILEGED_PEOPLE in page
    document = json.loads(said("--json"))
    assert [one["operation"] for one in document["privileged"]] == list(rows)


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_the_evidence_that_is_named_exists(evidence: str) -> None:
    path, _, test = evidence.partition("::")
    assert (ROOT / path).is_file()
    if test:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_every_promise_of_the_design_is_there_with_all_that_belongs_to_it() -> None:
    assert [promise.id for promise in PROMISES] == [f"P{number}" for number in range(1, 12)]
    assert all(p.summary and p.mechanism and p.evidence and p.residual for p in PROMISES)


def test_the_document_is_the_measurement_of_this_installation(tmp_path: Path) -> None:
    document = json.loads(said("--json", "--dir", str(tmp_path)))
    measured = measure(PROGRAM_NAMES)
    assert document["measurement"] == measured.digest.hex()
    assert [(file["path"], file["sha256"], file["size"]) for file in document["files"]] == [
        (file.path, file.sha256.hex(), file.size) for file in measured.files
    ]
    assert document["service"] is None
    assert document["simulated"] is True
    assert [library["name"] for library in document["libraries"]] == [
        "cffi",
        "cryptography",
        "msgpack",
        "sortedcontainers",
    ]


def test_every_measured_file_is_counted_once(base: TrustedBase) -> None:
    assert len(base.own) + sum(library.files for library in base.libraries) == len(
        base.measurement.files
    )
    for file in base.own:
        source = (ROOT / file.path.removeprefix("strongroom/")).read_text()
        assert file.lines == len(source.splitlines())
        assert 0 <= file.code_lines <= file.lines


def test_our_own_code_that_is_measured_is_what_an_enclave_loads_and_nothing_else(
    base: TrustedBase,
) -> None:
    loaded = {file.path for file in base.own if file.in_enclave}
    assert {
        "strongroom/enclave/door/serve.py",
        "strongroom/enclave/sandbox/seccomp.py",
        "strongroom/consensus/codec.py",
    } <= loaded
    never = ("strongroom/enclave/outside/", "strongroom/consensus/replica/")
    assert not [path for path in loaded if path.startswith(never)]
    assert all((ROOT / path.removeprefix("strongroom/")).is_dir() for path in never)
    assert loaded == {file.path for file in base.own}
    assert base.enclave_code_lines == base.code_lines < base.lines


def test_the_base_of_a_room_is_counted_beside_the_cores(base: TrustedBase, tmp_path: Path) -> None:
    room = json.loads(said("--json", "--dir", str(tmp_path)))["room"]
    counted = room_base("printer")
    assert room["measurement"] == counted.measurement.digest.hex()
    assert room["code_lines"] == sum(part["code_lines"] for part in room["parts"])
    assert len(room["files"]) == sum(part["files"] for part in room["parts"])
    assert all(part["files"] for part in room["parts"])
    core = {file.path for file in base.own}
    beside = [file for file in room["files"] if file["path"] not in core]
    assert {"strongroom/enclave/room/sdk.py", "program/printer.py"} <= {
        one["path"] for one in beside
    }
    assert room["code_lines_beside_the_core"] == sum(file["code_lines"] for file in beside)
    page = said("--dir", "nowhere")
    assert f"Trusted base of a room that runs printer: {counted.code_lines:,} lines" in page
    assert counted.measurement.digest.hex() in page


def test_words_comments_and_blanks_are_no_lines_of_code() -> None:
    words, code = (
        '"""A module.\n\nOf words.\n"""\n\n# a remark\n',
        "x = 1  # counted\n\n\ndef f() -> str:\n",
    )
    source = words + code + '    """Words."""\n    return "text"\n'
    assert code_lines(source) == 3


def test_the_page_says_simulated_first_and_what_lies_on_the_heap() -> None:
    page = said("--dir", "nowhere")
    assert page.startswith("The platform is SIMULATED")
    assert " ".join(HEAP.split()) in " ".join(page.split())
    assert "lines of code in" in page
    assert "strongroom/enclave/door/serve.py" in page
    assert "cryptography/" not in page
    assert "cryptography/__init__.py" in said("--files", "--dir", "nowhere")


@pytest.mark.parametrize("same", [True, False], ids=["this code", "other code"])
def test_a_service_admits_this_code_or_another(tmp_path: Path, same: bool) -> None:
    measurement = measure(PROGRAM_NAMES).digest if same else bytes(48)
    (tmp_path / "genesis.bin").write_bytes(make_cluster_genesis(1, measurement=measurement).genesis)
    assert json.loads(said("--json", "--dir", str(tmp_path)))["service"]["admits_this_code"] is same
    assert ("does NOT admit this code" in said("--dir", str(tmp_path))) is not same


def test_the_page_says_who_decides_by_the_constitution(tmp_path: Path) -> None:
    genesis = make_cluster_genesis(
        4, affiliated=True, limits={"grant_approvals": 3, "recovery_threshold": 2}
    )
    (tmp_path / "genesis.bin").write_bytes(genesis.genesis)
    page = " ".join(said("--dir", str(tmp_path)).split())
    for words in (
        "thresholds a majority, 3 of 4 members, for each class of change",
        "watchers none: each member votes",
        "act member0 for operator0, ",
        "approvals 3 for privileged access",
        "recovery by 2 of 4 members",
    ):
        assert words in page
    deciding = json.loads(said("--json", "--dir", str(tmp_path)))["service"]["deciding"]
    assert set(deciding["thresholds"].values()) == {"majority"}
    assert deciding["affiliations"] == {f"member{i}": f"operator{i}" for i in range(4)}
    (tmp_path / "genesis.bin").write_bytes(make_cluster_genesis(1).genesis)
    assert "no member acts for an operator" in said("--dir", str(tmp_path))


def test_the_page_of_the_vault_and_trust_name_the_same_parties_and_refusals() -> None:
    page = (ROOT / "docs" / "vault.md").read_text()
    rows = [f"| {party.name} | {party.sees} | {party.can} | {party.cannot} |" for party in PARTIES]
    table = page.partition("## Who must be trusted for what")[2]
    assert [line for line in table.splitlines() if line.startswith("| ")][1:] == rows
    refusals = page.partition("## Refusals")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| `([a-z-]+)` \| .+ \| (.+) \|$", refusals, re.MULTILINE)
    assert shown == list(NEXT.items())


def test_the_page_says_who_must_be_trusted_for_what(tmp_path: Path) -> None:
    text = " ".join(said("--dir", str(tmp_path)).split())
    for party in PARTIES:
        assert all(
            " ".join(words.split()) in text
            for words in (party.name, party.sees, party.can, party.cannot)
        )
    document = json.loads(said("--json", "--dir", str(tmp_path)))
    assert [party["name"] for party in document["parties"]] == [party.name for party in PARTIES]
