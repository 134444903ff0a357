"""`service.json`: the pin, where the nodes are, and their certificates. All that a client starts
from.

The pin is what the user trusts; everything else here only says where to ask.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.proofs.genesis import GENESIS_BYTES_MAX, chain_of
from strongroom.node.client.identities import KeyFolder
from strongroom.node.credentials import Credential, load_optional
from strongroom.node.layout import ClusterLayout
from strongroom.node.near_folders import no_cluster_words

ENDPOINTS_MAX = 256


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as a client knows it before it has asked anyone."""

    pin: str
    chain: ChainId
    endpoints: tuple[str, ...]
    """`https://HOST:PORT` of each node."""
    ca: Path
    """PEM bundle of the nodes' self-signed certificates."""
    keys: KeyFolder
    """Identities beside it."""
    credential: Credential | None = None
    """What is shown at the nodes' doors, from the file `credential` beside it; None: there is none,
    so only reading."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.keys.directory.parent

    def kept_genesis(self) -> bytes | None:
        """The file genesis.bin beside service.json, if it is there: `Trust` checks whose it is."""
        path = ClusterLayout(self.folder).genesis
        with suppress(OSError):
            return path.read_bytes() if path.stat().st_size <= GENESIS_BYTES_MAX else None
        return None

    def name_of(self, endpoint: str) -> str:
        """The node behind an endpoint, when it is one of this folder; else its host and port."""
        from strongroom.node import config as node_config  # only words need it

        for node in ClusterLayout(self.folder).nodes():
            with suppress(OperatorFault, OSError):
                if f"https://{node_config.load(node.config).rpc}" == endpoint:
                    return node.name
        return endpoint.removeprefix("https://")


def load_service(where: Path | str) -> Service:
    """Read `service.json`, or the one in a cluster's folder.

    Raises:
        OperatorFault: missing or damaged; the message says what to do.
    """
    path = Path(where)
    if path.is_dir() or path.suffix != ".json":
        path = ClusterLayout(path).service
    try:
        return _read(json.loads(path.read_bytes()), path)
    except FileNotFoundError:
        raise OperatorFault(no_cluster_words(path.parent)) from None
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, ClientFault) as error:
        raise OperatorFault(
            f"{path} is damaged ({error}): copy it again from the operator"
        ) from None


def _read(document: Any, path: Path) -> Service:
    pin, endpoints = document["service"], document["endpoints"]
    chain = chain_of(pin)
    if document.get("chain", chain.hex()) != chain.hex():
        raise ValueError("its chain is not the one of its pin")
    if type(endpoints) is not list or not 0 < len(endpoints) <= ENDPOINTS_MAX:
        raise ValueError(f"expected 1..{ENDPOINTS_MAX} endpoints")
    return Service(
        pin=pin,
        chain=chain,
        endpoints=tuple(_endpoint(endpoint) for endpoint in endpoints),
        ca=path.parent / document["ca"],
        keys=KeyFolder(ClusterLayout(path.parent).keys),
        credential=load_optional(ClusterLayout(path.parent).credential),
    )


def _endpoint(text: Any) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme != "https"
        or not parts.hostname
        or parts.port is None
        or parts.path not in ("", "/")
    ):
        raise ValueError(f"endpoint {text!r}: expected https://HOST:PORT")
    return f"https://{parts.netloc}"
