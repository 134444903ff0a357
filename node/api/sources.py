"""What the front door reads of a node, handed over once when the node is composed.

Owns no logic, but where an epoch's key stands, and what an enclave that has ended means to a
caller. What changes from moment to moment is asked for as a `NodeState`; parts are here for what
they alone know: stored blocks, envelopes that wait, links, heads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.replica.picture import ReplicaPicture
from strongroom.consensus.types import Epoch
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.api.node_state import NodeState
from strongroom.node.config import NodeConfig
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.process import EnclaveGone
from strongroom.node.execution.pipeline import Pipeline
from strongroom.node.faults import NotReady
from strongroom.node.ledger.store import BlockStore
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.metrics.observer import Observer
from strongroom.node.network.heads import Heads
from strongroom.node.network.links import Links


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """One node, as its front door reads it."""

    state: Callable[[], NodeState]
    takes_part: Callable[[], tuple[bool, bool]]
    """(has it begun, does it vote): of the state, for each submission without all the rest."""
    picture: Callable[[], ReplicaPicture]
    """Of the votes under way."""
    config: NodeConfig
    boot: int
    genesis: VerifiedGenesis
    epochs: EpochChain
    store: BlockStore
    history: HistoryTree
    enclave: EnclaveClient
    pipeline: Pipeline
    mempool: Mempool
    batches: BatchPool
    links: Links
    heads: Heads
    observer: Observer

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """What calls of an epoch are sealed to; None: this node does not know it."""
        return self.genesis.public_key if epoch == 0 else self.epochs.public_key(epoch)


@contextmanager
def asking_enclave() -> Iterator[None]:
    """Around whatever asks the enclave for a caller, in any of its steps.

    Raises:
        NotReady: it has ended, so the node halts; another one answers.
    """
    try:
        yield
    except EnclaveGone:
        raise NotReady("this node's enclave has ended: ask another node") from None
