"""The programs of this service: their names are part of the measurement (DESIGN §6, §7).

A program's code is loaded when it is first asked for: a client that pays loads no clean rooms. An
enclave loads all of them at once (execution/executor.py).
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from strongroom.enclave.programs.framework import Program
from strongroom.enclave.programs.schema import ArgumentFault, Resolve

PROGRAM_NAMES = ("payments", "people", "records", "rooms", "roster", "system", "vault")
"""Each is a module of this package, and what that calls by the same name."""


@cache
def _loaded(name: str) -> Program:
    program = getattr(import_module(f"{__name__}.{name}"), name)
    if not isinstance(program, Program):
        raise TypeError(f"{name} is no program")
    return program


class _Programs(Mapping[str, Program]):
    """All programs by name, each loaded when it is taken."""

    def __getitem__(self, name: str) -> Program:
        if name not in PROGRAM_NAMES:
            raise KeyError(name)
        return _loaded(name)

    def __contains__(self, name: object) -> bool:
        return name in PROGRAM_NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(PROGRAM_NAMES)

    def __len__(self) -> int:
        return len(PROGRAM_NAMES)


PROGRAMS: Mapping[str, Program] = _Programs()


def split_name(name: str) -> tuple[str, str]:
    """`payments.transfer` → (`payments`, `transfer`).

    Raises:
        ArgumentFault: it is not written so.
    """
    program, dot, operation = name.partition(".")
    if not dot or not program or not operation:
        raise ArgumentFault(f"{name!r}: write PROGRAM.OPERATION, e.g. payments.transfer")
    return program, operation


def parse_arguments(
    program: str, operation: str, texts: Mapping[str, str], resolve: Resolve
) -> tuple[Any, ...]:
    """Arguments of a call from key=value texts of the command line, in the order of the schema.

    Raises:
        ArgumentFault: no such program, operation or argument, or one that does not parse.
    """
    return _program(program).operation(operation).from_text(texts, resolve)


def bind_arguments(
    program: str, operation: str, values: Mapping[str, Any], resolve: Resolve
) -> tuple[Any, ...]:
    """Arguments of a call from Python values; identities and accounts as text too.

    Raises:
        ArgumentFault: no such program, operation or argument, or one of another kind.
    """
    return _program(program).operation(operation).from_python(values, resolve)


def _program(name: str) -> Program:
    if name not in PROGRAMS:
        raise ArgumentFault(f"no program {name!r}; this service runs {', '.join(PROGRAM_NAMES)}")
    return PROGRAMS[name]
