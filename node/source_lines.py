"""How many lines of a file Python executes: what a reader of the trusted base has to read."""

import ast


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
