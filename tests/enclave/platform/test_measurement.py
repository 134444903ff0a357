"""The measurement names the code that runs: nothing is loaded that is not measured, nothing changes
unseen (T24)."""

import importlib.machinery
import importlib.util
import py_compile
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

import strongroom.consensus
import strongroom.enclave
from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.platform.measurement import (
    LIBRARIES,
    UNMEASURED,
    MeasuredFile,
    measure,
)

PROGRAMS = ("payments", "system")
SHOW = (
    "from strongroom.enclave.platform.measurement import measure; "
    "print(measure({programs}{more}).digest.hex())"
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the measured source, as a folder for PYTHONPATH."""
    for package in (strongroom.consensus, strongroom.enclave):
        name = package.__name__.split(".")[1]
        shutil.copytree(
            Path(package.__path__[0]),
            tmp_path / "strongroom" / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return tmp_path


def measured(
    source: Path | None = None, *, flags: tuple[str, ...] = ("-B",), more: str = ""
) -> str:
    """The digest that a fresh interpreter prints, or the last line of what went wrong."""
    environment = {} if source is None else {"PYTHONPATH": str(source)}
    command = [sys.executable, *flags, "-c", SHOW.format(programs=PROGRAMS, more=more)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    return (done.stdout or done.stderr).strip().splitlines()[-1]


def test_a_copy_of_the_code_has_the_same_measurement_wherever_it_is_installed(copy: Path) -> None:
    assert measured(copy) == measured() == measure(PROGRAMS).digest.hex()


@pytest.mark.parametrize(
    "file",
    ["enclave/attestation/verifier.py", "consensus/codec.py", "enclave/programs/__init__.py"],
)
def test_one_changed_byte_of_source_changes_the_measurement(copy: Path, file: str) -> None:
    """T24."""
    before = measured(copy)
    with (copy / "strongroom" / file).open("a") as source:
        source.write("#")
    assert len(before) == 96
    assert measured(copy) not in ("", before)


def test_an_added_a_removed_and_a_renamed_file_change_the_measurement(copy: Path) -> None:
    """T24."""
    seen = {measured(copy)}
    extra = copy / "strongroom" / "enclave" / "platform" / "extra.py"
    extra.write_text("")
    seen.add(measured(copy))
    extra.rename(extra.with_name("extra_.py"))
    seen.add(measured(copy))
    extra.with_name("extra_.py").unlink()
    seen.add(measured(copy))
    assert len(seen) == 3
    assert all(len(digest) == 96 for digest in seen)


def test_programs_python_and_libraries_are_part_of_the_measurement() -> None:
    """T24."""
    whole = measure(PROGRAMS)
    library = next(file for file in whole.files if file.path.endswith("_rust.abi3.so"))
    others = tuple(file for file in whole.files if file is not library)
    changed = MeasuredFile(library.path, bytes(32), library.size)
    digests = {
        whole.digest,
        measure(("payments",)).digest,
        replace(whole, python="CPython 3.11.0").digest,
        replace(whole, files=others).digest,
        replace(whole, files=tuple(sorted((*others, changed), key=lambda file: file.path))).digest,
    }
    assert len(digests) == 5
    assert measure(reversed(PROGRAMS)).digest == whole.digest
    assert [file.path for file in whole.files] == sorted(file.path for file in whole.files)


@pytest.fixture
def planted() -> Iterator[types.ModuleType]:
    """A module under a measured name, loaded from a place of the host's choice."""
    name = "strongroom.enclave.planted"
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin="/tmp/planted.py")
    sys.modules[name] = module
    yield module
    del sys.modules[name]


@pytest.mark.usefixtures("planted")
def test_a_module_that_was_loaded_from_elsewhere_is_refused() -> None:
    """T24: the measured folder is clean, and something else runs under its name."""
    with pytest.raises(OperatorFault, match=r"strongroom\.enclave\.planted"):
        measure(PROGRAMS)


def test_bytecode_without_source_is_refused(copy: Path) -> None:
    """T24: Python would load it, and no .py would show it."""
    folder = copy / "strongroom" / "consensus"
    py_compile.compile(str(folder / "quorum.py"), str(folder / "quorum.pyc"))
    (folder / "quorum.py").unlink()
    more = ") if __import__('strongroom.consensus.quorum') else ("
    assert "which is not measured" in measured(copy, more=more)


