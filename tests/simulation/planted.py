"""Bugs planted on purpose, each a small patch to one line that carries safety or liveness; every
one must be found.

Owns the catalogue and the way to try it: the packages are copied, the patch is applied to the copy,
and seeds, then the directed tests, run against it in a process of their own. Nothing here touches
the tree.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEEDS_MAX = 150
TRY_SECONDS_MAX = 3600


@dataclass(frozen=True, slots=True)
class Patch:
    """Text to replace in one file; it stands there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """One planted bug: a patch, or several that only together go unnoticed by their neighbours."""

    name: str
    patches: tuple[Patch, ...]


def read_catalogue(text: str) -> tuple[Bug, ...]:
    """Read `planted.txt`: `# name`, then for each file `@ path`, the old lines after `-` and the
    new ones after `+`."""
    bugs = []
    for entry in text.strip().split("\n\n"):
        title, *files = entry.split("\n@ ")
        patches = []
        for part in files:
            file, *lines = part.split("\n")
            old = "\n".join(line[1:] for line in lines if line.startswith("-"))
            new = "\n".join(line[1:] for line in lines if line.startswith("+"))
            patches.append(Patch(file, old, new))
        bugs.append(Bug(title.removeprefix("# "), tuple(patches)))
    return tuple(bugs)


BUGS = read_catalogue((Path(__file__).parent / "planted.txt").read_text())


@dataclass(frozen=True, slots=True)
class Finding:
    """How a bug was found; `seeds` counts those that were needed, or is 0 if a directed test found
    it."""

    bug: str
    found: bool
    seeds: int
    by: str


def apply(bug: Bug, root: Path) -> None:
    """Patch the copy under `root`.

    Raises:
        ValueError: the text to replace does not stand in the file exactly once.
    """
    for patch in bug.patches:
        path = root / patch.file
        text = path.read_text()
        if text.count(patch.old) != 1:
            raise ValueError(
                f"{bug.name}: {patch.file} holds its text {text.count(patch.old)} times"
            )
        path.write_text(text.replace(patch.old, patch.new))


def copy_tree(root: Path) -> None:
    """Copy what a simulation needs, with the import name laid as in the project."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("consensus", "enclave", "node"):
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    for name in ("consensus", "simulation", "node/ordering"):
        shutil.copytree(ROOT / "tests" / name, root / "tests" / name, ignore=ignore)
    shutil.copy(ROOT / "tests" / "hang.py", root / "tests")
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "import" / "strongroom").mkdir(parents=True)
    for name in ("consensus", "enclave", "node"):
        (root / "import" / "strongroom" / name).symlink_to(root / name)


def try_bug(bug: Bug, *, seeds_max: int = SEEDS_MAX) -> Finding:
    """Plant one bug in a copy and look for it: seeds first, then the directed tests until one is
    red."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_tree(root)
        apply(bug, root)
        environment = {
            **os.environ,
            "PYTHONPATH": f"{root / 'import'}:{root}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

        def run(*command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, *command],
                cwd=root,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TRY_SECONDS_MAX,
                check=False,
            )

        seeded = run("-m", "tests.simulation.planted", "seeds", str(seeds_max), str(root))
        lines = seeded.stdout.splitlines() or [json.dumps({"seeds": 1, "by": "no start"})]
        last: dict[str, str] = json.loads(lines[-1])
        if last["by"]:
            return Finding(bug.name, True, int(last["seeds"]), str(last["by"]))
        tests = run(
            "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "-m", "not long",
            "tests/consensus", "tests/node/ordering", "tests/simulation",
            "--deselect", "tests/simulation/test_chaos.py::test_seeds_are_safe_and_live",
            "--ignore", "tests/simulation/test_planted.py",
        )  # fmt: skip
        red = [
            line.split(" ")[1]
            for line in tests.stdout.splitlines()
            if line.startswith(("FAILED", "ERROR"))
        ]
        return Finding(bug.name, bool(red), 0, red[0].split("::")[-1] if red else "")


def look(seeds_max: int, root: str) -> None:
    """Run seeds until one fails; prints how many it took and what failed. Runs inside the copy."""
    from tests.simulation.chaos import Chaos

    from strongroom.consensus.replica import replica

    if not str(Path(replica.__file__).resolve()).startswith(str(Path(root).resolve())):
        raise RuntimeError("the copy is not what is imported")
    for seed in range(seeds_max):
        try:
            Chaos(seed).run()
        except Exception as error:  # whatever goes wrong is the finding
            text = getattr(error, "check", type(error).__name__)
            print(json.dumps({"seeds": seed + 1, "by": text}))  # noqa: T201
            return
    print(json.dumps({"seeds": seeds_max, "by": ""}))  # noqa: T201


if __name__ == "__main__":
    look(int(sys.argv[2]), sys.argv[3])
