"""One line of the table of methods: a name, its parameters, and whom it asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom.node.rpc.parameters import Parameter


@dataclass(frozen=True, slots=True)
class Method:
    """One line of the table."""

    name: str
    words: str
    parameters: tuple[Parameter, ...]
    result: str
    call: Callable[..., Any]
    """(caller, *arguments) → result, or an awaitable of it."""
    roomy: bool = False
    """It is called with (caller, room, *arguments): it looks at what the answer may take."""
    kept: bool = False
    """Its result is told however long it is."""
