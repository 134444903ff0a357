"""What reviewed code may import and call by name, and all of it called once before the walls rise.

Owns that closed list. It is no wall: whoever walks from object to object finds more, and finds that
the process may do nothing with it (ROOMS §5). It is for whoever reviews code: what is not on the
list, a cell's code says nowhere by name.
"""

import ast
import builtins
import codecs
import random
import sys
import tokenize
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import StringIO
from types import ModuleType
from typing import Any

import numpy as np

MODULES_OFFERED = (
    "__future__",
    "bisect",
    "collections",
    "collections.abc",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "math",
    "numpy",
    "numpy.fft",
    "numpy.linalg",
    "numpy.random",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "typing",
)
_HELPERS = frozenset(("_strptime", "copyreg", "time", "warnings"))
"""What libraries in C import in the name of whoever calls them; code has no name for it."""
_WITHHELD = frozenset(
    (
        *("breakpoint", "compile", "copyright", "credits", "eval", "exec", "exit", "help"),
        *("input", "license", "open", "quit"),
    )
)
"""Builtins that a reviewer would have to look behind."""
_LOADED_LATE = ("_strptime", "numpy.ma", "numpy.polynomial", "numpy.rec")
"""What the offered ones load at their first use."""
_NAMES = "a cell's code has names of ASCII"
_SENTENCE = f"a cell's code imports {', '.join(MODULES_OFFERED)}"
_ENCODINGS = ("ascii", "latin_1", "utf_8", "utf_16", "utf_32")


def offered_import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    """`import`, of reviewed code, and of libraries in C that it calls.

    Raises:
        ImportError: it is not on the list.
    """
    inner = name.startswith("numpy.") and name in sys.modules
    if level or not (name in MODULES_OFFERED or name in _HELPERS or inner):
        raise ImportError(f"{name}: {_SENTENCE}")
    return __import__(name, globals, locals, fromlist)


def read_code(source: str) -> ast.Module:
    """Read code, and check what a reviewer relies on, before any of it runs.

    Raises:
        ImportError: it imports what is not on the list, or has a name that is not of ASCII: letters
            of other scripts look like ours, and some are read as ours.
        SyntaxError, ValueError: it is no Python.
    """
    tree = ast.parse(source, "program.py")
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.NAME and not token.string.isascii():
            raise ImportError(f"line {token.start[0]}: {token.string!a}: {_NAMES}")
    for node in ast.walk(tree):
        place = f"line {getattr(node, 'lineno', 0)}"
        for word in _words(node):
            if not word.isascii():
                raise ImportError(f"{place}: {word!a}: {_NAMES}")
        for name in _imported(node):
            if name not in MODULES_OFFERED:
                raise ImportError(f"{place}: {name}: {_SENTENCE}")
    return tree


def _words(node: ast.AST) -> list[str]:
    """Names that a part of code makes or uses."""
    found = (getattr(node, field, None) for field in ("id", "attr", "arg", "name", "asname"))
    return [word for word in found if type(word) is str]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    if isinstance(node, ast.Name) and node.id == "__import__":
        return [node.id]
    return []


def offered_builtins() -> Mapping[str, Any]:
    """Builtins of reviewed code."""
    kept = {name: value for name, value in vars(builtins).items() if name not in _WITHHELD}
    return kept | {"__import__": offered_import}


def warm_up() -> None:
    """Import everything, and call once what loads at its first use."""
    for name in (*MODULES_OFFERED, *_LOADED_LATE):
        import_module(name)
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    datetime = import_module("datetime").datetime
    datetime.strptime("2026-01-01 00:00", "%Y-%m-%d %H:%M").isoformat()
    import_module("statistics").NormalDist().inv_cdf(0.25)
    numbers = np.random.default_rng(1).normal(size=(8, 4))
    for work in (np.linalg.svd, np.linalg.qr, np.linalg.pinv, np.fft.fft, np.sort, np.median):
        work(numbers)
    np.linalg.lstsq(numbers, numbers[:, 0], rcond=None)
    np.linalg.solve(numbers.T @ numbers, numbers[0])
    np.einsum("ij,ij->i", numbers, numbers, optimize=True)
    np.percentile(numbers, 50)
    np.unique(np.array(["a", "b", "a"]))
    repr(numbers), str(np.datetime64("2026-01-01")), f"{numbers[0, 0]:.3f}"


def begin_chance(seed: bytes) -> None:
    """Begin the chance that a library draws without being given any: the same in each executor."""
    random.seed(seed)
    np.random.seed(np.frombuffer(seed, dtype="<u4").tolist())
