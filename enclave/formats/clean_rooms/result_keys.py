"""Keys that come from the one secret of a job: of each output for each recipient, and the seed of
its noise (ROOMS §4, §5; T62, T65).

Owns the derivation, which ledger and worker share. Pure: who is given the secret is said elsewhere.
"""

from strongroom.consensus import codec, labels
from strongroom.enclave.primitives import Secret

NOISE = b"noise"
"""No place of an output: those are encoded pairs."""


def output_key(secret: bytes, output: str, recipient: bytes) -> bytes:
    """Under which an output is sealed for a recipient; for all of them when nothing is named."""
    place = codec.encode((output, recipient))
    return Secret(secret).derive(labels.RESULT_KEY, place).reveal()


def noise_seed(secret: bytes) -> bytes:
    """Chance of a job, the same at every executor: the same job has the same noise."""
    return Secret(secret).derive(labels.RESULT_KEY, NOISE).reveal()


def result_name(job: bytes, output: str, recipient: bytes) -> str:
    """By which the chunks of an output know their place, under their clean room."""
    whose = f"/{recipient.hex()}" if recipient else ""
    return f"{job.hex()}/{output}{whose}"
