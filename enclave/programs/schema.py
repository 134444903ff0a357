"""What operations take: kinds of arguments, read from type hints, checked in the enclave and parsed
for the client.

Owns the three forms of an argument: on the wire (canonical values), as a Python value of a caller,
as text of the command line. One kind per type hint; an argument of another type is a clear error
before any program code runs.
"""

import json
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NewType

from strongroom.consensus.errors import ClientFault

Identity = NewType("Identity", bytes)
"""SHA-256 of a user's Ed25519 public key, 32 bytes. Written NAME or id:HEX."""
Account = NewType("Account", tuple[bytes, str])
"""(owner's identity, label); an empty owner means the caller, an empty label the default account.
Written "" (own default), id:HEX[/label], NAME[/label], or else a label of the caller's own, /label
at need."""

OWN = Account((b"", ""))
"""The caller's default account."""
LIST_MAX = 1_000
_IDENTITIES_KEPT_MAX = 1024
Resolve = Callable[[str], bytes]
"""NAME → identity of 32 bytes; raises ClientFault for a name that it does not know."""


class ArgumentFault(ClientFault):
    """An argument is not what the operation takes; the text says what would be."""


class Kind:
    """One kind of argument: a plain type, whose wire form, Python form and value are the same."""

    def __init__(self, wire: type, name: str) -> None:
        self.wire, self.name = wire, name

    convert: Callable[[Any], Any] | None = None
    """From a wire value of type `wire` to what the program sees, refusing the rest; None when the
    type says it all."""

    def check(self, value: object) -> Any:
        """From any wire value to what the program sees.

        Raises:
            ArgumentFault: it is none of this kind.
        """
        if type(value) is not self.wire:
            raise self.fault(value)
        return value if self.convert is None else self.convert(value)

    def from_python(self, value: object, resolve: Resolve) -> Any:
        """From a caller's Python value to the wire.

        Raises:
            ArgumentFault: it is none of this kind.
        """
        if type(value) is not self.wire:
            raise self.fault(value)
        return value

    def from_text(self, text: str, resolve: Resolve) -> Any:
        """From the command line to the wire.

        Raises:
            ArgumentFault: it does not say one of this kind.
        """
        return text

    def fault(self, value: object) -> ArgumentFault:
        """Says what was expected; shows the caller's own value's type, never the value."""
        return ArgumentFault(f"expected {self.name}, got {type(value).__name__}")


class _Int(Kind):
    def from_text(self, text: str, resolve: Resolve) -> int:
        digits = text.removeprefix("-")
        if not digits.isascii() or not digits.isdigit():
            raise ArgumentFault(f"expected {self.name}, got {text!r}")
        if len(digits) > 20:
            raise ArgumentFault(f"{len(digits)} digits: integers go from -2^63 to 2^64 - 1")
        return int(text)


class _Bool(Kind):
    def from_text(self, text: str, resolve: Resolve) -> bool:
        if text not in ("true", "false"):
            raise ArgumentFault(f"expected true or false, got {text!r}")
        return text == "true"


class _Bytes(Kind):
    def from_python(self, value: object, resolve: Resolve) -> bytes:
        return value if isinstance(value, bytes) else super().from_python(_hex(value), resolve)

    def from_text(self, text: str, resolve: Resolve) -> bytes:
        return _hex(text)


class _Identity(Kind):
    def convert(self, value: bytes) -> bytes:
        if len(value) != 32:
            raise ArgumentFault(f"expected {self.name}, got {len(value)} bytes")
        return value

    def from_python(self, value: object, resolve: Resolve) -> bytes:
        if isinstance(value, str):
            return self.from_text(value, resolve)
        checked: bytes = self.check(value)
        return checked

    def from_text(self, text: str, resolve: Resolve) -> bytes:
        return _identity_hex(text[3:]) if text.startswith("id:") else resolve(text)


class _Account(Kind):
    def convert(self, value: tuple[Any, ...]) -> tuple[bytes, str]:
        if (
            len(value) != 2
            or type(value[0]) is not bytes
            or type(value[1]) is not str
            or len(value[0]) not in (0, 32)
        ):
            raise ArgumentFault(f"expected {self.name}: (identity, label)")
        return value

    def from_python(self, value: object, resolve: Resolve) -> tuple[bytes, str]:
        if isinstance(value, str):
            return self.from_text(value, resolve)
        if isinstance(value, bytes):
            value = (value, "")
        checked: tuple[bytes, str] = self.check(value)
        return checked

    def from_text(self, text: str, resolve: Resolve) -> tuple[bytes, str]:
        owner, _, label = text.partition("/")
        if owner.startswith("id:"):
            return _identity_hex(owner[3:]), label
        if not owner:
            return b"", label
        try:
            return resolve(owner), label
        except ClientFault:
            return b"", text


