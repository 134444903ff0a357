"""AMD's own certificates, in every pairing of chip key and issuers: the page's reader and the
enclave's come to the same. Uses vectors that lie outside this repository, when they are there."""

import json
import subprocess
import warnings
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.node.receipt_checker.verdicts import HERE, NO_NODE, NODE

from strongroom.consensus.errors import AttestationError
from strongroom.enclave.attestation.certificates import read_chain

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "attestation" / "snp"
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not VECTORS.is_dir(), reason="no vectors beside this repository"),
    pytest.mark.skipif(NODE is None, reason=NO_NODE),
]


def test_genuine_chains_are_read_alike() -> None:
    leaves = [ders(path)[0] for path in sorted(VECTORS.glob("*/v[cl]ek.*"))]
    issuers = [ders(path) for path in sorted((VECTORS / "roots").glob("*.pem"))]
    chains = [(leaf, *above) for leaf, above in product(leaves, issuers)]
    lines = "".join(json.dumps([one.hex() for one in chain]) + "\n" for chain in chains)
    assert NODE is not None
    ran = subprocess.run(
        [NODE, str(HERE / "chains.mjs")], input=lines, capture_output=True, text=True, check=True
    )
    said = [json.loads(line) for line in ran.stdout.splitlines()]
    assert said == [expected(*chain) for chain in chains]
    assert sum(one is not None for one in said) >= len(leaves)


def expected(vek: bytes, ask: bytes, ark: bytes) -> list[object] | None:
    """What the enclave's reader finds."""
    try:
        chain = read_chain(vek, ask, ark)
    except AttestationError:
        return None
    names = (str(chain.product), chain.root.hex(), chain.chip_id.hex(), chain.tcb.hex())
    return [*names, bool(chain.signing_key)]


def ders(path: Path) -> list[bytes]:
    """The certificates of a file, DER."""
    data = path.read_bytes()
    if not data.startswith(b"-----"):
        return [data]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # AMD's serial number 0
        read = x509.load_pem_x509_certificates(data)
    return [one.public_bytes(Encoding.DER) for one in read]
