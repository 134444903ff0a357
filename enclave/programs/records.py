"""Records: collections of confidential entries, listed in order and by tag, each revealed by its
claim if one wishes.

An identity writes into collections of its own; it and the auditor role read them, and from where
both may, its owner says (VAULT §5). Nothing is changed or removed. Entries are numbered from 1.
Each makes a claim, so that a receipt and the blinding in the append's result show it to anyone. A
collection's head is a hash chain over the claims: whoever has its entries can tell that none is
missing.
"""

from collections.abc import Sequence
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.types import NO_DIGEST
from strongroom.enclave.programs.framework import Context, Program, ProgramError, digest_text
from strongroom.enclave.programs.regions import (
    PLACES_MAX,
    check_caller,
    person_region,
    regions_in,
)
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import LIST_MAX as LIST_MAX
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.text import is_name

records = Program("records")

HEADS = records.map("heads", key=(bytes, str), value=(int, bytes))
"""(owner, collection) → (number of entries, digest of the chain)."""
ENTRIES = records.map("entries", key=(bytes, str, int), value=(int, int, str, str))
"""(owner, collection, sequence) → (height, block time in ms, contents, tags each ended by a
newline)."""
TAGGED = records.map("tagged", key=(bytes, str, str, int), value=bool, scanned=True)
"""(owner, collection, tag, sequence), for listing by tag."""
PLACES = records.map("places", key=(bytes, str), value=str)
"""(owner, collection) → places from which it is written and read, a line each; not there: from
everywhere."""

NAME_MAX = 64
"""Characters of a collection's name and of a tag."""
CONTENTS_BYTES_MAX = 60 * 1024
"""Of an entry, in UTF-8; its claim and its envelope hold it whole."""
TAGS_MAX = 16
ENTRY_BYTES = 256
"""What an entry counts beside contents and tags."""
EMPTY = (0, bytes(NO_DIGEST))
"""Head of a collection without entries."""


@records.transaction
def append(
    context: Context,
    *,
    collection: str,
    contents: str,
    tags: list[str] = (),  # type: ignore[assignment]
) -> dict[str, Any]:
    """Add an entry to a collection of the caller's; the first one begins the collection."""
    _check_name("collection", collection)
    if len(contents.encode()) > CONTENTS_BYTES_MAX:
        raise ProgramError("too large", f"contents have at most {CONTENTS_BYTES_MAX} bytes")
    if len(tags) > TAGS_MAX or len(set(tags)) != len(tags):
        raise ProgramError("tags", f"at most {TAGS_MAX} tags, each once")
    for tag in tags:
        _check_name("tag", tag)
    owner = context.identity
    _check_place(context, owner, collection)
    charge(
        context,
        1 + len(tags),
        ENTRY_BYTES + len(contents.encode()) + sum(len(tag.encode()) for tag in tags),
    )
    count, chain = context.map(HEADS).get((owner, collection)) or EMPTY
    sequence = count + 1
    claim = claim_of(owner, collection, sequence, contents, tuple(tags))
    context.map(ENTRIES).put(
        (owner, collection, sequence),
        (context.height, context.time_ms, contents, "".join(tag + "\n" for tag in tags)),
    )
    for tag in tags:
        context.map(TAGGED).put((owner, collection, tag, sequence), True)
    context.map(HEADS).put((owner, collection), (sequence, bytes(next_head(chain, claim))))
    context.claim(claim)
    return {"sequence": sequence}


@records.transaction
def restrict(context: Context, *, collection: str, regions: list[str]) -> dict[str, Any]:
    """From which regions or countries a collection of the caller's is written and read from now on,
    whoever asks; none: from everywhere. Only from where it may be read now, and not so that its
    owner is out."""
    _check_name("collection", collection)
    if len(regions) > PLACES_MAX or len(set(regions)) != len(regions):
        raise ProgramError("regions", f"at most {PLACES_MAX} regions or countries, each once")
    for place in regions:
        _check_name("region", place)
    owner = context.identity
    _check_place(context, owner, collection)
    if not regions:
        context.map(PLACES).delete((owner, collection))
        return {"regions": []}
    if person_region(context, owner) not in _regions(context, regions):
        raise ProgramError("no-one-in-region", "you, its owner, would be out: people present")
    places = "\n".join(sorted(regions))
    charge(context, 1, ENTRY_BYTES + len(places.encode()))
    context.map(PLACES).put((owner, collection), places)
    return {"regions": sorted(regions)}


