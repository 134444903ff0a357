"""Copies of a real replica, and what tells two of its states apart.

Owns nothing of the search; that is exploration.py.
"""

import copy
from collections import deque
from types import MethodType
from typing import Any

from strongroom.consensus.replica.replica import Replica

PLAIN = (type(None), bool, int, float, str, bytes, frozenset)


def observe(replica: Replica, views: int) -> object:
    """What tells two states of a replica apart, as far as it can matter up to a view.

    Promises, view, candidates, certificates, headers and final block. What a replica says in later
    views is of no consequence for these: views are left for good.
    """
    state = replica.state
    return (
        state.view,
        state.final_view,
        state.final.digest,
        tuple(statement for statement in state.promises.all() if statement.view <= views),
        frozenset((view, digest) for view, digest in state.candidates.items() if view <= views),
        frozenset(
            certificate.statement for certificate in state.proofs.all() if certificate.view <= views
        ),
        frozenset(header.digest for header in state.tree.headers() if header.view <= views),
        replica._leader_lied,
    )


def clone(value: Any, memo: dict[int, Any]) -> Any:
    """A deep copy that shares what cannot change: plain values and frozen dataclasses."""
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, MethodType):
        return MethodType(value.__func__, clone(value.__self__, memo))
    if isinstance(value, tuple):
        return tuple(clone(held, memo) for held in value)
    if isinstance(value, PLAIN) or callable(value) or is_frozen(value):
        return value
    copied = memo[id(value)] = copy.copy(value)
    if isinstance(value, dict):
        copied.update((key, clone(held, memo)) for key, held in value.items())
    elif isinstance(value, list | deque):
        copied.clear()
        copied.extend(clone(held, memo) for held in value)
    elif not isinstance(value, set):
        for name in attributes(value):
            setattr(copied, name, clone(getattr(value, name), memo))
    return copied


def is_frozen(value: Any) -> bool:
    """Is this a dataclass that cannot change?"""
    parameters = getattr(value, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def attributes(value: Any) -> list[str]:
    """Names of what an object holds, slots included."""
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return [
        name for name in (*slots, *sorted(getattr(value, "__dict__", {}))) if hasattr(value, name)
    ]
