"""A cluster's folder without a cluster: for commands that need no node that runs."""

import json
from pathlib import Path

from strongroom.enclave.proofs.genesis import chain_of
from strongroom.node.client.identities import KeyFolder
from strongroom.node.config import Address, NodeConfig, dumps
from strongroom.node.layout import ClusterLayout
from strongroom.node.tls import make_certificate, write_identity

PIN = "sr1-" + "a" * 51 + "q"


def stopped_folder(directory: Path) -> Path:
    """One with one node, which does not run, and the identity alice."""
    layout = ClusterLayout(directory)
    node = layout.node("n0")
    node.directory.mkdir(parents=True)
    write_identity(make_certificate("n0"), certificate=node.tls_certificate, key=node.tls_key)
    config = NodeConfig(
        name="n0",
        directory=node.directory,
        genesis=layout.genesis,
        rpc=Address("127.0.0.1", 9),
        peer=Address("127.0.0.1", 10),
    )
    node.config.write_text(dumps(config, base=node.directory))
    layout.ca.write_bytes(node.tls_certificate.read_bytes())
    document = {
        "service": PIN,
        "chain": chain_of(PIN).hex(),
        "endpoints": ["https://127.0.0.1:9"],
        "ca": str(layout.ca),
    }
    layout.service.write_text(json.dumps(document))
    KeyFolder(layout.keys).new("alice")
    return layout.directory
