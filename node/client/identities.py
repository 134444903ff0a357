"""Identities in files: `keys/NAME.json`, mode 0600, the seed in the clear or sealed with a
passphrase.

Owns the file's form and who is meant by a NAME or `id:HEX`. The plain file is as good as its disk;
how the other is sealed stands in passphrases.py.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from strongroom.consensus import labels
from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import Digest, PublicKey
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.primitives import SECRET_SIZE, DoesNotOpen, Secret
from strongroom.node.client.passphrases import (
    PASSPHRASE_VARIABLE as PASSPHRASE_VARIABLE,
)
from strongroom.node.client.passphrases import (
    Ask as Ask,
)
from strongroom.node.client.passphrases import (
    check_sealed_form,
    open_secret,
    passphrase_of,
    seal_secret,
)
from strongroom.node.machine.durable_files import write_new
from strongroom.node.near_names import did_you_mean

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(\.operator)?")
"""The key of who runs a node has its own ending (node/membership/node_keys.py), beyond the 64."""
ID_PREFIX = "id:"
_ID = re.compile(r"id:[0-9a-f]{64}")
_FILE_BYTES_MAX = 4096


class NoSuchIdentity(ClientFault):
    """No key file of that name."""


@dataclass(frozen=True, slots=True)
class IdentityFile:
    """What anyone may know of one key file."""

    name: str
    public: PublicKey
    sealed: bool
    """Does it take a passphrase?"""

    @property
    def id(self) -> Digest:
        """SHA-256 of the public key: how programs know the identity."""
        return Digest(sha256(self.public).digest())


class KeyFolder:
    """A cluster's `keys/`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def new(self, name: str, *, passphrase: str = "") -> IdentityFile:
        """Make an identity and write its file; an existing one is never overwritten.

        Raises:
            ClientFault: not a name.
            OperatorFault: the file exists, or cannot be written.
        """
        path = self._path(name)
        seed = Secret.fresh()
        identity = Identity.from_seed(seed)
        document: dict[str, Any] = {"name": name, "public": identity.public.hex()}
        document |= (
            {"scrypt": seal_secret(seed, _aad(name, identity.public), passphrase)}
            if passphrase
            else {"seed": seed.reveal().hex()}
        )
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(path, (json.dumps(document, indent=1) + "\n").encode())
        except FileExistsError:
            raise OperatorFault(
                f"{path} exists: choose another name, or use it with --as {name}"
            ) from None
        except OSError as error:
            raise OperatorFault(f"cannot write {path}: {error.strerror}") from None
        return IdentityFile(name, identity.public, bool(passphrase))

    def load(self, name: str, ask: Ask | None = None) -> Identity:
        """The identity with its signing key.

        Args:
            name: of the key file.
            ask: called when the file takes a passphrase and STRONGROOM_PASSPHRASE is not set.

        Raises:
            NoSuchIdentity: no such file.
            OperatorFault: others may read it, it is damaged, or the passphrase is wrong or missing.
        """
        path = self._path(name)
        document = self._read(name)
        if path.stat().st_mode & 0o077:
            raise OperatorFault(f"others may read {path}: run `chmod 600 {path}`")
        if "seed" in document:
            identity = Identity.from_seed(_secret(document["seed"], path))
        else:
            identity = _opened(document, path, passphrase_of(name, ask))
        if identity.public.hex() != document["public"]:
            raise OperatorFault(
                f"{path} is damaged: its seed does not give its public key; restore it from a copy"
            )
        return identity

    def show(self, name: str) -> IdentityFile:
        """What anyone may know of one.

        Raises:
            NoSuchIdentity: no such file.
            OperatorFault: it is damaged.
        """
        document = self._read(name)
        return IdentityFile(
            name, PublicKey(bytes.fromhex(document["public"])), "seed" not in document
        )

    def list(self) -> list[IdentityFile]:
        """All of them, by name.

        Raises:
            OperatorFault: one is damaged.
        """
        names = sorted(
            path.stem for path in self.directory.glob("*.json") if NAME.fullmatch(path.stem)
        )
        return [self.show(name) for name in names]

    def resolve(self, text: str) -> bytes:
        """Who is meant by NAME or `id:HEX`: an identity id, 32 bytes.

        Raises:
            ClientFault: neither a key file's name nor an id.
        """
        if text.startswith(ID_PREFIX):
            if _ID.fullmatch(text) is None:
                raise ClientFault(f"{text!r}: an id is {ID_PREFIX!r} and 64 lowercase hex digits")
            return bytes.fromhex(text.removeprefix(ID_PREFIX))
        return self.show(text).id

    def _path(self, name: str) -> Path:
        if NAME.fullmatch(name) is None:
            raise ClientFault(
                f"{name!r} is no name: letters, digits, '_', '-' "
                f"and '.', at most 64, or {ID_PREFIX}HEX"
            )
        return self.directory / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any]:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                document = json.loads(file.read(_FILE_BYTES_MAX))
            _check_form(document)
        except FileNotFoundError:
            there = sorted(other.stem for other in self.directory.glob("*.json"))
            raise NoSuchIdentity(
                f"no identity {name!r} in {self.directory} "
                f"(there: {', '.join(there) or 'none yet'}): "
                + (did_you_mean(name, there) or f"make it with `strongroom keys new {name}`")
            ) from None
        except OSError as error:
            raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise OperatorFault(
                f"{path} is damaged: not a key file; restore it from a copy"
            ) from None
        return dict(document)


def _check_form(document: Any) -> None:
    if len(bytes.fromhex(document["public"])) != SECRET_SIZE:
        raise ValueError
    if "seed" not in document:
        check_sealed_form(document["scrypt"])


def _secret(text: Any, path: Path) -> Secret:
    try:
        return Secret(bytes.fromhex(text))
    except (ValueError, TypeError):
        raise OperatorFault(
            f"{path} is damaged: its seed is not 32 bytes of hex; restore it from a copy"
        ) from None


def _aad(name: str, public: bytes) -> bytes:
    return labels.IDENTITY + b"\x00" + public + name.encode()


def _opened(document: dict[str, Any], path: Path, passphrase: str) -> Identity:
    try:
        aad = _aad(document["name"], bytes.fromhex(document["public"]))
        return Identity.from_seed(open_secret(document["scrypt"], aad, passphrase))
    except DoesNotOpen:
        raise OperatorFault(
            f"the passphrase does not open {path}: type it again, or look at {PASSPHRASE_VARIABLE}"
        ) from None
    except (ValueError, TypeError, KeyError):
        raise OperatorFault(f"{path} is damaged: restore it from a copy") from None
