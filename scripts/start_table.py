"""`./scripts/sizes --ledger [PAYMENTS [A_BLOCK]]`: what a start costs a host, by the ledger's
length (docs/scale.md).

The ledger is generated: real records of blocks and outcomes, through the block store, with payloads
that nobody sealed and certificates that nobody signed; a host's start looks at neither. Times are
of the processor, each opening in a process of its own.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from scripts.given_sizes import given_sizes
from scripts.sizes_table import resident, timed
from tests.enclave.chain import EPOCH, make_batch
from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis

from strongroom.consensus.batches import encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip, initial_cut
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import (
    Digest,
    Height,
    Milliseconds,
    Sequence,
    Signature,
    SignerIndex,
    View,
)
from strongroom.enclave.formats.history import genesis_leaf
from strongroom.enclave.formats.merkle import Frontier
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.proofs.genesis import verify_genesis
from strongroom.node.host.replay import read_history
from strongroom.node.layout import NodeLayout
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.index_files import trust_file
from strongroom.node.ledger.reading import open_store
from strongroom.node.ordering.stored_past import stored_epochs

SIZES = ((100_000, 450), (1_000_000, 450), (100_000, 1))
ENVELOPE_BYTES = 236
"""A sealed payment of the smallest class."""
RESULT_BYTES, WRITE_SET_BYTES = 32, 240
"""What an outcome holds of each."""
SYNC_BLOCKS = 64
GENESIS = "genesis.bin"
WAYS = ("closed", "killed", "machine crashed")
"""How the node before ended."""
_ROW = "| {} | {} | {} | {} | {} | {} | {} | {} | {} |"
HEADS = (
    "payments",
    "heights",
    "ledger MiB",
    "index MiB",
    *(f"index, {way}: ms" for way in WAYS),
    "epochs, history ms",
    "rss MiB",
)


def made(cluster: FoundedCluster, payments: int, a_block: int) -> Iterator[tuple[bytes, Outcome]]:
    """Blocks as they are stored, each with its outcome."""
    genesis = cluster.verified
    parent, members = genesis.header, len(genesis.validators)
    tip = initial_cut(parent.digest, members)[0]
    history = Frontier()
    history.append(genesis_leaf(parent).hash)
    signature = Signature(bytes(64))
    for height in range(1, -(-payments // a_block) + 1):
        envelopes = [os.urandom(ENVELOPE_BYTES) for _ in range(a_block)]
        batch = make_batch(0, tip, encode_payload(envelopes), a_block)
        tip = LaneTip(Sequence(tip.length + 1), batch.header.digest)
        header = Header(
            chain=genesis.chain,
            epoch=EPOCH,
            view=View(height),
            height=Height(height),
            parent=parent.digest,
            proposer=SignerIndex(0),
            time_ms=Milliseconds(parent.time_ms + 10),
            cut=(tip, *initial_cut(genesis.header.digest, members)[1:]),
            batch_count=1,
            batch_bytes=len(batch.payload),
            anchor=Anchor(Height(height - 1), history.root),
            next_epoch=genesis.description.digest,
        )
        statement = Statement(Kind.FINALIZE, EPOCH, header.view, header.digest)
        signers = tuple(map(SignerIndex, range(3)))
        certificate = Certificate(statement, signers, (signature,) * len(signers))
        block = StoredBlock(header, certificate, (batch,))
        outcome = Outcome(
            height=Height(height),
            block=Digest(header.digest),
            ids=b"".join(sha256(envelope).digest() for envelope in envelopes),
            codes=bytes(a_block),
            results=(bytes(RESULT_BYTES),) * a_block,
            claims=(),
            write_set=bytes(WRITE_SET_BYTES * a_block),
        )
        history.append(outcome.history_leaf.hash)
        parent = header
        yield block.encode(), outcome


def generate(folder: Path, cluster: FoundedCluster, payments: int, a_block: int) -> None:
    """Write such a ledger into a node's folder."""
    store = open_store(folder)
    for height, (block, outcome) in enumerate(made(cluster, payments, a_block), 1):
        store.append_block(height, block)
        leaf = outcome.history_leaf.hash
        store.append_outcome(height, outcome.encode(), outcome.ids_and_codes(), leaf)
        if height % SYNC_BLOCKS == 0:
            store.sync()
    store.close()


def start(folder: Path) -> tuple[float, float, float]:
    """What a host does with its ledger before its enclave: milliseconds until the index is there,
    and until epochs and history are; MiB of this process then. The store is left as a kill does."""
    genesis = verify_genesis((folder / GENESIS).read_bytes())
    before = resident()
    opening, store = timed(lambda: open_store(folder))
    reading, history = timed(lambda: (stored_epochs(store, genesis), read_history(store, genesis)))
    assert history[1].size == store.newest_outcome + 1 > 1
    return opening, reading, (resident() - before) / 2**20


def in_own_process(folder: Path) -> list[float]:
    """`start` there."""
    command = [sys.executable, "-m", "scripts.start_table", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


def measure(payments: int, a_block: int) -> tuple[object, ...]:
    """One length's row."""
    with tempfile.TemporaryDirectory(prefix="strongroom-") as name:
        layout = NodeLayout(Path(name) / "n0")
        cluster = make_cluster_genesis()
        generate(layout.directory, cluster, payments, a_block)
        (layout.directory / GENESIS).write_bytes(cluster.verified.data)
        closed, killed = in_own_process(layout.directory), in_own_process(layout.directory)
        trust_file(layout.index).unlink()
        crashed = in_own_process(layout.directory)
        mib = [
            sum(512 * file.stat().st_blocks for file in each.iterdir()) / 2**20
            for each in (layout.ledger, layout.index)
        ]
    return (
        f"{payments:,}",
        f"{-(-payments // a_block):,}",
        *(f"{one:,.0f}" for one in mib),
        *(f"{way[0]:,.0f}" for way in (closed, killed, crashed)),
        f"{killed[1]:.1f}",
        f"{killed[2]:.0f}",
    )


def main() -> None:
    """Print one row per length."""
    if len(sys.argv) == 2 and Path(sys.argv[1]).is_dir():  # the process of one opening
        print(*start(Path(sys.argv[1])), flush=True)
        return
    given = given_sizes("./scripts/sizes --ledger", __doc__, "PAYMENTS", "A_BLOCK")
    sizes = [(given[0], (given[1:] or [450])[0])] if given else SIZES
    print(_ROW.format(*HEADS))
    print("|" + "---|" * len(HEADS), flush=True)
    for payments, a_block in sizes:
        print(_ROW.format(*measure(payments, a_block)), flush=True)


if __name__ == "__main__":
    main()
