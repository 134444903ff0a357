"""Pure modules with a planted bug in them, made beside the true ones."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.simulation.planted import ROOT, Bug


def with_bug(bug: Bug, modules: Sequence[ModuleType]) -> list[Any]:
    """The modules with a bug in them; each is given after those that it imports."""
    sources = {module.__name__: Path(str(module.__file__)).read_text() for module in modules}
    for patch in bug.patches:
        name = "strongroom." + patch.file.removesuffix(".py").replace("/", ".")
        assert sources[name].count(patch.old) == 1
        sources[name] = sources[name].replace(patch.old, patch.new)
    kept = {name: sys.modules[name] for name in sources}
    made: list[ModuleType] = []
    try:
        for name, source in sources.items():
            module = sys.modules[name] = ModuleType(name)
            exec(compile(source, name, "exec"), module.__dict__)
            made.append(module)
    finally:
        sys.modules.update(kept)
    return made


def first_red(trials: Iterable[tuple[str, Callable[[], object]]]) -> str:
    """Run named trials until one is red: its name, and why; empty if all are green."""
    for name, trial in trials:
        try:
            trial()
        except Exception as error:  # whatever goes wrong is the finding
            return f"{name}: {type(error).__name__}: {error}"
    return ""


def is_in_place(bug: Bug) -> bool:
    """Does each patch of a bug stand in the source exactly once?"""
    return all((ROOT / patch.file).read_text().count(patch.old) == 1 for patch in bug.patches)
