"""The plant's story: what it searches it sees, what it captures it keeps, and it ends well."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strongroom.node.cli.demo import app
from strongroom.node.demo.loopback import payload_of
from strongroom.node.demo.plant_design import LAYERS, write_design
from strongroom.node.demo.plant_search import NOT_SEARCHED, Place, Search
from strongroom.node.vault.cutting import cut_layers

ROOT = Path(__file__).parents[3]
PORTS = {7410}


def frame(payload: bytes, *, source: int = 7410, target: int = 50_000, options: int = 0) -> bytes:
    """An Ethernet frame of TCP over IPv4, padded as short ones are."""
    tcp = struct.pack("!HHIIBBHHH", source, target, 0, 0, (5 + options) << 4, 0, 0, 0, 0)
    tcp += bytes(4 * options) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, b"\x7f\0\0\1", b"")
    return (bytes(12) + b"\x08\x00" + ip + tcp).ljust(60, b"\xee")


@pytest.mark.parametrize("options", [0, 3])
def test_what_passes_a_port_is_captured_whole_and_nothing_else(options: int) -> None:
    assert payload_of(frame(b"hello", options=options), PORTS) == b"hello"
    assert payload_of(frame(b"hello", source=1, target=7410), PORTS) == b"hello"
    assert payload_of(frame(b"hello", source=1, target=2), PORTS) == b""
    assert payload_of(frame(b""), PORTS) == b""


@pytest.mark.parametrize("length", [0, 13, 33, 53])
def test_a_frame_that_was_cut_is_nothing(length: int) -> None:
    assert payload_of(frame(b"hello")[:length], PORTS) == b""


def test_the_design_is_cut_into_its_layers_and_each_bears_the_mark(tmp_path: Path) -> None:
    design = write_design(tmp_path / "bear.gcode")
    assert cut_layers(design.path) == [len(layer) for layer in design.layers]
    assert len(design.layers) == LAYERS
    assert all(layer.count(design.mark.encode()) == 1 for layer in design.layers)
    assert write_design(tmp_path / "other.gcode").mark != design.mark


@pytest.mark.parametrize(
    ("who", "found", "control", "holds"),
    [
        ("plant", (), True, True),
        ("plant", ("disk (raw)",), True, False),
        ("plant", (), False, False),
        ("nobody", ("memory",), None, True),
        ("nobody", (), None, False),
        ("the maker", ("file",), None, True),
    ],
)
def test_a_place_holds_only_as_it_must_and_a_blind_search_never(
    who: str, found: tuple[str, ...], control: bool | None, holds: bool
) -> None:
    assert Place("somewhere", who, 1, found, control).holds is holds
    assert Place("somewhere", who, 0, (), None, NOT_SEARCHED).holds


@pytest.mark.parametrize("form", ["raw", "hex", "text"])
def test_a_key_and_the_mark_are_found_in_every_form(tmp_path: Path, form: str) -> None:
    key, mark = bytes(range(100, 132)), "bear-of-the-maker"
    written = {"raw": key, "hex": key.hex().encode(), "text": mark.encode()}[form]
    (tmp_path / "file").write_bytes(b"x" * 5000 + written + b"pin-of-service")
    search = Search([mark, key])
    search.files("a disk", "plant", tmp_path, "pin-of-service")
    (place,) = search.places
    assert place.found
    assert place.control
    assert not place.holds


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "plant", "--input", "payments.csv"], "leave it out"),
        (["--report", "plant.json"], "name one"),
        (["--scenario", "mars"], "Invalid value"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_starts(
    arguments: list[str], words: str
) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert words in done.stderr


@pytest.mark.processes
def test_T52_T53_T54_the_whole_story_holds(tmp_path: Path) -> None:
    report = tmp_path / "plant.json"
    command = [sys.executable, str(ROOT / "scripts/demo.py"), "--scenario", "plant", "--json"]
    done = subprocess.run(
        [*command, "--nodes", "1", "--report", str(report)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert len(document["lines"]) > 30
    assert all(line["holds"] for line in document["lines"])
    assert json.loads(report.read_text())["lines"] == document["lines"]
