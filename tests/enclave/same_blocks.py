"""Executes recorded blocks in a process of its own and prints what they come to; see
test_interpreters.py.

    PYTHONPATH=.src python tests/enclave/same_blocks.py FILE [RECURSION_LIMIT]

Imports nothing but the standard library and what execution loads, so that any interpreter that has
these can run it.
"""

import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.statements import Certificate
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.sealing import SealedState
from strongroom.enclave.primitives import verify
from strongroom.enclave.proofs.finality import check_run
from strongroom.enclave.proofs.genesis import epoch_chain, verify_genesis


@dataclass(frozen=True)
class Recording:
    """A service's genesis, one enclave's keys, and final blocks with their data."""

    genesis: bytes
    state: bytes
    """Encoded SealedState, in the clear: these are keys of a test."""
    blocks: tuple[tuple[bytes, tuple[Any, ...], tuple[Any, ...]], ...]
    """(header, batches, certificate), as on the wire."""

    def encode(self) -> bytes:
        return codec.encode((self.genesis, self.state, self.blocks))

    def execute(self) -> list[list[object]]:
        """Of each block: height, codes, history root, SHA-256 of the outcome; at last the state's
        digest."""
        genesis = verify_genesis(self.genesis)
        epochs = epoch_chain(genesis)
        executor = Executor(genesis, Keyring(list(SealedState.decode(self.state).secrets)), epochs)
        said: list[list[object]] = []
        for encoded, wires, certified in self.blocks:
            header = Header.decode(encoded)
            batches = [Batch.from_wire(wire) for wire in wires]
            run = check_run(
                executor.header, [header], Certificate.from_wire(certified), epochs, verify
            )
            (outcome,) = executor.execute(run, [batches])
            digest = sha256(outcome.encode()).hexdigest()
            said.append([int(header.height), outcome.codes.hex(), executor.root.hex(), digest])
        return [*said, [0, "", executor.state_digest().hex(), ""]]


def main() -> None:
    """Read the recording, execute it, print one line of JSON."""
    recording = Recording(*codec.decode(Path(sys.argv[1]).read_bytes()))
    if len(sys.argv) > 2:
        sys.setrecursionlimit(int(sys.argv[2]))
    print(json.dumps(recording.execute()))  # noqa: T201


if __name__ == "__main__":
    main()