class _Optional(Kind):
    def __init__(self, inner: Kind) -> None:
        super().__init__(type(None), f"{inner.name} or nothing")
        self.inner = inner

    def check(self, value: object) -> Any:
        return None if value is None else self.inner.check(value)

    def from_python(self, value: object, resolve: Resolve) -> Any:
        return None if value is None else self.inner.from_python(value, resolve)

    def from_text(self, text: str, resolve: Resolve) -> Any:
        return self.inner.from_text(text, resolve)


class _List(Kind):
    def __init__(self, item: Kind) -> None:
        super().__init__(tuple, f"a list of {item.name}")
        self.item = item

    def convert(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(value) > LIST_MAX:
            raise ArgumentFault(f"at most {LIST_MAX} items, got {len(value)}")
        return tuple(map(self.item.check, value))

    def from_python(self, value: object, resolve: Resolve) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise self.fault(value)
        if len(value) > LIST_MAX:
            raise ArgumentFault(f"at most {LIST_MAX} items, got {len(value)}")
        return tuple(self.item.from_python(item, resolve) for item in value)

    def from_text(self, text: str, resolve: Resolve) -> tuple[Any, ...]:
        try:
            value = json.loads(text)
        except RecursionError:
            raise ArgumentFault(f"expected {self.name} as JSON, got too many brackets") from None
        except json.JSONDecodeError as error:
            raise ArgumentFault(
                f"expected {self.name} as JSON in one pair of quotes, and it is none: "
                f"{error.msg} at character {error.pos + 1}"
            ) from None
        except ValueError as error:
            raise ArgumentFault(f"expected {self.name} as JSON: {error}") from None
        return self.from_python(value, resolve)


class _Row(Kind):
    """A NamedTuple: in lists, written as a list of its fields; trailing fields that have defaults
    may be left out."""

    def __init__(self, row: Any) -> None:
        self.row = row
        self.kinds = [kind_of(hint) for hint in typing.get_type_hints(row).values()]
        super().__init__(tuple, f"[{', '.join(row._fields)}]")

    def convert(self, value: tuple[Any, ...]) -> Any:
        if len(value) != len(self.kinds):
            raise ArgumentFault(f"expected {self.name}")
        return self.row._make(
            kind.check(item) for kind, item in zip(self.kinds, value, strict=True)
        )

    def from_python(self, value: object, resolve: Resolve) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise self.fault(value)
        defaults = self.row._field_defaults
        missing = self.row._fields[len(value) :]
        if len(value) > len(self.kinds) or any(name not in defaults for name in missing):
            raise ArgumentFault(f"expected {self.name}, got {len(value)} fields")
        given = (
            kind.from_python(item, resolve) for kind, item in zip(self.kinds, value, strict=False)
        )
        return (*given, *(defaults[name] for name in missing))


_PLAIN: dict[object, Kind] = {
    int: _Int(int, "an integer"),
    str: Kind(str, "a string"),
    bytes: _Bytes(bytes, "bytes as hex"),
    bool: _Bool(bool, "true or false"),
    Identity: _Identity(bytes, "an identity (NAME or id:HEX)"),
    Account: _Account(tuple, "an account (NAME, id:HEX or id:HEX/label)"),
}


def kind_of(hint: Any) -> Kind:
    """The kind that a type hint stands for.

    Raises:
        TypeError: programs take no such type.
    """
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return _List(kind_of(inner[0]))
    if origin in (types.UnionType, typing.Union) and len(inner) == 2 and inner[1] is type(None):
        return _Optional(kind_of(inner[0]))
    if isinstance(hint, type) and hasattr(hint, "_field_defaults"):
        return _Row(hint)
    raise TypeError(f"no operation takes a {hint}")


def _hex(text: object) -> bytes:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else _not_hex(text)
    except ValueError:
        return _not_hex(text)


def _not_hex(value: object) -> bytes:
    raise ArgumentFault(f"expected bytes as hex, got {value!r}")


@lru_cache(maxsize=_IDENTITIES_KEPT_MAX)  # a sender names few, often; execution never comes here
def _identity_hex(text: str) -> bytes:
    identity = _hex(text)
    if len(identity) != 32:
        raise ArgumentFault("expected id: and 64 hex digits (SHA-256 of a public key)")
    return identity
