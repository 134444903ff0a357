"""What a row of the table of changes is: a shape, for changes.py and for modules that bring rows.

Owns the shape alone. Rows that are no part of the rules (a program's issuers, say) name `carry_out`
and touch maps; all others turn rules into rules.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from strongroom.consensus.types import Height, Milliseconds
from strongroom.enclave.governance.arguments import Kind
from strongroom.enclave.governance.records import Arguments
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import Class

if TYPE_CHECKING:
    from strongroom.enclave.governance.action_context import GovernanceView

    CarryOut = Callable[[GovernanceView, Mapping[str, Any], Height, Milliseconds], None]


class Effect(Enum):
    """What a change does to nodes or users, beside the rules."""

    NONE = auto()
    ATTEST_AGAIN = auto()
    """Every node is suspended until it attests again: its old evidence was judged by other
    rules."""
    REMOVE_NODE = auto()
    ROTATE = auto()
    ADD_USERS = auto()
    REMOVE_USERS = auto()


def unchanged(rules: Rules, _values: Mapping[str, Any]) -> Rules:
    """`apply` of a row that leaves the rules as they are."""
    return rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the table."""

    takes: Mapping[str, Kind]
    """Arguments, in the order in which a proposal names them."""
    apply: Callable[[Rules, Mapping[str, Any]], Rules] = unchanged
    loosens: bool | Callable[[Rules, Mapping[str, Any]], bool] = False
    """Does it wait `activation_delay_ms`? Always, never, or by the rules before it and its
    arguments."""
    effect: Effect = Effect.NONE
    group: Class | Callable[[Mapping[str, Any]], Class] = Class.OTHER
    """Whose threshold it needs; by its arguments where that depends on them."""
    carry_out: "CarryOut | None" = None
    """Beside `apply`: (view, arguments, height, block time) → what it does to the state, judged on
    what stands there then. It may raise ProgramError; then nothing of the proposal stands. The
    enclave tries it when the change is proposed, and takes that back."""

    def bind(self, given: Arguments) -> dict[str, Any]:
        """Arguments by name.

        Raises:
            ProgramError: ``arguments``: others than the row takes, in another order, or of another
                kind.
        """
        if type(given) is not tuple:
            refuse(Ground.ARGUMENTS, "arguments are pairs of name and value")
        for pair in given:
            if type(pair) is not tuple or len(pair) != 2:
                refuse(Ground.ARGUMENTS, "arguments are pairs of name and value")
        if [name for name, _ in given] != list(self.takes):
            refuse(
                Ground.ARGUMENTS,
                f"expected the arguments {', '.join(self.takes) or '(none)'}, in this order",
            )
        return {name: self.takes[name].check(name, value) for name, value in given}

    def waits(self, rules: Rules, given: Arguments) -> bool:
        """Does this change loosen, so that it waits?"""
        return self.loosens if isinstance(self.loosens, bool) else self.loosens(rules, dict(given))

    def judged_as(self, given: Arguments) -> Class:
        """Whose threshold it needs."""
        return self.group if isinstance(self.group, Class) else self.group(dict(given))
