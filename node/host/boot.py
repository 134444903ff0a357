"""The beginning of a node's next boot: its enclave unsealed, and who this node is (DESIGN §5; T25).

Owns these steps alone; what the ledger says is read afterwards, by replay.py.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import PublicKey
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.primitives import random_bytes
from strongroom.node import tls
from strongroom.node.config import NodeConfig
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.layout import SEALED_STATE

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Boot:
    """Who this node is, in this boot."""

    number: int
    node_key: PublicKey
    tls_key: bytes
    """SHA-256 of its own SubjectPublicKeyInfo."""


async def begin_boot(
    config: NodeConfig,
    genesis: bytes,
    enclave: EnclaveClient,
    store_sealed: Callable[[bytes], Awaitable[None]],
) -> Boot:
    """Unseal, store the sealed state of this boot, and read from the enclave's own claims whose it
    is.

    Raises:
        OperatorFault: no sealed state, another node's, or a certificate that is not the admitted
            one.
    """
    await _tell_of_walls(enclave)
    layout = config.layout
    sealed = read_file(layout.sealed / SEALED_STATE, "without its sealed state a node has no keys")
    await store_sealed(await enclave.unseal(sealed, genesis))
    claims = Claims.decode(Evidence.decode(await enclave.link_evidence(random_bytes(32))).claims)
    if claims.node != config.name:
        raise OperatorFault(
            f"{config.name} is not who was admitted: the sealed state is {claims.node}'s"
        )
    shown = tls.spki_digest(layout.tls_certificate.read_bytes())
    if shown != claims.tls_key:
        raise OperatorFault(
            f"{layout.tls_certificate} is not the certificate that this node was admitted with"
        )
    return Boot(claims.boot, claims.node_key, shown)


async def _tell_of_walls(enclave: EnclaveClient) -> None:
    """What stands around the enclave here, and what this machine does not have, is a fact of the
    log."""
    walls = await enclave.walls()
    missing = {name: summary for name, stands, summary in walls if not stands}
    standing = [name for name, stands, _ in walls if stands]
    (log.warning if missing else log.info)("enclave.walls", standing=standing, missing=missing)


def read_file(path: Path, why: str) -> bytes:
    """A file without which a node cannot start.

    Raises:
        OperatorFault: it cannot be read; `why` says what that means.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise OperatorFault(f"{path}: {error.strerror}; {why}") from None
