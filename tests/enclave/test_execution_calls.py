"""What execution may call: nothing whose answer depends on interpreter, library version, locale,
hash seed or stack.

The list is in enclave/README.md, "What execution may call". Here it is applied to the source of
every module that execution loads; an exception stands in ALLOWED with its reason, and is refused
when it is no longer needed.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TABLES = {
    *(
        "isprintable",
        "isalnum",
        "isalpha",
        "isdigit",
        "isdecimal",
        "isnumeric",
        "isidentifier",
        "isspace",
    ),
    *(
        "isupper",
        "islower",
        "istitle",
        "lower",
        "upper",
        "casefold",
        "swapcase",
        "title",
        "capitalize",
    ),
    *("splitlines", "expandtabs", "normalize", "timestamp", "strftime", "fromtimestamp"),
    *("translate", "maketrans"),
}
"""Methods that read the interpreter's Unicode tables, a locale or a clock. (`translate` of bytes is
listed apart.)"""
UNLESS_TOLD = {"strip", "lstrip", "rstrip", "split", "rsplit"}
"""Without an argument they ask the tables what a space is."""
BUILTINS = {
    "hash",
    "id",
    "repr",
    "ascii",
    "float",
    "complex",
    "round",
    "eval",
    "exec",
    "compile",
    "input",
    "print",
}
BUILTINS |= {"vars", "dir", "globals", "locals", "open"}
MODULES = {
    *(
        "re",
        "unicodedata",
        "locale",
        "gettext",
        "string",
        "time",
        "datetime",
        "zoneinfo",
        "calendar",
        "json",
        "pickle",
    ),
    *(
        "random",
        "secrets",
        "uuid",
        "os",
        "sys",
        "platform",
        "threading",
        "asyncio",
        "subprocess",
        "decimal",
    ),
    *(
        "fractions",
        "statistics",
        "math",
        "copy",
        "weakref",
        "gc",
        "inspect",
        "traceback",
        "warnings",
        "logging",
    ),
}
STACK = {"RecursionError", "MemoryError"}
"""How much there is differs; whoever names one lets it pass on, and that is seen to in the
functions listed."""

NEVER_TOLD = "in a text that is never told: an outcome has the code alone"
CLIENT = "the client's side: execution never calls it"
ENUM = "of an enum or an integer, never of text"
PASSES_ON = "lets it pass on: the process ends, and nothing of it stands in an outcome"
ASKED = "a set made of a set, which is only asked"
NO_OUTCOME = "secrets and walls of the process, which no outcome depends on"

ALLOWED = {
    ("consensus.codec", "decode", "RecursionError"): "far beyond DEPTH_MAX: refused either way",
    ("consensus.codec", "decode", "translate"): "of bytes: counts those that begin a sequence",
    ("consensus.codec", "decode_fields", "RecursionError"): "what nests is refused either way",
    ("consensus.codec", "decode_value", "RecursionError"): "of results that this code has encoded",
    ("consensus.statements", "", "int"): ENUM,
    ("consensus.statements", "to_wire", "int"): ENUM,
    (
        "enclave.attestation.certificates",
        "",
        "import datetime",
    ): "the library's type of a validity: whole seconds",
    (
        "enclave.attestation.certificates",
        "",
        "import warnings",
    ): "turned off: a verdict is an error or none",
    ("enclave.attestation.certificates", "_read_extensions", "!r"): NEVER_TOLD,
    ("enclave.attestation.policy", "from_wire", "!r"): NEVER_TOLD,
    ("enclave.attestation.silicon", "verify_report", "lower"): NEVER_TOLD,
    ("enclave.attestation.verifier", "verify_evidence", "!r"): NEVER_TOLD,
    ("enclave.attestation.verifier", "_check_operator", "!r"): NEVER_TOLD,
    ("enclave.execution.executor", "", "int"): ENUM,
    ("enclave.execution.executor", "_answer_slice", "int"): ENUM,
    ("enclave.execution.executor", "_run_public", "int"): ENUM,
    ("enclave.proofs.genesis", "", "import re"): CLIENT,
    ("enclave.proofs.genesis", "chain_of", "!r"): CLIENT,
    ("enclave.proofs.genesis", "chain_of", "upper"): CLIENT,
    ("enclave.proofs.genesis", "pin_of", "lower"): CLIENT,
    ("enclave.contained", "", "MemoryError"): PASSES_ON,
    ("enclave.contained", "", "RecursionError"): PASSES_ON,
    ("enclave.formats.outcome", "decode", "translate"): "of bytes: codes, by a table of our own",
    ("enclave.heap", "", "import gc"): "when cycles are looked for: no outcome depends on it",
    ("enclave.governance.arguments", "", "strip()"): CLIENT,
    ("enclave.governance.arguments", "_parse_tcb", "int"): CLIENT,
    ("enclave.governance.clock", "_set", "int"): ENUM,
    ("enclave.governance.public", "_shape", "!r"): NEVER_TOLD,
    ("enclave.primitives", "", "import os"): NO_OUTCOME,
    ("enclave.programs", "_program", "!r"): CLIENT,
    ("enclave.programs", "split_name", "!r"): CLIENT,
    (
        "enclave.programs.framework",
        "",
        "import inspect",
    ): "reads the programs' own signatures, once",
    ("enclave.programs.framework", "operation", "!r"): CLIENT,
    ("enclave.programs.runner", "ask", "MemoryError"): PASSES_ON,
    ("enclave.programs.schema", "", "import json"): CLIENT,
    ("enclave.programs.schema", "kind_of", "recursion"): "over the type hints of our own programs",
    ("enclave.programs.schema", "_not_hex", "!r"): CLIENT,
    ("enclave.programs.schema", "from_text", "!r"): CLIENT,
    ("enclave.programs.schema", "from_text", "RecursionError"): CLIENT,
    ("enclave.programs.schema", "from_text", "int"): CLIENT,
    ("enclave.programs.schema", "from_text", "isdigit"): CLIENT,
    ("enclave.sandbox.secret_memory", "", "import os"): NO_OUTCOME,
    ("enclave.sessions.session_admission", "heed", "order of a set"): ASKED,
    (
        "enclave.text",
        "is_ascii_line",
        "isprintable",
    ): "of ASCII alone, of which every interpreter says the same",
    ("enclave.sandbox.kernel", "", "import os"): NO_OUTCOME,
    ("enclave.sandbox.kernel", "", "import platform"): NO_OUTCOME,
}
"""(module, function, what) → why it may stand there."""


@cache
def loaded() -> tuple[tuple[str, Path], ...]:
    """Our modules in a process that can execute, as (name below strongroom, file)."""
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, strongroom.enclave.execution.executor\nprint(*sys.modules, sep='\\n')",
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    names = sorted(
        name.removeprefix("strongroom.") for name in shown.split() if name.startswith("strongroom.")
    )
    files = []
    for name in names:
        path = ROOT / name.replace(".", "/")
        files.append((name, path / "__init__.py" if path.is_dir() else path.with_suffix(".py")))
    return tuple((name, file) for name, file in files if file.exists())


def sets_declared(tree: ast.Module) -> frozenset[str]:
    """Names and attributes that a module declares as sets."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.AnnAssign | ast.arg) or node.annotation is None:
            continue
        if ast.unparse(node.annotation).startswith(("set[", "frozenset[")):
            found.add(
                node.arg if isinstance(node, ast.arg) else ast.unparse(node.target).split(".")[-1]
            )
    return frozenset(found)


