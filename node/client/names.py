"""What a client knows of programs and names: `payments.transfer` and its arguments, from Python or
from text.

Owns the check that arguments can be sent at all: whatever cannot be encoded is refused here, in its
caller's own task, before anything that several callers share meets it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault
from strongroom.enclave.programs import PROGRAMS, split_name
from strongroom.enclave.programs.framework import Operation
from strongroom.enclave.programs.schema import ArgumentFault
from strongroom.node.client.identities import KeyFolder
from strongroom.node.near_names import did_you_mean

NAMES_MAX = 65_536
"""Names that are remembered."""


class Bound(NamedTuple):
    """An operation with its arguments in the order of its schema."""

    program: str
    operation: str
    arguments: tuple[Any, ...]


class Names:
    """Programs of this service and identities of one key folder."""

    def __init__(self, keys: KeyFolder) -> None:
        self._keys = keys
        self._resolved: dict[str, bytes | str] = {}
        """By name: the identity's id, or why there is none."""
        self._transactions: dict[str, Operation] = {}
        self._queries: dict[str, Operation] = {}

    def transaction(self, name: str, arguments: Mapping[str, Any], *, texts: bool = False) -> Bound:
        """A transaction like `payments.transfer`, its arguments bound.

        Args:
            name: PROGRAM.TRANSACTION.
            arguments: Python values; identities and accounts as text too.
            texts: the arguments are texts of a command line.

        Raises:
            ClientFault: there is no such transaction, or an argument is unknown, missing, of
                another kind, or one that cannot be encoded.
        """
        operation = self._transactions.get(name) or self._find(
            name, self._transactions, "transaction", "query"
        )
        return self._bind(operation, arguments, texts)

    def query(self, name: str, arguments: Mapping[str, Any], *, texts: bool = False) -> Bound:
        """A query like `payments.balance`, its arguments bound; as `transaction`."""
        operation = self._queries.get(name) or self._find(name, self._queries, "query", "call")
        return self._bind(operation, arguments, texts)

    def resolve(self, text: str) -> bytes:
        """Who is meant by a name: an identity id, 32 bytes. Files are read once per name.

        Raises:
            ClientFault: nobody.
        """
        known = self._resolved.get(text)
        if known is None:
            known = self._look_up(text)
            if len(self._resolved) < NAMES_MAX:
                self._resolved[text] = known
        if isinstance(known, str):
            raise ClientFault(known)
        return known

    def _bind(self, operation: Operation, arguments: Mapping[str, Any], texts: bool) -> Bound:
        read = operation.from_text if texts else operation.from_python
        bound = Bound(operation.program, operation.name, read(arguments, self.resolve))
        _check_encodable(operation, bound.arguments)
        return bound

    def _look_up(self, text: str) -> bytes | str:
        try:
            return self._keys.resolve(text)
        except ClientFault as fault:
            return str(fault)

    def _find(self, name: str, into: dict[str, Operation], wanted: str, other: str) -> Operation:
        program, operation = split_name(name)
        if program not in PROGRAMS:
            near = did_you_mean(program, PROGRAMS)
            raise ClientFault(
                f"no program {program!r}; this service runs {', '.join(sorted(PROGRAMS))}"
                + (f": {near}" if near else "")
            )
        chosen = PROGRAMS[program]
        try:
            found = chosen.operation(operation)
        except ArgumentFault as fault:
            near = did_you_mean(operation, [*chosen.transactions, *chosen.queries])
            raise ArgumentFault(f"{fault}{': ' if near else ''}{near}") from None
        of_kind = chosen.transactions if wanted == "transaction" else chosen.queries
        if operation not in of_kind:
            raise ClientFault(f"{name} is no {wanted}: use {other}")
        into[name] = found
        return found


def _check_encodable(operation: Operation, arguments: tuple[Any, ...]) -> None:
    """Encode arguments once, before they are anybody else's concern.

    Raises:
        ClientFault: the wire has no form for one of them; the message names it.
    """
    try:
        codec.encode(arguments)
    except (OverflowError, TypeError, ValueError, RecursionError):
        for name, value in operation.bind(arguments).items():
            if (reason := _why_not_encodable(value)) is not None:
                raise ClientFault(f"{name}: {reason}") from None
        raise ClientFault(
            "these arguments cannot be encoded together: send less at a time"
        ) from None


def _why_not_encodable(value: Any) -> str | None:
    try:
        codec.encode(value)
    except OverflowError:
        return "integers go from -2^63 to 2^64 - 1"
    except UnicodeEncodeError:
        return (
            "not Unicode text: a lone surrogate stands in it, or "
            "the terminal gave bytes that are no UTF-8"
        )
    except (TypeError, ValueError, RecursionError) as error:
        return f"cannot be encoded: {error}"
    return None
