"""Random release policies and claims, and a second judge of them that shares no line with the
product's: by `json`, recursion and pattern matching."""

import json
import random
from collections.abc import Callable
from typing import Any

from strongroom.enclave.attestation.vocabulary import VOCABULARY, Claim

TEXTS = [
    "",
    "a",
    "eu-north",
    "eu-south",
    "A",
    "1",
    "true",
    "é",
    "日本",
    'a"b',
    "a\\b",
    "a/b",
    "ab" * 40,
]
NUMBERS = [-(2**63), -1, 0, 1, 2, 3, 255, 2**31, 2**63 - 1]
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "less": lambda a, b: a < b,
    "lessOrEquals": lambda a, b: not b < a,
    "greater": lambda a, b: b < a,
    "greaterOrEquals": lambda a, b: not a < b,
}
LITERAL_OPERATORS = ["equals", "notEquals", "in", "exists"]


def literal(dice: random.Random, kind: type) -> Claim:
    """A value of a claim's type; few different ones, so that conditions often hold."""
    if kind is bool:
        return dice.random() < 0.5
    return dice.choice(NUMBERS) if kind is int else dice.choice(TEXTS)


def condition(dice: random.Random, names: list[str]) -> dict[str, Any]:
    """A condition that the grammar takes."""
    name = dice.choice(names)
    kind = VOCABULARY[name]
    operator = dice.choice([*LITERAL_OPERATORS, *(ORDERS if kind is int else ())])
    if operator == "exists":
        return {"claim": name, "exists": True}
    if operator == "in":
        return {"claim": name, "in": [literal(dice, kind) for _ in range(dice.randint(1, 4))]}
    return {"claim": name, operator: literal(dice, kind)}


def conditions(dice: random.Random, names: list[str], depth: int) -> dict[str, Any]:
    """A list of conditions, at most so many lists deep."""
    members = [
        conditions(dice, names, depth - 1)
        if depth > 1 and dice.random() < 0.3
        else condition(dice, names)
        for _ in range(dice.randint(1, 3))
    ]
    return {dice.choice(["allOf", "anyOf"]): members}


def policy(dice: random.Random) -> dict[str, Any]:
    """A policy that the grammar takes (unless it has too many conditions) as `json` writes it."""
    names = dice.sample(sorted(VOCABULARY), 4)
    authorities = [
        {"authority": "strongroom", **conditions(dice, names, dice.randint(1, 8))}
        for _ in range(dice.randint(1, 2))
    ]
    return {"version": "1.0.0", "anyOf": authorities}


def claims(dice: random.Random, names: list[str]) -> dict[str, Any]:
    """Claims, now and then missing or of another type."""
    made: dict[str, Any] = {}
    for name in names:
        kind = VOCABULARY[name] if dice.random() < 0.93 else dice.choice([bool, int, str])
        if dice.random() < 0.85:
            made[name] = literal(dice, kind)
    if dice.random() < 0.1:
        made[dice.choice(["x-ms-ver", "", "REGION"])] = "eu-north"
    return made


def written(dice: random.Random, value: dict[str, Any]) -> str:
    """JSON of a value in one of the many ways to write it."""
    return json.dumps(
        value,
        ensure_ascii=dice.random() < 0.5,
        indent=dice.choice([None, None, 1]),
        sort_keys=dice.random() < 0.3,
    )


def named(value: Any) -> list[str]:
    """Every claim that a policy names."""
    if isinstance(value, dict):
        own = [value["claim"]] if isinstance(value.get("claim"), str) else []
        return own + [name for member in value.values() for name in named(member)]
    return [name for member in value for name in named(member)] if isinstance(value, list) else []


