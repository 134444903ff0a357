"""From a program's file to its `program` coroutine: run once, before the walls stand.

Owns what a file must define, and the check of what it brings along.
"""

import sys
from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction
from types import ModuleType
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.room.measurement import PROGRAM, ProgramSource, check_brought

ENTRY = "program"
Program = Callable[[Any], Coroutine[Any, Any, None]]


def load_program(source: ProgramSource) -> Program:
    """Run a program's file as a module, and give its `program`.

    Raises:
        OperatorFault: it does not run, defines no `program`, or loads what is not measured.
    """
    before = set(sys.modules)
    module = ModuleType(f"{PROGRAM}_{source.name}")
    module.__file__ = f"{PROGRAM}/{source.name}.py"
    sys.modules[module.__name__] = module
    try:
        code = compile(source.source, module.__file__, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 (what runs is what was measured)
    except Exception as error:
        raise OperatorFault(
            f"the program {source.name} does not run: {type(error).__name__}: {error}"
        ) from None
    check_brought(set(sys.modules) - before - {module.__name__})
    program = getattr(module, ENTRY, None)
    if not iscoroutinefunction(program):
        raise OperatorFault(
            f"the program {source.name} defines no `async def {ENTRY}(room)`: see docs/rooms.md"
        )
    return program
