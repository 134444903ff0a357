"""One definition for each bound and size: two of one name drift apart, and one that nobody reads
bounds nothing (CONTRIBUTING.md, "a bound")."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import strongroom.consensus.types
from strongroom.consensus.bounds import ENVELOPE_BYTES_MAX
from strongroom.enclave.formats.size_classes import CALL_ENVELOPES, OPENING_ENVELOPES

ROOT = Path(strongroom.consensus.types.__file__).resolve().parents[1]
BOUND = re.compile(r"[A-Z][A-Z0-9_]*_(MAX|SIZE|MIN)")
OUTSIDE_OF_NODE = ("consensus", "enclave")


def defined(package: str) -> list[tuple[str, str, str]]:
    """(name, file, its value as written) of every public bound that a package's modules assign."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if isinstance(target, ast.Name) and BOUND.fullmatch(target.id):
                    value = ast.unparse(node.value)
                    found.append((target.id, str(path.relative_to(ROOT)), str(_number(value))))
    return found


def _number(written: str) -> object:
    try:
        return eval(written, {"__builtins__": {}})  # arithmetic of literals, from our own source
    except NameError:
        return written


def test_no_bound_of_the_vocabulary_or_the_enclave_is_defined_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in OUTSIDE_OF_NODE:
        for name, place, _ in defined(package):
            places[name].append(place)
    assert len(places) > 100
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_module_of_a_node_copies_a_bound_that_is_defined_below_it() -> None:
    below = {(name, value) for package in OUTSIDE_OF_NODE for name, _, value in defined(package)}
    copies = [(name, place) for name, place, value in defined("node") if (name, value) in below]
    assert copies == []


TWO_THINGS = {
    "SURVEY_SECONDS_MAX": "a client under way; an audit, which has no client",
}
"""Bounds of one name and value in a node that are not of one thing."""


def test_no_bound_within_a_node_is_defined_twice() -> None:
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, place, value in defined("node"):
        places[name, value].append(place)
    twice = {name: where for (name, _), where in places.items() if len(where) > 1}
    assert twice.keys() == TWO_THINGS.keys(), twice


def test_every_bound_is_read_somewhere() -> None:
    read: set[str] = set()
    for package in (*OUTSIDE_OF_NODE, "node"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    read.add(node.id)
    for package in (*OUTSIDE_OF_NODE, "node"):
        dead = [(name, place) for name, place, _ in defined(package) if name not in read]
        assert dead == []


def test_the_largest_size_class_of_a_call_is_the_bound_of_an_envelope() -> None:
    assert CALL_ENVELOPES[-1] == OPENING_ENVELOPES[-1] == ENVELOPE_BYTES_MAX
