"""A room's measurement: its own list, the same everywhere, and no validator's (T24, T50)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.enclave.fixtures import manufacturer
from tests.hang import HANG_SECONDS

import strongroom.consensus
import strongroom.enclave
from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.room.loading import load_program
from strongroom.enclave.room.measurement import PROGRAM_BYTES_MAX, ProgramSource, measure_room
from strongroom.node.rooms.starting import program_file

PRINTER = program_file("printer")
SHOW = """
import sys
from pathlib import Path
import strongroom.enclave.room.__main__ as room
source, chip, _ = room.load_measured(Path(sys.argv[1]), Path(sys.argv[2]))
print(chip.measurement.hex())
modules = [module for name, module in sys.modules.items() if name.startswith("strongroom.")]
files = {file.path for file in room.measure_room(source).files}
print(*(file for file in sorted(files) if file.startswith("strongroom/")))
print(*(module.__file__ for module in modules if module.__file__))
from strongroom.enclave.attestation.report import Report
print(Report.parse(chip.attest(bytes(64), bytes(32))).measurement.hex())
"""
LIES = """
import sys
from strongroom.enclave.room import sdk

GENUINE = bytes.fromhex("{digest}")


def measured(source, **how):
    class Lie:
        digest, files = GENUINE, ()
    return Lie()


def attest(self, data, *, measurement, host_data):
    return TRULY(self, data, measurement=GENUINE, host_data=host_data)


for name, module in list(sys.modules.items()):
    if name.startswith("strongroom.") and hasattr(module, "measure_room"):
        module.measure_room = measured
    if name.startswith("strongroom.") and hasattr(module, "SimulatedChip"):
        if module.SimulatedChip.attest is not attest:
            TRULY = module.SimulatedChip.attest
            module.SimulatedChip.attest = attest


async def program(room: sdk.Room) -> None:
    \"\"\"Keeps every layer that it opens.\"\"\"
"""
"""A program whose file, when it is run, says that it is another one."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of our source, as a folder for PYTHONPATH."""
    for package in (strongroom.consensus, strongroom.enclave):
        name = package.__name__.split(".")[1]
        shutil.copytree(
            Path(package.__path__[0]),
            tmp_path / "strongroom" / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return tmp_path


def shown(
    source: Path, program: Path = PRINTER, *, before: str = "", cached: bool = False
) -> list[str]:
    """What an interpreter that is started like a room's prints: digest, measured, loaded, and what
    its chip attests. With `cached` it may use bytecode, as a room's may not."""
    if not (source / "chip").exists():
        (source / "chip").mkdir(mode=0o700)
        manufacturer().make_chip().save(source / "chip")
    flags = () if cached else ("-B", "-X", f"pycache_prefix={source / 'none'}")
    done = subprocess.run(
        [sys.executable, *flags, "-c", before + SHOW, str(program), str(source / "chip")],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    return (done.stdout or done.stderr).strip().splitlines()


def test_what_is_measured_of_ours_is_what_a_room_loads_and_nothing_else(copy: Path) -> None:
    """T24: neither more nor less, or a validator's change would change every room."""
    _, measured, loaded, _ = shown(copy)
    assert set(measured.split()) == {file.removeprefix(f"{copy}/") for file in loaded.split()}
    assert "strongroom/enclave/room/leases.py" in measured.split()


def test_a_copy_has_the_same_measurement_wherever_it_is_installed(copy: Path) -> None:
    here = measure_room(ProgramSource.read(PRINTER)).digest.hex()
    assert shown(copy)[0] == here
    elsewhere = copy / "printer.py"
    shutil.copy(PRINTER, elsewhere)
    assert shown(copy, elsewhere)[0] == here


@pytest.mark.parametrize("file", ["enclave/room/leases.py", "enclave/outside/trust.py"])
def test_one_changed_byte_of_what_a_room_loads_changes_it(copy: Path, file: str) -> None:
    before = shown(copy)[0]
    with (copy / "strongroom" / file).open("a") as source:
        source.write("#")
    assert shown(copy)[0] != before


def test_a_changed_program_or_name_changes_it_and_no_validators(copy: Path) -> None:
    """T50: the modified printer is another room; members need not allow anything anew."""
    changed, renamed = copy / "printer.py", copy / "plotter.py"
    changed.write_text(PRINTER.read_text() + "#")
    shutil.copy(PRINTER, renamed)
    digests = {
        measure_room(ProgramSource.read(path)).digest for path in (PRINTER, changed, renamed)
    }
    assert len(digests) == 3
    assert measure(PROGRAM_NAMES).digest not in digests
    core = {file.path for file in measure(PROGRAM_NAMES).files}
    assert not any(path.startswith("strongroom/enclave/room/") for path in core)


@pytest.mark.parametrize("module", ["enclave.member.member", "enclave.programs.payments"])
def test_a_room_that_loads_what_is_not_measured_does_not_start(copy: Path, module: str) -> None:
    """T24: no validator's secrets in a room."""
    assert "not measured in a room" in shown(copy, before=f"import strongroom.{module}\n")[-1]


def test_cached_bytecode_is_refused_in_a_room_too(copy: Path) -> None:
    """T24: a cached file with the right time stamp runs instead of the measured source."""
    plain = shown(copy)[0]
    assert "bytecode" in shown(copy, cached=True)[-1]
    assert shown(copy)[0] == plain


def test_T50_a_program_that_replaces_the_measuring_is_measured_as_what_it_is(copy: Path) -> None:
    """Its digest is taken, and bound to the chip, before its first line runs."""
    genuine = measure_room(ProgramSource.read(PRINTER)).digest
    liar = copy / "printer.py"
    liar.write_text(LIES.format(digest=genuine.hex()))
    told, _, _, attested = shown(copy, liar)
    assert told == attested == measure_room(ProgramSource.read(liar)).digest.hex()
    assert told != genuine.hex()


def test_what_runs_is_the_bytes_that_were_measured(tmp_path: Path) -> None:
    """A file that is exchanged once it was measured is not read again."""
    file = tmp_path / "printer.py"
    file.write_text('async def program(room):\n    """first"""\n')
    source = ProgramSource.read(file)
    file.write_text('async def program(room):\n    """second"""\n')
    assert load_program(source).__doc__ == "first"


def test_a_program_that_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    for name, data in (
        ("a b.txt", b""),
        ("program.txt", b""),
        ("big.py", b"#" * (PROGRAM_BYTES_MAX + 1)),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(OperatorFault):
            ProgramSource.read(tmp_path / name)
    with pytest.raises(OperatorFault, match="cannot read"):
        ProgramSource.read(tmp_path / "nowhere.py")
    with pytest.raises(OperatorFault, match="no program"):
        program_file("nothing")


def test_the_engraver_of_the_page_is_a_program_that_a_room_takes(
    tmp_path: Path, copy: Path
) -> None:
    """docs/rooms.md: what a plant's engineer reads there runs."""
    page = (Path(__file__).parents[3] / "docs" / "rooms.md").read_text()
    source = page.split("```python\n")[1].split("```")[0]
    assert len(source.splitlines()) <= 60
    engraver = tmp_path / "engraver.py"
    engraver.write_text(source)
    assert len(shown(copy, engraver)) == 4
