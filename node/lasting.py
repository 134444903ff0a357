"""What one tenure is given, and what it leaves to the next.

Owns these two lists and nothing else: the parts are made in parts.py, used in tenure.py.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.consensus.blocks import Batch
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.events import Evidence, LaneEvidence
from strongroom.consensus.host_messages import HostMessage
from strongroom.consensus.messages import HeadRequest, Message
from strongroom.consensus.types import PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.node.batches import BatchPool
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.heads import Heads
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.links import Links
from strongroom.node.mempool import Mempool
from strongroom.node.pipeline import Pipeline
from strongroom.node.serving import Serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """What a tenure is given: the parts of a node that outlast it."""

    node_key: PublicKey
    epochs: EpochChain
    wal: WriteAheadLog
    wal_bytes_max: int
    enclave: EnclaveProcess
    links: Links
    heads: Heads
    serving: Serving
    batches: BatchPool
    pipeline: Pipeline
    mempool: Mempool
    faults: Counter[PublicKey]
    spawn_head_answer: Callable[[PublicKey, HeadRequest], None]
    office: Callable[[PublicKey, HostMessage], None]
    on_alarm: Callable[[str], None]
    on_evidence: Callable[[EpochDescription, Evidence | LaneEvidence], None]


@dataclass(slots=True)
class Left:
    """What a tenure leaves to the next one."""

    batches: list[Batch] = field(default_factory=list)
    """Own ones that no block ordered."""
    envelopes: list[bytes] = field(default_factory=list)
    """To be batched again."""
    early: list[tuple[PublicKey, Message]] = field(default_factory=list)
    """Messages of the next epoch that came too early."""
