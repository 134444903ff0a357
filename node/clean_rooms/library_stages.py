"""A library stage of a contract's file, before it is proposed: the parameters that it fixes, and
whether the program takes them.

Owns the form of fixed parameters and the check against what the library declares, where the library
is here (extra `rooms`); without it the worker is the first who checks. Runs no program.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from strongroom.enclave.formats.clean_rooms.contract import (
    LIST_SEPARATOR,
    Pairs,
    Parameter,
    Stage,
)
from strongroom.enclave.formats.clean_rooms.serving import SERVING

if TYPE_CHECKING:
    from strongroom.enclave.room.library import shapes

_TYPES = {bool: "bool", int: "int", str: "str"}
"""What a contract calls the type of a program's parameter; a list is one str."""


def fixed_pairs(values: Mapping[str, Any], problems: list[str], where: str) -> Pairs:
    """Parameters as a contract has them; what is none is a problem."""
    made: list[tuple[str, bool | int | str]] = []
    for name, value in sorted(values.items()):
        if type(value) in (bool, int, str):
            made.append((name, value))
        elif isinstance(value, list) and all(_is_part(one) for one in value):
            made.append((name, LIST_SEPARATOR.join(value)))
        else:
            problems.append(
                f"{where}.{name}: is true or false, a whole number, a string, or a list of strings "
                f"without {LIST_SEPARATOR!r}"
            )
    return tuple(made)


def check_stages(
    stages: Sequence[Stage], parameters: Sequence[Parameter], problems: list[str]
) -> None:
    """Look for what the library would refuse at the first run, after it was charged. What serves is
    no program of it."""
    if any(one.name == SERVING for one in stages):
        return
    try:
        from strongroom.enclave.room.library import catalogue, checking, shapes

        programs = {
            one.name: catalogue.program(one.name) for one in stages if one.language == "library"
        }
    except ImportError:
        return
    except shapes.ProgramRefused as refused:
        problems.append(f"stages: {refused}")
        return
    for stage in stages:
        if stage.language == "library":
            try:
                _check(programs[stage.name], stage, parameters, checking.check_parameters)
            except shapes.ProgramRefused as refused:
                problems.append(f"stages: {stage.name}: {refused}")
    declared = {one.name for program in programs.values() for one in program.parameters}
    problems += [
        f"parameters.{one.name}: no stage takes it"
        for one in parameters
        if programs and one.name not in declared
    ]


def _check(
    program: "shapes.Program", stage: Stage, parameters: Sequence[Parameter], check: Any
) -> None:
    """Fixed values must be taken; what is open must be of the program's type, and its least and
    its most be taken."""
    from strongroom.enclave.room.library.shapes import ProgramRefused

    declared = {one.name: one for one in program.parameters}
    given: dict[str, Any] = {
        name: _parted(declared.get(name), value) for name, value in stage.fixed
    }
    for one in parameters:
        theirs = declared.get(one.name)
        if theirs is None:
            continue
        kind = _TYPES.get(theirs.type, "str")
        if one.type != kind:
            raise ProgramRefused("parameter", f"parameter {one.name} is of type {kind}")
        if theirs.type is int and not theirs.minimum <= one.least <= one.most <= theirs.maximum:
            raise ProgramRefused(
                "parameter",
                f"parameter {one.name} may be {theirs.minimum} to {theirs.maximum}",
            )
        if theirs.default is None:
            given[one.name] = _any_of(theirs, one)
    check(program, given)


def _any_of(theirs: "shapes.Parameter", one: Parameter) -> Any:
    """Some value that would be taken: what a run gives is checked then."""
    if theirs.type is bool:
        return True
    if theirs.type is int:
        return one.least
    if theirs.type is str:
        return theirs.choices[0] if theirs.choices else "x" * max(theirs.minimum, 1)
    return ["x"] * max(theirs.minimum, 1)


def _parted(theirs: "shapes.Parameter | None", value: Any) -> Any:
    if theirs is None or theirs.type in _TYPES or not value:
        return value
    return value.split(LIST_SEPARATOR) if isinstance(value, str) else value


def _is_part(value: Any) -> bool:
    return type(value) is str and LIST_SEPARATOR not in value
