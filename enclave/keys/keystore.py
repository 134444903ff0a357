"""What this enclave is and holds: its node's identity, the keys that it made, the secrets that it
was given, its boot.

Owns these and their sealed form on the host's disk; who may use them for what is member.py's. Every
signature by the node key is made here, and binds label and chain.
"""

from collections.abc import Sequence

from strongroom.consensus import labels
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest, Epoch, Height, PublicKey, Signature
from strongroom.enclave.keys.identity import identity_in
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.keys import NodeKeys
from strongroom.enclave.keys.sealing import SealedState, seal_state
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import Secret, SigningKey
from strongroom.enclave.proofs.genesis import VerifiedGenesis


class KeyStore:
    """One enclave's keys and secrets, from UNSEAL to the end of its process."""

    def __init__(
        self,
        chip: SimulatedChip,
        measurement: Measurement,
        sealing_secret: Secret,
        state: SealedState,
        genesis: VerifiedGenesis,
    ) -> None:
        self._chip, self._measurement, self._sealing_secret = chip, measurement, sealing_secret
        self._given_identity = state.identity
        self.chain = genesis.chain
        self.keys: NodeKeys = state.keys
        self.keyring = Keyring(state.secrets, state.candidates)
        self.boot = state.boot
        self.mark = state.mark
        """The newest block that this enclave executed, in whatever boot, and its digest (T05)."""
        self.recovered = state.recovered
        """The end of a recovery and its history root, as this node's enclave came to it."""
        self.identity = state.identity or identity_in(genesis, state.keys.node.public)

    @property
    def node_key(self) -> PublicKey:
        """Public half of the node key."""
        return self.keys.node.public

    def sign(self, label: bytes, data: bytes) -> Signature:
        """Sign something of this node's own, under its purpose and the chain."""
        return self.keys.node.sign(labels.bound(label, self.chain, data))

    def vote_key_in(self, epochs: EpochChain) -> SigningKey:
        """The vote key that the newest epoch's description names, else the newest that was made."""
        for validator in epochs.newest.validators:
            if validator.node_key == self.node_key:
                named = self.keys.vote_named(validator.vote_key)
                if named is not None:
                    return named
        return self.keys.newest_vote

    def evidence(
        self,
        epochs: EpochChain,
        nonce: bytes,
        height: Height,
        wrap_keys: tuple[tuple[Epoch, bytes], ...] = (),
    ) -> bytes:
        """Evidence of this boot, in the newest known epoch, over a nonce."""
        newest = epochs.newest
        claims = self.identity.claims(
            chain=self.chain,
            node_key=self.node_key,
            vote_key=self.vote_key_in(epochs).public,
            epoch=newest.epoch,
            epoch_key_digest=newest.public_key_digest,
            nonce=nonce,
            height=height,
            boot=self.boot,
            wrap_keys=wrap_keys,
        )
        return self._chip.evidence(
            claims, measurement=self._measurement.digest, deployment=self.identity.deployment
        )

    def note_executed(self, height: Height, block: Digest) -> None:
        """Move the mark up."""
        if height > self.mark[0]:
            self.mark = (height, block)

    def go_on(self, state: SealedState, doubted: Sequence[Epoch]) -> None:
        """Become what the predecessor of this process was at its end. It may have taken the next
        boot number since its state was sealed for this process (member/starts.py).

        Raises:
            OperatorFault: it was another node, or an older boot.
        """
        if (state.chain, state.keys.node.public) != (self.chain, self.node_key):
            raise OperatorFault("handed over by another node")
        if state.boot < self.boot:
            raise OperatorFault(f"handed over by boot {state.boot}, older than boot {self.boot}")
        self.boot = state.boot
        self.keys, self.mark, self.recovered = state.keys, state.mark, state.recovered
        self.keyring.go_on(state.secrets, state.candidates, doubted)

    def state(self) -> SealedState:
        """All that must survive the process."""
        return SealedState(
            chain=self.chain,
            keys=self.keys,
            secrets=self.keyring.kept(),
            boot=self.boot,
            mark=self.mark,
            identity=self._given_identity,
            candidates=self.keyring.candidates(),
            recovered=self.recovered,
        )

    def sealed(self) -> bytes:
        """The state, sealed to this chip and this code."""
        return seal_state(self._sealing_secret, self.state())

    def __repr__(self) -> str:
        return f"KeyStore(node={self.identity.name}, boot={self.boot}, …)"
