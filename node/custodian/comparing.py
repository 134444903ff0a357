"""The journal beside the ledger: is every release that stands there also an entry here?

Owns the comparison that finds out whoever cut both the journal and its head. The ledger keeps the
newest releases of each key; what it says is one enclave's answer, sealed to the custodian.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from strongroom.consensus.errors import NotCanonical
from strongroom.node.client.client import Client
from strongroom.node.custodian.journal import JournalEntry

PAGE = 100
ASKED = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRelease:
    """A release on the ledger without its entry."""

    key: str
    height: int
    digest: str
    lease: str


def keys_in(entries: Iterable[JournalEntry]) -> tuple[set[str], set[str]]:
    """(keys, digests of what was asked) of a journal."""
    keys, digests = set(), set()
    for entry in entries:
        if entry.what == ASKED:
            name = str(entry.facts["key"]).rpartition("@")[0]
            keys.add(f"id:{entry.facts['owner']}/{name}")
            digests.add(entry.digest.hex())
    return keys, digests


async def missing_releases(
    client: Client, keys: Iterable[str], digests: set[str]
) -> tuple[int, list[MissingRelease]]:
    """(releases that were looked at, those without an entry).

    Raises:
        ProgramFailed: a key is unknown, or has another custodian.
        NotCanonical: what is answered are no records.
    """
    looked, missing = 0, []
    for key in sorted(keys):
        after = 0
        while True:
            shown = await client.query("vault.records", key=key, after=after, limit=PAGE)
            try:
                records = [
                    (one["number"], one["what"], one["height"], one["detail"], one["lease"])
                    for one in shown.value["records"]
                ]
            except (KeyError, TypeError):
                raise NotCanonical("vault.records: not the form of records") from None
            for _, what, height, detail, lease in records:
                if what != "release":
                    continue
                looked += 1
                if detail not in digests:
                    missing.append(
                        MissingRelease(key=key, height=height, digest=detail, lease=lease.hex())
                    )
            if len(records) < PAGE:
                break
            after = records[-1][0]
    return looked, missing
