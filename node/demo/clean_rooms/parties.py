"""Parties of a scenario, each with a desk of their own: a folder, one identity, one way to the
service.

Owns what a party does by itself: bring files, open results, withdraw. Everything goes through the
functions behind `strongroom data` and `strongroom rooms`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.node.clean_rooms.bringing import Brought, Wish, extend, put
from strongroom.node.clean_rooms.opening import Opening, opened
from strongroom.node.clean_rooms.result_files import written
from strongroom.node.clean_rooms.rows import RowsFile
from strongroom.node.clean_rooms.sealed_rows import Rows
from strongroom.node.client.client import Client
from strongroom.node.demo.clean_rooms.lines import Lines
from strongroom.node.layout import ClusterLayout
from strongroom.node.rooms.data_terms import read_terms_file, workers_policy
from strongroom.node.vault.key_files import DataKeyFolder

Resolve = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Result:
    """What a recipient read."""

    opening: Opening
    rows: list[dict[str, Any]]
    """Of a table; of anything else nothing."""
    file: Path

    @property
    def data(self) -> bytes:
        """As the job made it."""
        return self.opening.data


@dataclass(slots=True)
class Party:
    """Somebody who takes part."""

    name: str
    id: bytes
    desk: Path
    """Everything that is theirs, and nothing that is anybody else's."""
    client: Client
    resolve: Resolve
    lines: Lines
    _opened: int = field(default=0)

    @property
    def folder(self) -> ClusterLayout:
        """What a client of the service has, with this party's key alone."""
        return ClusterLayout(self.desk / "client")

    @property
    def resolved(self) -> str:
        """As texts name this party."""
        return f"id:{self.id.hex()}"

    async def call(self, operation: str, /, **arguments: Any) -> Any:
        """One transaction: its result.

        Raises:
            ProgramFailed: it is refused.
        """
        return (await self.client.call(operation, **arguments)).result

    async def ask(self, query: str, /, **arguments: Any) -> Any:
        """One sealed query: its answer.

        Raises:
            ProgramFailed: it is refused.
        """
        return (await self.client.query(query, **arguments)).value

    async def bring(self, file: Path, terms: str, name: str) -> Brought:
        """`strongroom data put FILE --name NAME --terms …`: a version of a data set.

        Raises:
            ClientFault: the file does not hold what the terms say.
            ProgramFailed: the ledger refuses.
        """
        path = self.desk / f"{name}.terms.toml"
        path.write_text(terms)
        read, columns = read_terms_file(path, self.resolve)
        return await put(self.client, self._keys, _wish(file, columns, name, read.encode()))

    async def extend(self, file: Path, name: str) -> Brought:
        """`strongroom data extend FILE --name NAME`: further rows under the same key. Errors as of
        `bring`."""
        told = await self.ask("rooms.data_set", data=(b"", name))
        columns = DataPolicy.decode(DataTerms.decode(told["terms"]).columns)
        return await extend(self.client, self._keys, _wish(file, columns, name, b""))

    async def withdraw(self, name: str) -> None:
        """`strongroom data withdraw NAME`."""
        while (await self.call("rooms.withdraw_data", data=(b"", name)))["left"]:
            pass

    async def open(self, job: bytes, output: str) -> Result:
        """`strongroom rooms open JOB OUTPUT`: the rows, which lie on the desk then too.

        Raises:
            ProgramFailed: it is refused.
        """
        opening = await opened(self.client, job, output)
        kind = opening.done.result["kind"]
        self._opened += 1
        file = self.desk / f"{output}-{self._opened}.{'csv' if kind == 'table' else kind}"
        file.write_bytes(written(opening.data, kind, "csv"))
        rows = json.loads(written(opening.data, kind, "json")) if kind == "table" else []
        return Result(opening, rows, file)

    async def prove(self, result: Result, title: str) -> None:
        """Verify the receipt of an opening offline, from its file and the pin alone, and keep what
        it says.

        Raises:
            ReceiptInvalid: it does not hold.
        """
        from strongroom.node.clean_rooms.openings import OpeningReceipt

        path = result.file.with_suffix(".receipt.json")
        path.write_text((await result.opening.receipt()).dumps())
        verified, claim = OpeningReceipt.read(path).verify(str(self.client.service.pin))
        told = claim.to_json()
        versions = [
            f"{one['data']} {one['version']} of {one['owner'][:15]}…" for one in told["data"]
        ]
        self.lines.check(
            claim.root == result.opening.done.result["root"] and len(claim.operators) > 0,
            f"the receipt of {title} verifies offline with the pin, its claim revealed: "
            f"{told['assurance']} by {', '.join(claim.operators)}",
        )
        self.lines.proof(
            title,
            [
                ("transaction", verified.id.hex()),
                ("height", f"{verified.height}, anchored at {verified.anchor_height}"),
                ("result", told["result"]),
                ("contract", told["contract"]),
                ("versions", ", ".join(versions)),
                ("operators", f"{', '.join(claim.operators)}: {told['assurance']}"),
                ("opened by", f"{self.name}, {told['recipient']}"),
            ],
        )

    def secrets(self, name: str = "*") -> list[str]:
        """Data keys of a data set, or all on this desk, in hex."""
        files = sorted(self.folder.vault(self.name).glob(f"{name}@*.json"))
        documents = [json.loads(one.read_text()) for one in files if ".rows" not in one.name]
        return [one["secret"] for one in documents if "secret" in one]

    @property
    def _keys(self) -> DataKeyFolder:
        return DataKeyFolder(self.folder.vault(self.name), self.client.service.chain)


def write_rows(file: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """A CSV file of an owner's."""
    import csv

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return file


def _wish(file: Path, columns: DataPolicy, name: str, terms: bytes) -> Wish:
    opened_file = RowsFile(file, columns)
    return Wish(
        name=name,
        key=name,
        rows=Rows.of(opened_file.stream()),
        stream=opened_file.stream,
        terms=terms,
        policy=_policy,
        ask=_no_passphrase,
    )


@cache
def _policy() -> str:
    """Measured once: it takes a fifth of a second."""
    return workers_policy()


def _no_passphrase(what: str) -> str:
    raise ClientFault(f"{what} has no passphrase here")
