"""Data keys that their owner keeps: `keys/NAME.vault/KEY@VERSION.json`, mode 0600, in the clear or
under a passphrase.

Owns the file's form and that none is ever overwritten: it may be the only K of a sealed file. Knows
neither containers nor the ledger.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import DoesNotOpen, Secret
from strongroom.node.client.passphrases import Ask, open_secret, passphrase_of, seal_secret
from strongroom.node.machine.durable_files import make_directory, write_new

_FILE_BYTES_MAX = 4096


class NoDataKey(ClientFault):
    """The owner's folder has no data key of that name and version."""


@dataclass(frozen=True, slots=True)
class DataKeyFolder:
    """What one identity keeps of its vault on one ledger."""

    directory: Path
    chain: ChainId

    def path(self, key: KeyVersion) -> Path:
        """Where a key's file stands, or would."""
        return self.directory / f"{key.name}@{key.version}.json"

    def fresh(self, key: KeyVersion, *, passphrase: str = "") -> Secret:
        """Make a data key and keep it, durable before it is returned.

        Raises:
            OperatorFault: there is one already, or it cannot be written.
        """
        secret = Secret.fresh()
        document: dict[str, Any] = {
            "key": f"{key.name}@{key.version}",
            "owner": f"id:{key.owner.hex()}",
            "chain": self.chain.hex(),
        }
        document |= (
            {"scrypt": seal_secret(secret, self._aad(key), passphrase)}
            if passphrase
            else {"secret": secret.reveal().hex()}
        )
        path = self.path(key)
        try:
            make_directory(self.directory)
            write_new(path, (json.dumps(document, indent=1) + "\n").encode())
        except FileExistsError:
            raise OperatorFault(
                f"{path} exists and may be the only key of a sealed file: keep it; rotate to a new "
                "version, or use another name"
            ) from None
        except OSError as error:
            raise OperatorFault(f"cannot write {path}: {error.strerror}") from None
        return secret

    def load(self, key: KeyVersion, ask: Ask | None = None) -> Secret:
        """A data key again.

        Args:
            key: which.
            ask: called when the file takes a passphrase and STRONGROOM_PASSPHRASE is not set.

        Raises:
            NoDataKey: there is no file.
            OperatorFault: others may read it, it is damaged or another key's, or the passphrase is
                wrong or missing.
        """
        path = self.path(key)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise OperatorFault(f"others may read {path}: run `chmod 600 {path}`")
                document = json.loads(file.read(_FILE_BYTES_MAX))
            self._check_whose(document, key, path)
            if "secret" in document:
                return Secret(bytes.fromhex(document["secret"]))
            passphrase = passphrase_of(f"{key.name}@{key.version}", ask)
            return open_secret(document["scrypt"], self._aad(key), passphrase)
        except FileNotFoundError:
            raise NoDataKey(
                f"no data key {path}: only who sealed has it; restore it from a copy"
            ) from None
        except OSError as error:
            raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
        except DoesNotOpen:
            raise OperatorFault(f"the passphrase does not open {path}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise OperatorFault(f"{path} is damaged: restore it from a copy") from None

    def load_or_fresh(
        self, key: KeyVersion, *, passphrase: str = "", ask: Ask | None = None
    ) -> Secret:
        """The data key of a version that is not on the ledger yet: the one that an attempt before
        left, or a new one. Errors as of `load` and `fresh`."""
        try:
            return self.load(key, ask)
        except NoDataKey:
            return self.fresh(key, passphrase=passphrase)

    def _check_whose(self, document: Any, key: KeyVersion, path: Path) -> None:
        said = (document["key"], document["owner"], document["chain"])
        if said != (f"{key.name}@{key.version}", f"id:{key.owner.hex()}", self.chain.hex()):
            raise OperatorFault(
                f"{path} is the key of another owner, version or ledger: put it back"
            )

    def _aad(self, key: KeyVersion) -> bytes:
        named = codec.encode((key.owner, key.name, key.version))
        return labels.bound(labels.DATA_KEY_FILE, self.chain, named)