@records.query
def regions(context: Context, *, collection: Account) -> list[str]:
    """From which regions or countries a collection is written and read; none: from everywhere. Its
    owner or an auditor may ask, wherever he is."""
    places = context.map(PLACES).get(_allowed(context, collection))
    return [] if places is None else places.split("\n")


@records.query
def read(context: Context, *, collection: Account, sequence: int) -> dict[str, Any]:
    """One entry with its contents; its collection's owner or an auditor may ask."""
    owner, name = _readable(context, collection)
    return _described(context, owner, name, sequence) | {
        "contents": _entry(context, owner, name, sequence)[2]
    }


@records.query
def list_(
    context: Context,
    *,
    collection: Account,
    after: int = 0,
    limit: int = 100,
    tag: str | None = None,
) -> list[dict[str, Any]]:
    """Entries in order, without contents, those after sequence `after`; only those with a tag, if
    one is given."""
    if not 1 <= limit <= LIST_MAX or after < 0:
        raise ProgramError("limit", f"limit is 1 to {LIST_MAX}, after is 0 or more")
    owner, name = _readable(context, collection)
    if tag is None:
        count, _ = context.map(HEADS).get((owner, name)) or EMPTY
        return [
            _described(context, owner, name, at)
            for at in range(after + 1, min(after + limit, count) + 1)
        ]
    found = context.map(TAGGED).scan(
        prefix=(owner, name, tag), after=(owner, name, tag, after), limit=limit
    )
    return [_described(context, owner, name, sequence) for (_, _, _, sequence), _ in found]


@records.query
def head(context: Context, *, collection: Account) -> dict[str, Any]:
    """How many entries a collection has, and the digest that stands for them all (hex)."""
    count, chain = context.map(HEADS).get(_readable(context, collection)) or EMPTY
    return {"sequence": count, "digest": chain.hex()}


def claim_of(
    owner: bytes, collection: str, sequence: int, contents: str, tags: tuple[str, ...]
) -> bytes:
    """What a receipt can reveal of an entry: canonical bytes that whoever has read it can make
    himself."""
    return codec.encode((owner, collection, sequence, contents, tags))


def next_head(chain: bytes, claim: bytes) -> bytes:
    """The head after one more entry: SHA-256 over label ‖ 0 ‖ head before[32] ‖ claim; 32 zero
    bytes at first."""
    return labels.labelled_digest(labels.RECORDS_HEAD, chain + claim)


def _check_name(what: str, name: str) -> None:
    if not 1 <= len(name) <= NAME_MAX or not is_name(name) or "/" in name:
        raise ProgramError(
            what, f"a {what} has 1 to {NAME_MAX} ASCII characters but /, or composed letters"
        )


def _readable(context: Context, collection: Account) -> tuple[bytes, str]:
    """(Owner, name) of a collection that the caller may read, from where he is."""
    owner, name = _allowed(context, collection)
    _check_place(context, owner, name)
    return owner, name


def _check_place(context: Context, owner: bytes, collection: str) -> None:
    places = context.map(PLACES).get((owner, collection))
    if places is not None:
        check_caller(context, _regions(context, places.split("\n")))


def _regions(context: Context, places: Sequence[str]) -> frozenset[str]:
    context.spend(len(context.countries) // 16)
    return regions_in(places, context.countries)


def _allowed(context: Context, collection: Account) -> tuple[bytes, str]:
    """(Owner, name) of a collection that the caller may read, wherever he is."""
    owner, name = collection[0] or context.identity, collection[1]
    if owner != context.identity and not context.has_role("auditor"):
        raise ProgramError("not the owner", "only its owner or an auditor may read a collection")
    return owner, name


def _entry(
    context: Context, owner: bytes, collection: str, sequence: int
) -> tuple[int, int, str, str]:
    found: tuple[int, int, str, str] | None = context.map(ENTRIES).get(
        (owner, collection, sequence)
    )
    if found is None:
        raise ProgramError("no such entry", f"the collection has no entry {sequence}")
    return found


def _described(context: Context, owner: bytes, collection: str, sequence: int) -> dict[str, Any]:
    height, time_ms, contents, tags = _entry(context, owner, collection, sequence)
    return {
        "sequence": sequence,
        "height": height,
        "time_ms": time_ms,
        "owner": digest_text(owner),
        "tags": tags.split("\n")[:-1],
        "bytes": len(contents.encode()),
    }
