"""What a data set was made of, through all assets between (ROOMS §2, §6; T60, T66).

Owns two rules for what is computed from assets: the terms of everything beneath hold as they are
now, and what is withdrawn beneath is withdrawn above, in the same transaction, however many results
a withdrawal has still to end.
"""

from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms, strictest
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.results import pinned_of
from strongroom.enclave.programs.rooms.tables import DATA_TERMS, data_numbered

LINEAGE_MAX = 256
"""Data sets and assets that one asset was made of, itself among them."""


def made_of(context: Context, number: int) -> list[int]:
    """Numbers of all data sets that one was made of, itself first, each once.

    Raises:
        ProgramError: ``lineage``: it was made of more than is looked at.
    """
    found = [number]
    for one in found:
        if len(found) > LINEAGE_MAX:
            raise ProgramError("lineage", f"made of more than {LINEAGE_MAX} data sets and assets")
        lineage = data_numbered(context, one).lineage
        beneath = pinned_of(context, lineage) if lineage else ()
        found += [other for _, other, _ in beneath if other not in found]
    return found


def data_terms(context: Context, number: int) -> DataTerms:
    """Terms of one data set, as they stand in the state; of an asset those that it began with."""
    data = context.map(DATA_TERMS).get(number)
    if data is None:
        raise KeyError(number)
    return DataTerms.decode(data)


def terms_now(context: Context, number: int) -> DataTerms:
    """Terms under which a data set is read now: of an asset, the strictest of all beneath it."""
    numbers = made_of(context, number)
    if len(numbers) == 1:
        return data_terms(context, number)
    return strictest([data_terms(context, one) for one in numbers])


def demand_standing(context: Context, alias: str, number: int, *, kept: bool = False) -> None:
    """Check that neither a data set nor anything beneath it is withdrawn. What its own terms keep
    from going with it counts as standing beneath an asset; with `kept` for the data set itself.

    Raises:
        ProgramError: ``withdrawn``.
    """
    for one in made_of(context, number):
        stands = data_numbered(context, one).state == "active"
        if not stands and not ((kept or one != number) and data_terms(context, one).keep):
            raise ProgramError("withdrawn", f"{alias}: its owner has withdrawn it")
