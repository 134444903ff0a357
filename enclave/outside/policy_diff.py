"""What a new release policy would release and an old one would not: shown by z3 on an example.

Owns how policies become formulas. A claim is there or not; a text is one of those that the policies
name, or another one, which all conditions see alike. So the answer is exact, for all claims. An
example that is found is judged by both policies before it is told. Not measured; z3 is in the extra
`policy`.
"""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus.errors import OperatorFault, StrongroomError, invariant
from strongroom.enclave.attestation.release_condition import ORDER, Condition
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.attestation.strict_json import INTEGER_MAX, INTEGER_MIN
from strongroom.enclave.attestation.vocabulary import VOCABULARY, Claim

DIFF_MS_MAX = 60_000
"""z3's time for one question; policies within their bounds take a small part of it."""
ANOTHER = "another"
"""Text of a claim that is none of those that the policies name (with digits, if one is)."""


class Undecided(StrongroomError):
    """z3 found no answer in its time."""


def newly_released(old: ReleasePolicy, new: ReleasePolicy) -> dict[str, Claim] | None:
    """Claims that `new` releases and `old` does not, as few as do; None if there are none.

    Raises:
        OperatorFault: z3 is not installed.
        Undecided: no answer within DIFF_MS_MAX.
    """
    try:
        import z3
    except ImportError:
        raise OperatorFault(
            "comparing policies needs z3: pip install 'strongroom[policy]'"
        ) from None
    world = _World(z3, [*old.conditions, *new.conditions])
    solver = z3.Optimize()
    solver.set("timeout", DIFF_MS_MAX)
    solver.add(*world.bounds, world.formula(new), z3.Not(world.formula(old)))
    for there in world.there.values():
        solver.add_soft(z3.Not(there))
    answer = solver.check()
    if answer == z3.unsat:
        return None
    if answer != z3.sat:
        raise Undecided(f"no answer within {DIFF_MS_MAX // 1000} s: compare smaller policies")
    found = world.claims(solver.model())
    invariant(
        new.first_failure(found) is None and old.first_failure(found) is not None,
        "the formula of a policy differs from its verdict",
    )
    return found


class _World:
    """The claims of some conditions, as unknowns."""

    def __init__(self, z3: Any, conditions: list[Condition]) -> None:
        self._z3 = z3
        self.there: dict[str, Any] = {}
        self._values: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}
        for name in dict.fromkeys(condition.claim for condition in conditions):
            self.there[name] = z3.Bool(f"there {name}")
            self._values[name] = z3.Bool(name) if VOCABULARY[name] is bool else z3.Int(name)
            literals = [one for c in conditions if c.claim == name for one in _literals(c)]
            named = dict.fromkeys(one for one in literals if isinstance(one, str))
            self._texts[name] = [*named, _another(named)]

    @property
    def bounds(self) -> list[Any]:
        """What every value keeps to."""
        bounds = []
        for name, value in self._values.items():
            if VOCABULARY[name] is int:
                bounds += [value >= INTEGER_MIN, value <= INTEGER_MAX]
            elif VOCABULARY[name] is str:
                bounds += [value >= 0, value < len(self._texts[name])]
        return bounds

    def formula(self, policy: ReleasePolicy) -> Any:
        """When a policy releases."""
        formulas: list[Any] = []
        for step in policy.steps:
            if isinstance(step, Condition):
                formulas.append(self._condition(step))
            else:
                members = formulas[-step.members :]
                del formulas[-step.members :]
                join = self._z3.Or if step.name == "anyOf" else self._z3.And
                formulas.append(join(*members))
        return formulas[0]

    def claims(self, model: Any) -> dict[str, Claim]:
        """The claims of a model, those that are there."""
        found: dict[str, Claim] = {}
        for name, there in self.there.items():
            if not self._z3.is_true(model.eval(there, model_completion=True)):
                continue
            value = model.eval(self._values[name], model_completion=True)
            if VOCABULARY[name] is bool:
                found[name] = bool(self._z3.is_true(value))
            elif VOCABULARY[name] is int:
                found[name] = value.as_long()
            else:
                found[name] = self._texts[name][value.as_long()]
        return found

    def _condition(self, condition: Condition) -> Any:
        name, value = condition.claim, self._values[condition.claim]
        equal = [value == self._term(name, literal) for literal in _literals(condition)]
        if condition.operator in ORDER:
            holds = ORDER[condition.operator](value, condition.literal)
        else:
            holds = {
                "equals": self._z3.Or(*equal),
                "in": self._z3.Or(*equal),
                "notEquals": self._z3.Not(self._z3.Or(*equal)),
                "exists": True,
            }[condition.operator]
        return self._z3.And(self.there[name], holds)

    def _term(self, name: str, literal: Claim) -> Any:
        return self._texts[name].index(literal) if isinstance(literal, str) else literal


def _literals(condition: Condition) -> tuple[Claim, ...]:
    """The values that a condition compares with."""
    if condition.operator == "exists":
        return ()
    literal = condition.literal
    return literal if isinstance(literal, tuple) else (literal,)


def _another(named: Mapping[str, object]) -> str:
    text, count = ANOTHER, 1
    while text in named:
        count += 1
        text = f"{ANOTHER}-{count}"
    return text
