"""A running test service's ledger written as a node writes it, its genesis beside it."""

from pathlib import Path

from tests.node.client.ledger import Service

from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.ledger.block_record import StoredBlock, header_hash
from strongroom.node.ledger.store import BlockStore


def write_ledger(folder: Path, service: Service) -> Path:
    """The node's folder."""
    orderer = service.orderer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genesis.bin").write_bytes(orderer.chain.cluster.genesis)
    store = BlockStore.open(
        folder, lambda payload: Outcome.decode(payload).ids_and_codes(), hash_of=header_hash
    )
    for made, certificate, outcome in zip(
        orderer.chain.blocks, orderer.certificates, orderer.chain.outcomes, strict=True
    ):
        block = StoredBlock(made.header, certificate, made.batches)
        store.append_block(made.header.height, block.encode())
        store.append_outcome(
            outcome.height, outcome.encode(), outcome.ids_and_codes(), outcome.history_leaf.hash
        )
    store.close()
    return folder