def circles(tree: ast.Module) -> frozenset[ast.FunctionDef]:
    """Functions that come back to themselves by calls within their module, by way of others too:
    of the module's functions by name, of their class's methods by `self` or `cls`."""
    functions: dict[tuple[ast.AST | None, str], ast.FunctionDef] = {}
    homes: dict[ast.FunctionDef, ast.AST | None] = {}

    def collect(parent: ast.AST, home: ast.AST | None) -> None:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.FunctionDef):
                functions[home, node.name], homes[node] = node, home
            within = isinstance(node, ast.ClassDef)
            collect(node, node if within else None if isinstance(node, ast.FunctionDef) else home)

    def called(function: ast.FunctionDef) -> set[ast.FunctionDef]:
        asked = (_called(node) for node in ast.walk(function))
        keys = ((homes[function] if own else None, name) for own, name in filter(None, asked))
        return {functions[key] for key in keys if key in functions}

    collect(tree, None)
    calls = {function: called(function) for function in homes}
    reached = {function: set(known) for function, known in calls.items()}
    grown = True
    while grown:
        grown = False
        for known in reached.values():
            more = set().union(*(calls[one] for one in known)) - known
            known |= more
            grown = grown or bool(more)
    return frozenset(function for function, known in reached.items() if function in known)