def spoilt(dice: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    """A policy with one place changed, most often to something that is none."""
    copy: dict[str, Any] = json.loads(json.dumps(value))
    places: list[Any] = []

    def collect(inner: Any) -> None:
        if isinstance(inner, dict | list):
            places.append(inner)
            for member in inner.values() if isinstance(inner, dict) else inner:
                collect(member)

    collect(copy)
    place = dice.choice(places)
    other: Any = dice.choice([True, False, 1, -1, "1", "a", [], {}, None, 1.5, [1], ["a"], 2**63])
    if isinstance(place, list):
        if dice.random() < 0.5:
            place.append(other)
        else:
            del place[dice.randint(0, 1) :]
        return copy
    key = dice.choice(list(place) or ["x"])
    match dice.randrange(4):
        case 0:
            place[key] = other
        case 1:
            place.pop(key, None)
        case 2:
            place[dice.choice(["equals", "claim", "allOf", "anyOf", "less", "x", "anyof"])] = other
        case _:
            place[dice.choice(["equals", "less", "in", "exists", "Equals"])] = place.pop(key, other)
    return copy


class NoPolicy(Exception):
    pass


def checked(value: Any) -> int:
    """How many conditions a policy has, by the grammar's rules said once more.

    Raises:
        NoPolicy: it is none.
    """
    match value:
        case {"version": "1.0.0", "anyOf": [_, *_] as authorities, **rest} if not rest:
            count = 0
            for authority in authorities:
                match authority:
                    case {"authority": "strongroom", **rest}:
                        count += _checked_group(rest, 1)
                    case _:
                        raise NoPolicy
            if count <= 128:
                return count
    raise NoPolicy


def _checked_group(value: Any, depth: int) -> int:
    match value:
        case {"allOf": [_, *_] as members, **rest} if not rest and depth <= 8:
            pass
        case {"anyOf": [_, *_] as members, **rest} if not rest and depth <= 8:
            pass
        case _:
            raise NoPolicy
    return sum(
        _checked_condition(member)
        if isinstance(member, dict) and "claim" in member
        else _checked_group(member, depth + 1)
        for member in members
    )


def _checked_condition(value: dict[str, Any]) -> int:
    name = value["claim"]
    kind = VOCABULARY.get(name) if isinstance(name, str) else None
    if kind is None or len(value) != 2:
        raise NoPolicy
    [(operator, literal)] = [item for item in value.items() if item[0] != "claim"]
    ways = {
        "equals": lambda: _fits(literal, kind),
        "notEquals": lambda: _fits(literal, kind),
        "exists": lambda: literal is True,
        "in": lambda: (
            isinstance(literal, list) and literal != [] and all(_fits(one, kind) for one in literal)
        ),
        **dict.fromkeys(ORDERS, lambda: kind is int and _fits(literal, kind)),
    }
    if operator not in ways or not ways[operator]():
        raise NoPolicy
    return 1


def _fits(literal: Any, kind: type) -> bool:
    same = isinstance(literal, kind) and isinstance(literal, bool) is (kind is bool)
    return same and (not isinstance(literal, int) or -(2**63) <= literal < 2**63)


def blamed(value: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any] | None:
    """None if claims are enough, else the first condition because of which they are not."""
    if "claim" in value:
        [(operator, literal)] = [item for item in value.items() if item[0] != "claim"]
        return None if _met(operator, literal, value["claim"], shown) else value
    if "allOf" in value:
        found = (blamed(member, shown) for member in value["allOf"])
        return next((one for one in found if one is not None), None)
    first: dict[str, Any] | None = None
    for member in value["anyOf"]:
        one = blamed(member, shown)
        if one is None:
            return None
        first = first or one
    return first


def _met(operator: str, literal: Any, name: str, shown: dict[str, Any]) -> bool:
    if name not in shown or type(shown[name]) is not VOCABULARY[name]:
        return False
    claim = shown[name]
    match operator:
        case "exists":
            return True
        case "equals":
            return bool(claim == literal)
        case "notEquals":
            return bool(claim != literal)
        case "in":
            return any(claim == one for one in literal)
    return ORDERS[operator](claim, literal)
