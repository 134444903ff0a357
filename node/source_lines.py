"""Where our own source stands, and how many lines of a file Python executes: what a reader of the
trusted base has to read."""

import ast
import importlib.util
from functools import cache
from pathlib import Path

from strongroom.consensus.errors import OperatorFault


@cache
def folder_of(package: str) -> Path:
    """Of a package, without loading it.

    Raises:
        OperatorFault: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise OperatorFault(f"{package} is not installed: install strongroom again")
    return Path(next(iter(spec.submodule_search_locations)))


def code_lines(source: str) -> int:
    """Lines on which something stands that Python executes."""
    tree = ast.parse(source)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), start=1)
    return sum(
        1
        for number, line in lines
        if number not in docstrings and line.strip() and line.strip()[0] != "#"
    )
