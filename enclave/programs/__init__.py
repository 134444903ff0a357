"""The programs of this service: their names are part of the measurement (DESIGN §6, §7)."""

from collections.abc import Mapping
from typing import Any

from strongroom.enclave.programs.framework import Program
from strongroom.enclave.programs.payments import payments
from strongroom.enclave.programs.people import people
from strongroom.enclave.programs.records import records
from strongroom.enclave.programs.rooms import rooms
from strongroom.enclave.programs.roster import roster
from strongroom.enclave.programs.schema import ArgumentFault, Resolve
from strongroom.enclave.programs.system import system
from strongroom.enclave.programs.vault import vault

PROGRAMS: Mapping[str, Program] = {
    program.name: program for program in (payments, people, records, rooms, roster, system, vault)
}
PROGRAM_NAMES = tuple(sorted(PROGRAMS))


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
