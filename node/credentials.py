"""Bearer credentials of organisations: what a client shows at a front door, and what a node keeps
of it.

Owns their form. A credential is 32 random bytes, written `sro1-` and 43 characters of base64url; a
node keeps its SHA-256 alone, which needs no salt and no slow hash because nothing can be tried
against 256 random bits. It stands for an organisation, never for an identity: identities speak only
inside the seal.
"""

import binascii
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import NoReturn

from strongroom.consensus.errors import OperatorFault
from strongroom.node.machine.durable_files import write_atomic

PREFIX = "sro1-"
SIZE = 32
_TEXT_SIZE = len(PREFIX) + 43
_FILE_BYTES_MAX = 256
_SCHEME = "bearer"


class Credential:
    """One credential; it is shown by `header` alone, and has no repr, no equality and no pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Check its form.

        Raises:
            ValueError: it is none; the message does not repeat it.
        """
        try:
            secret = urlsafe_b64decode(text.removeprefix(PREFIX) + "=") if text.isascii() else b""
        except (binascii.Error, ValueError):
            secret = b""
        if len(text) != _TEXT_SIZE or not text.startswith(PREFIX) or len(secret) != SIZE:
            raise ValueError(f"expected {PREFIX} and 43 characters of base64url")
        self._text = text

    @classmethod
    def fresh(cls) -> "Credential":
        """A new one."""
        return cls(PREFIX + urlsafe_b64encode(os.urandom(SIZE)).decode().rstrip("="))

    @classmethod
    def load(cls, path: Path) -> "Credential":
        """Read a credential's file.

        Raises:
            FileNotFoundError: there is none.
            OperatorFault: it cannot be read, or holds something else.
        """
        try:
            with path.open("rb") as file:
                data = file.read(_FILE_BYTES_MAX)
            return cls(data.decode("ascii").strip())
        except FileNotFoundError:
            raise
        except OSError as error:
            raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
        except ValueError:
            raise OperatorFault(
                f"{path} holds no credential: copy it again from the operator"
            ) from None

    def save(self, path: Path) -> None:
        """Write a file of mode 0600."""
        write_atomic(path, self._text.encode() + b"\n")

    @property
    def digest(self) -> bytes:
        """SHA-256 of its text: what a node's configuration holds."""
        return sha256(self._text.encode()).digest()

    @property
    def header(self) -> dict[str, str]:
        """The HTTP header that shows it."""
        return {"Authorization": f"Bearer {self._text}"}

    def __repr__(self) -> str:
        return "Credential(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a credential is not pickled")


def load_optional(path: Path) -> Credential | None:
    """A credential's file, if there is one.

    Raises:
        OperatorFault: there is one, and it cannot be read or holds something else.
    """
    try:
        return Credential.load(path)
    except FileNotFoundError:
        return None


def header_of(credential: Credential | None) -> dict[str, str]:
    """HTTP headers with or without one."""
    return {} if credential is None else credential.header


def shown_digest(authorization: str | None) -> bytes | None:
    """SHA-256 of what an Authorization header shows as a bearer; None when it shows nothing of the
    kind."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != _SCHEME:
        return None
    return sha256(token.strip().encode(errors="surrogateescape")).digest()


def same(left: bytes, right: bytes) -> bool:
    """Are two digests equal? Takes as long for any two of one size."""
    return compare_digest(left, right)