class Reader(ast.NodeVisitor):
    """Collects (function, what, line) of everything on the list."""

    def __init__(self, source: str) -> None:
        self.found: list[tuple[str, str, int]] = []
        self._within: list[str] = []
        self._in_class = False
        tree = ast.parse(source)
        self._sets = sets_declared(tree)
        self._circles = circles(tree)
        self.visit(tree)

    def _note(self, what: str, node: ast.stmt | ast.expr) -> None:
        self.found.append((self._within[-1] if self._within else "", what, node.lineno))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._within.append(node.name)
        if node in self._circles:
            self._note("recursion", node)
        self.generic_visit(node)
        self._within.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        before, self._in_class = self._in_class, True
        self.generic_visit(node)
        self._in_class = before

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            if one.name.split(".")[0] in MODULES:
                self._note(f"import {one.name}", node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if (node.module or "").split(".")[0] in MODULES:
            self._note(f"import {node.module}", node)

    def visit_Assert(self, node: ast.Assert) -> None:
        self._note("assert", node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in STACK and isinstance(node.ctx, ast.Load):
            self._note(node.id, node)
        if node.id == "__debug__":
            self._note("__debug__", node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, float | complex):
            self._note("a float", node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self._note("a float", node)
        self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        if node.conversion in (ord("r"), ord("a")):
            self._note("!r", node)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in TABLES:
            self._note(node.attr, node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id=name) if name in BUILTINS:
                self._note(name, node)
            case ast.Name(id=name) if name in (
                "list",
                "tuple",
                "enumerate",
                "iter",
                "dict",
                "map",
                "zip",
                "reversed",
            ):
                for argument in node.args:
                    self._iterated(argument)
            case ast.Name(id="int") if node.args and not isinstance(node.args[0], ast.Constant):
                self._note("int", node)
            case ast.Attribute(attr=name) if name in UNLESS_TOLD and not node.args:
                self._note(f"{name}()", node)
            case ast.Attribute(attr="join"):
                for argument in node.args:
                    self._iterated(argument)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._iterated(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._iterated(node.iter)
        self.generic_visit(node)

    def _iterated(self, over: ast.expr) -> None:
        match over:
            case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
                self._note("order of a set", over)
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in self._sets:
                self._note("order of a set", over)


def _called(node: ast.AST) -> tuple[bool, str] | None:
    """(Is it a method of its own?, name) of what a node calls."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return False, name
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)):
            return True, name
    return None


def findings() -> Iterator[tuple[str, str, str, int]]:
    for name, file in loaded():
        for function, what, line in Reader(file.read_text("utf-8")).found:
            yield name, function, what, line


def test_execution_calls_nothing_that_differs_between_interpreters() -> None:
    wrong = [
        f"{name}:{line} {function}: {what}"
        for name, function, what, line in findings()
        if (name, function, what) not in ALLOWED
    ]
    assert not wrong, "see enclave/README.md, What execution may call:\n" + "\n".join(wrong)


def test_no_exception_outlives_its_need() -> None:
    assert not set(ALLOWED) - {(name, function, what) for name, function, what, _ in findings()}


def test_the_modules_are_those_that_execution_loads() -> None:
    names = {name for name, _ in loaded()}
    assert {
        "consensus.codec",
        "enclave.text",
        "enclave.programs.payments",
        "enclave.governance.admission",
    } <= names
    assert len(names) > 60


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("name.isprintable()", "isprintable"),
        ("name.casefold()", "casefold"),
        ("filter(str.isalnum, name)", "isalnum"),
        ("name.split()", "split()"),
        ("name.strip()", "strip()"),
        ("int(text)", "int"),
        ("hash(name)", "hash"),
        ("repr(name)", "repr"),
        ("f'{name!r}'", "!r"),
        ("1.5", "a float"),
        ("a / b", "a float"),
        ("import re", "import re"),
        ("from datetime import datetime", "import datetime"),
        ("import os.path", "import os.path"),
        ("assert checked", "assert"),
        ("if __debug__: pass", "__debug__"),
        ("for one in {1, 2}: pass", "order of a set"),
        ("[one for one in set(ones)]", "order of a set"),
        ("tuple(frozenset(ones))", "order of a set"),
        ("', '.join({name for name in names})", "order of a set"),
        ("names: set[str] = found()\nfor name in names: pass", "order of a set"),
        (
            "def f(self):\n    self.names: frozenset[str] = g()\n    return tuple(self.names)",
            "order of a set",
        ),
        ("try: f()\nexcept RecursionError: pass", "RecursionError"),
        ("def f(x):\n    return f(x[0])", "recursion"),
        ("class A:\n    def f(self, x): return [self.f(one) for one in x]", "recursion"),
        ("def f(x):\n    return g(x[0])\ndef g(x):\n    return f(x)", "recursion"),
        (
            "class A:\n    def f(self): self.g()\n    def g(self): self.h()\n"
            "    def h(self): self.f()",
            "recursion",
        ),
        ("def f(x):\n    def g(y):\n        return g(y[0])\n    return g(x)", "recursion"),
    ],
)
def test_what_is_on_the_list_is_seen(source: str, what: str) -> None:
    assert what in [found for _, found, _ in Reader(source).found]


@pytest.mark.parametrize(
    "source",
    [
        "sorted({1, 2})",
        "tuple(sorted(set(ones)))",
        "len(set(tags))",
        "name.split('\\n')",
        "int()",
        "a // b",
        "f'{name}'",
        "names: set[str] = found()\nsorted(names)",
        "class A:\n    def f(self): return f()\ndef f(): return 1",
        "class A:\n    def f(self): pass\nclass B:\n    def f(self): self.a.f()",
    ],
)
def test_what_is_the_same_everywhere_may_be_called(source: str) -> None:
    assert Reader(source).found == []
