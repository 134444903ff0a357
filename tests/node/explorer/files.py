"""A running test service's ledger written as a node writes it, its genesis beside it."""

from pathlib import Path

from tests.node.client.ledger import Service

from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import open_store


def write_ledger(folder: Path, service: Service) -> Path:
    """The node's folder."""
    orderer = service.orderer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genesis.bin").write_bytes(orderer.chain.cluster.genesis)
    store = open_store(folder)
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
