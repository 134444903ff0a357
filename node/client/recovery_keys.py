"""What a member keeps for a recovery: `keys/NAME.recovery/`, mode 0600.

    KEY.json            a recovery key, in the clear or under a passphrase; KEY begins its digest;
                        where half of it lies in a token: which one
    generation-N.bin    a generation as it was checked: the member's share is in it, sealed

Owns the files' form, and that no key is ever overwritten or removed: shares of the active
generation are sealed to it. Asks no node.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.consensus import labels
from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.consensus.types import ChainId, PublicKey
from strongroom.enclave.formats.recovery import GENERATION_BYTES_MAX, Generation, RecoveryKey
from strongroom.enclave.keys.recovery import OpenInToken
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, Secret
from strongroom.node.client.passphrases import Ask, open_secret, passphrase_of, seal_secret
from strongroom.node.machine.durable_files import make_directory, write_atomic, write_new

_FILE_BYTES_MAX = 65_536
_NAME_SIZE = 16
"""Characters of a key's digest in its file's name."""


class NoRecoveryKey(ClientFault):
    """The member's folder has no such recovery key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHalf:
    """Where the half of a recovery key lies that never leaves a token. Nothing in it is secret."""

    module: str
    """Path of the PKCS#11 module."""
    token: str
    serial: str
    label: str
    id: bytes
    """CKA_ID."""
    point: bytes
    """Of P-256, uncompressed: what is published of it."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that the module wants."""

    def to_json(self) -> dict[str, Any]:
        """For the key's file."""
        return {
            "module": self.module,
            "token": self.token,
            "serial": self.serial,
            "label": self.label,
            "id": self.id.hex(),
            "point": self.point.hex(),
            "environment": dict(self.environment),
        }

    @classmethod
    def from_json(cls, document: Any) -> "TokenHalf":
        """Raises ValueError, KeyError, TypeError or AttributeError for something else."""
        texts = {name: document[name] for name in ("module", "token", "serial", "label")}
        environment = tuple(sorted(document["environment"].items()))
        every = [*texts.values(), *(text for row in environment for text in row)]
        if {type(one) for one in every} != {str}:
            raise TypeError
        return cls(
            **texts,
            id=bytes.fromhex(document["id"]),
            point=bytes.fromhex(document["point"]),
            environment=environment,
        )


OpenersOf = Callable[[TokenHalf], OpenInToken]
"""Gives what opens with a half."""


