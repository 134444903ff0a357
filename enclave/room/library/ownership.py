"""The ownership filter: an owner gets a row of a result only if what it names is the owner's own.

Trusted code, applied after a program and outside of it: whatever a program wrote into its rows, an
owner gets no row about another's account. Owns that rule alone; who is whose recipient stands in
the contract.

What an owner owns, it says with its own data, so an owner could say too much. Two walls stand
against it: the contract may bind an owner to codes (a bank to its bank number), and what two owners
claim goes to neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strongroom.enclave.room.library.shapes import ProgramRefused, Table, Values

Key = tuple[str, ...]
OWNED_COLUMNS_MAX = 4
"""Columns that together name one thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one owner's table says is the owner's own."""

    alias: str
    columns: tuple[str, ...]
    """Columns that name it, in the order of `Ownership.columns`."""
    codes: frozenset[str] = frozenset()
    """Allowed values of the first column; none: the contract binds this owner to no code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """The rule of one output table."""

    columns: tuple[str, ...]
    """Columns of the output that name what a row is about."""
    claims: Mapping[str, tuple[Claim, ...]]
    """By owner, all owners of the contract."""


def divide(rule: Ownership, output: Table, tables: Mapping[str, Table]) -> dict[str, Table]:
    """What of an output each owner may get: its rows in their order, by owner.

    Raises:
        ProgramRefused: the rule does not fit the output or the tables. Nobody gets anything then.
    """
    if not 0 < len(rule.columns) <= OWNED_COLUMNS_MAX or not rule.claims:
        raise ProgramRefused("ownership", "name 1 to 4 columns of the output, and every owner")
    owners = _owners(rule, tables)
    places: dict[str, list[int]] = {owner: [] for owner in rule.claims}
    for place, key in enumerate(_keys(output, rule.columns, "the output")):
        owner = owners.get(key) if key is not None else None
        if owner is not None:
            places[owner].append(place)
    return {owner: _rows(output, chosen) for owner, chosen in places.items()}


def _owners(rule: Ownership, tables: Mapping[str, Table]) -> dict[Key, str | None]:
    """Whose each key is; None: more than one owner claims it."""
    owners: dict[Key, str | None] = {}
    for owner, claims in rule.claims.items():
        for claim in claims:
            if claim.alias not in tables or len(claim.columns) != len(rule.columns):
                raise ProgramRefused(
                    "ownership", f"a claim of {owner} fits neither its table nor the output"
                )
            for key in _keys(tables[claim.alias], claim.columns, f"table {claim.alias}"):
                if key is None or (claim.codes and key[0] not in claim.codes):
                    continue
                if owners.setdefault(key, owner) != owner:
                    owners[key] = None
    return owners


def _keys(table: Table, columns: Sequence[str], where: str) -> Iterator[Key | None]:
    """What each row names; None: a value is missing, so that it names nothing."""
    for name in columns:
        if name not in table.columns:
            raise ProgramRefused("ownership", f"{where} lacks the column {name}")
    for values in zip(*(_listed(table.columns[name]) for name in columns), strict=True):
        yield None if any(value is None for value in values) else tuple(map(str, values))


def _listed(values: Values) -> Sequence[object]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _rows(table: Table, places: list[int]) -> Table:
    chosen = np.array(places, dtype=np.int64)
    return Table.of(
        {
            name: values[chosen]
            if isinstance(values, np.ndarray)
            else [values[place] for place in places]
            for name, values in table.columns.items()
        }
    )
