"""What a client knows of programs and names: `payments.transfer` and its arguments, from Python or from text."""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.programs import PROGRAMS, parse_arguments, split_name
from strongroom.enclave.programs.framework import Operation
from strongroom.node.client.identities import KeyFolder

NAMES_MAX = 65_536


class Names:
    """Programs of this service and identities of one key folder."""

    def __init__(self, keys: KeyFolder) -> None:
        self._keys = keys
        self._resolved: dict[str, bytes | str] = {}
        """By name: the identity's id, or why there is none."""
        self._transactions: dict[str, Operation] = {}
        self._queries: dict[str, Operation] = {}

    def transaction(self, name: str) -> Operation:
        """The transaction of a name like `payments.transfer`.

        Raises:
            ClientFault: there is none.
        """
        return self._transactions.get(name) or self._find(name, self._transactions, "transaction", "query")

    def query(self, name: str) -> Operation:
        """The query of a name like `payments.balance`.

        Raises:
            ClientFault: there is none.
        """
        return self._queries.get(name) or self._find(name, self._queries, "query", "call")

    def parse(self, name: str, texts: Mapping[str, str]) -> tuple[Any, ...]:
        """Arguments from key=value texts of the command line.

        Raises:
            ClientFault: one is unknown, missing or does not parse.
        """
        return parse_arguments(*split_name(name), texts, self.resolve)

    def resolve(self, text: str) -> bytes:
        """Who is meant by a name: an identity id, 32 bytes. Files are read once per name.

        Raises:
            ClientFault: nobody.
        """
        known = self._resolved.get(text)
        if known is None:
            known = self._resolve(text)
            if len(self._resolved) < NAMES_MAX:
                self._resolved[text] = known
        if isinstance(known, str):
            raise ClientFault(known)
        return known

    def _resolve(self, text: str) -> bytes | str:
        try:
            return self._keys.resolve(text)
        except ClientFault as fault:
            return str(fault)

    def _find(self, name: str, into: dict[str, Operation], wanted: str, other: str) -> Operation:
        program, operation = split_name(name)
        found = PROGRAMS[program].operation(operation) if program in PROGRAMS else None
        if found is None:
            raise ClientFault(f"no program {program!r}; this service runs {', '.join(sorted(PROGRAMS))}")
        of_kind = PROGRAMS[program].transactions if wanted == "transaction" else PROGRAMS[program].queries
        if operation not in of_kind:
            raise ClientFault(f"{name} is no {wanted}: use {other}")
        into[name] = found
        return found