@dataclass(frozen=True, slots=True)
class RecoveryKeyFolder:
    """One member's, on one ledger."""

    directory: Path
    chain: ChainId
    member: PublicKey

    def fresh(self, *, passphrase: str = "", half: TokenHalf | None = None) -> RecoveryKey:
        """Make a recovery key and keep it, durable before it is returned.

        Args:
            passphrase: seals the file, unless it is empty.
            half: where the other half of it lies.

        Raises:
            OperatorFault: it cannot be written.
            ClientFault: it would be too long to be read again; nothing is written.
        """
        seed = Secret.fresh()
        key = RecoveryKey(HybridKey(seed).public, b"" if half is None else half.point)
        document: dict[str, Any] = {
            "member": self.member.hex(),
            "chain": self.chain.hex(),
            "recovery_key": key.digest.hex(),
        }
        document |= (
            {"scrypt": seal_secret(seed, self._aad(key.digest), passphrase)}
            if passphrase
            else {"seed": seed.reveal().hex()}
        )
        if half is not None:
            document["half"] = half.to_json()
        path = self._path(key.digest)
        data = (json.dumps(document, indent=1) + "\n").encode()
        if len(data) > _FILE_BYTES_MAX:
            raise ClientFault(
                f"{path} would be longer than {_FILE_BYTES_MAX} bytes: shorten what --env and "
                "--module say"
            )
        try:
            make_directory(self.directory)
            write_new(path, data)
        except OSError as error:
            raise OperatorFault(f"cannot write {path}: {error.strerror}") from None
        return key

    def digests(self) -> list[bytes]:
        """Of the keys that are here, newest first.

        Raises:
            OperatorFault: a file is damaged, or another member's or ledger's.
        """
        paths = self.directory.glob("*.json")
        newest = sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [bytes.fromhex(self._read(path)["recovery_key"]) for path in newest]

    def load(self, digest: bytes, ask: Ask | None = None) -> HybridKey:
        """A recovery key again.

        Args:
            digest: RecoveryKey.digest.
            ask: called when the file takes a passphrase and STRONGROOM_PASSPHRASE is not set.

        Raises:
            NoRecoveryKey: it is not here.
            OperatorFault: others may read it, it is damaged or another's, or the passphrase is
                wrong or missing.
        """
        path = self._path(digest)
        document = self._read(path)
        try:
            if "seed" in document:
                seed = Secret(bytes.fromhex(document["seed"]))
            else:
                passphrase = passphrase_of(path.name, ask)
                seed = open_secret(document["scrypt"], self._aad(digest), passphrase)
        except DoesNotOpen:
            raise OperatorFault(f"the passphrase does not open {path}") from None
        except (ValueError, TypeError, KeyError):
            raise OperatorFault(f"{path} is damaged: restore it from a copy") from None
        key, half = HybridKey(seed), self.half_of(digest)
        if RecoveryKey(key.public, b"" if half is None else half.point).digest != digest:
            raise OperatorFault(f"{path} is damaged: it holds another key; restore it from a copy")
        return key

    def half_of(self, digest: bytes) -> TokenHalf | None:
        """Where the half of a recovery key lies that is not in its file; None: all of it is there.

        Raises:
            NoRecoveryKey, OperatorFault: as `load`.
        """
        path = self._path(digest)
        document = self._read(path)
        try:
            return TokenHalf.from_json(document["half"]) if "half" in document else None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise OperatorFault(f"{path} is damaged: restore it from a copy") from None

    def opener(self, digest: bytes, openers: "OpenersOf | None") -> OpenInToken | None:
        """What opens with that half; None: there is none.

        Raises:
            OperatorFault: there is one, and nothing that opens with it was brought.
        """
        half = self.half_of(digest)
        if half is None:
            return None
        if openers is None:
            raise OperatorFault(
                f"half of recovery key {digest.hex()[:_NAME_SIZE]} lies in token {half.token!r}: "
                "use `strongroom recover` on a machine that has it"
            )
        return openers(half)

    # --- generations ---

    def keep(self, generation: Generation) -> None:
        """Keep a copy of what was checked.

        Raises:
            OperatorFault: it cannot be written.
        """
        path = self.directory / f"generation-{generation.number}.bin"
        try:
            make_directory(self.directory)
            write_atomic(path, generation.encode())
        except OSError as error:
            raise OperatorFault(f"cannot write {path}: {error.strerror}") from None

    def kept(self) -> list[Generation]:
        """Copies of generations that were checked, ascending by number.

        Raises:
            OperatorFault: one is damaged.
        """
        found = []
        for path in self.directory.glob("generation-*.bin"):
            try:
                with path.open("rb") as file:
                    found.append(Generation.decode(file.read(GENERATION_BYTES_MAX + 1)))
            except (OSError, NotCanonical):
                raise OperatorFault(
                    f"{path} is damaged: `strongroom recover check` fetches it again"
                ) from None
        return sorted(found, key=lambda one: one.number)

    # --- inside ---

    def _path(self, digest: bytes) -> Path:
        return self.directory / f"{digest.hex()[:_NAME_SIZE]}.json"

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise OperatorFault(f"others may read {path}: run `chmod 600 {path}`")
                document = json.loads(file.read(_FILE_BYTES_MAX))
            if (document["member"], document["chain"]) != (self.member.hex(), self.chain.hex()):
                raise OperatorFault(f"{path} is of another member or ledger: put it back")
            if len(bytes.fromhex(document["recovery_key"])) != len(self.chain):
                raise ValueError
            return dict(document)
        except FileNotFoundError:
            raise NoRecoveryKey(
                f"no recovery key {path}: restore it from a copy, or publish another one with "
                "`strongroom recover key --new`"
            ) from None
        except OSError as error:
            raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise OperatorFault(f"{path} is damaged: restore it from a copy") from None

    def _aad(self, digest: bytes) -> bytes:
        return labels.bound(labels.RECOVERY_KEY_FILE, self.chain, self.member + digest)