def test_cached_bytecode_is_refused_when_only_source_may_run(copy: Path) -> None:
    """T24: a cached file with the right time stamp runs instead of the measured source."""
    strict = ", from_source=True"
    nowhere = ("-B", "-X", f"pycache_prefix={copy / 'nowhere'}")
    plain = measured(copy)
    assert measured(copy, flags=nowhere, more=strict) == plain
    measured(copy, flags=())
    assert "bytecode" in measured(copy, more=strict)
    assert measured(copy, flags=nowhere, more=strict) == plain


def test_all_that_an_enclave_imports_is_measured() -> None:
    """T24: the list of libraries is complete."""
    script = (
        "import importlib, pkgutil, sys, strongroom.enclave as e\n"
        "before = {name.split('.')[0] for name in sys.modules}\n"
        "apart = 'strongroom.enclave.room.analytics.'\n"  # a room's own profile: no enclave's
        "for one in pkgutil.walk_packages(e.__path__, 'strongroom.enclave.'):\n"
        "    if not one.name.endswith('__main__') and not one.name.startswith(apart):\n"
        "        importlib.import_module(one.name)\n"
        "after = {name.split('.')[0] for name, m in sys.modules.items() if getattr(m, '__spec__', "
        "None)}\n"
        "print(*sorted(after - before - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_SECONDS,
    )
    assert set(done.stdout.split()) <= set(LIBRARIES)
    assert "cryptography" in done.stdout


@pytest.mark.parametrize(
    ("python", "agrees"),
    [
        ("CPython 3.11.7", True),
        ("CPython 3.13.0", True),
        ("CPython 3.14.0", False),
        ("CPython 3.1.1", False),
        ("PyPy 3.11.7", False),
    ],
)
def test_T27_it_says_whether_the_interpreters_outcomes_were_compared(
    python: str, agrees: bool
) -> None:
    assert replace(measure(PROGRAMS), python=python).agrees is agrees


LOADED_IN_AN_ENCLAVE = """
import sys
import strongroom.enclave.__main__ as enclave
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.programs import PROGRAM_NAMES
enclave.load_what_is_loaded_late()
measured = [file.path for file in measure(PROGRAM_NAMES, from_source=True).files]
own = [path for path in measured if path.startswith("strongroom/")]
modules = [module for name, module in sys.modules.items() if name.startswith("strongroom.")]
loaded = [module.__file__ for module in modules if module.__file__]
print("\\n".join(own), "--", "\\n".join(loaded), sep="\\n")
"""
"""After this point an enclave can import nothing: the sandbox cuts the finders."""


def enclave_python(source: Path, script: str) -> subprocess.CompletedProcess[str]:
    """What an interpreter that is started like an enclave's prints."""
    flags = ("-B", "-X", f"pycache_prefix={source / 'none'}")
    environment = {"PYTHONPATH": str(source)}
    return subprocess.run(
        [sys.executable, *flags, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_measured_of_ours_is_what_an_enclave_loads_and_nothing_else(copy: Path) -> None:
    """T24: neither more, or the replica's timers would change every enclave, nor less."""
    measured_files, _, loaded_files = enclave_python(copy, LOADED_IN_AN_ENCLAVE).stdout.partition(
        "--\n"
    )
    root = str(copy) + "/"
    assert set(measured_files.split()) == {file.removeprefix(root) for file in loaded_files.split()}
    assert "strongroom/enclave/member/voting.py" in measured_files.split()


@pytest.mark.parametrize("module", ["consensus.replica.pacemaker", "enclave.outside.receipts"])
def test_an_enclave_that_loads_what_is_not_measured_does_not_start(copy: Path, module: str) -> None:
    """T24: the list is narrow, the check is wide."""
    script = f"import strongroom.{module}\n{LOADED_IN_AN_ENCLAVE}"
    done = enclave_python(copy, script)
    assert done.returncode != 0
    assert f"module strongroom.{module.split('.')[0]}" in done.stderr
    assert "not measured" in done.stderr


@pytest.mark.parametrize("file", ["consensus/replica/pacemaker.py", "enclave/outside/receipts.py"])
def test_a_change_of_what_no_enclave_loads_leaves_the_measurement(copy: Path, file: str) -> None:
    before = measured(copy)
    with (copy / "strongroom" / file).open("a") as source:
        source.write("#")
    assert measured(copy) == before


@pytest.mark.parametrize("folder", UNMEASURED)
def test_only_folders_that_exist_are_left_out_of_the_measurement(folder: str) -> None:
    """T24: a name kept for later would let code come in unmeasured on the day the folder is
    made."""
    assert importlib.util.find_spec(folder) is not None
