"""A verdict on an enclave, in words: for clients and auditors; no enclave and no room says any."""

from strongroom.consensus.types import NO_DIGEST
from strongroom.enclave.attestation.verifier import VerifiedEnclave


def describe(enclave: VerifiedEnclave) -> list[str]:
    """The verdict in words, a line per fact; the first says SIMULATED when the chip is not
    silicon."""
    claims, report = enclave.claims, enclave.verified.report
    founding = claims.epoch_key_digest == NO_DIGEST
    if enclave.simulated:
        silicon = (
            "SIMULATED platform: no silicon stands behind this "
            "report; a root user of the machine can forge it"
        )
    else:
        silicon = f"genuine AMD {enclave.product} chip, root pinned"
    return [
        silicon,
        f"node {claims.node} of operator {claims.operator} in "
        f"region {claims.region}, boot {claims.boot}",
        f"chip {enclave.chip_id.hex()}",
        f"code measurement {enclave.measurement.hex()} is allowed",
        "debug and migration are off, privilege level "
        f"{report.vmpl}, report version {report.version}",
        f"firmware {enclave.tcb} meets the floors (committed, launch, reported)",
        f"node key {claims.node_key.hex()}",
        f"vote key {claims.vote_key.hex()} of epoch {claims.epoch}",
        f"TLS key {claims.tls_key.hex()}",
        "epoch key: none yet, this is evidence of genesis"
        if founding
        else f"epoch key {claims.epoch_key_digest.hex()}",
        f"made for challenge {claims.nonce.hex()} at height {claims.height}",
        f"deployment signed by operator {claims.operator} for this chip, code and region",
    ]
