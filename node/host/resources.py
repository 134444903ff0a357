"""What a node's parts stand on: opened or made before any of them, closed after all of them.

Owns the list alone.
"""

from dataclasses import dataclass, field

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.config import NodeConfig
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.metrics.observer import Observer
from strongroom.node.sync.snapshots import Snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the parts stand on."""

    config: NodeConfig
    genesis: VerifiedGenesis
    epochs: EpochChain
    store: BlockStore
    wal: WriteAheadLog
    history: HistoryTree
    snapshots: Snapshots
    enclave: EnclaveClient
    node_key: PublicKey
    tls_key: bytes
    applied: Height
    """What the enclave has executed."""
    observer: Observer = field(default_factory=Observer)
    """Notes what the parts do."""
