"""Handing secrets to another enclave, and taking them (DESIGN §5, KEYS; T29, T2B).

    asker                                     giver
                            KEYS_CHALLENGE →  a nonce
    KEYS_PROOF: a one-time key, named in
    fresh evidence over the nonce          →  KEYS_GIVE: judge the evidence, ask governance, wrap
    KEYS_TAKE: open, check, keep, forget the one-time key

Owns both sides. Ledger secrets go to any registered node that is not suspended; input secrets only
to validators of the current epoch, and only while blocks may still need them: the current epoch's,
and the one in grace by the giver's own executed state. The giver signs what it wraps with its node
key: else a host could wrap secrets of its own choice to the one-time key that it sees in the
evidence."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import AttestationError, NotCanonical, PeerFault
from strongroom.consensus.types import (
    KEY_SIZE,
    SIGNATURE_SIZE,
    Epoch,
    Height,
    Milliseconds,
    PublicKey,
)
from strongroom.enclave.attestation.verifier import verify_evidence
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.keys.keys import GENERATION_MAX, EpochSecrets
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.primitives import (
    SECRET_SIZE,
    DoesNotOpen,
    HybridKey,
    Secret,
    hybrid_seal,
    random_bytes,
    verify,
)

NONCES_MAX = 64
"""Challenges that wait for their evidence; the oldest is void when one more is made."""
RELEASED_EPOCHS_MAX = 512
"""The newest epochs whose secrets one answer holds."""


class KeyRelease:
    """Both sides of KEYS in one enclave."""

    def __init__(self, keystore: KeyStore, epochs: EpochChain) -> None:
        self._keystore, self._epochs = keystore, epochs
        self._nonces: dict[bytes, None] = {}
        self._one_time: tuple[HybridKey, bytes] | None = None
        """What the next answer is to be wrapped to, and the nonce that it answers."""

    # --- giving ---

    def challenge(self) -> bytes:
        """A nonce for an asker's evidence; good for one."""
        while len(self._nonces) >= NONCES_MAX:
            self._nonces.pop(next(iter(self._nonces)))
        nonce = random_bytes(32)
        self._nonces[nonce] = None
        return nonce

    def give(
        self,
        evidence: bytes,
        nonce: bytes,
        time_ms: Milliseconds,
        governance: Governance,
        open_epochs: Sequence[Epoch],
    ) -> bytes:
        """Secrets for a registered node whose fresh evidence stands, wrapped to its one-time key.

        Args:
            evidence: names the one-time key.
            nonce: which challenge of mine it answers.
            time_ms: the host's clock, for the evidence's dates.
            governance: executed state.
            open_epochs: whose input secrets blocks may still need, by executed state
                (Executor.open_epochs).

        Raises:
            AttestationError: the evidence does not meet the policy in state, answers no challenge
                of mine, names no one-time key, or its node may not have secrets now.
        """
        if nonce not in self._nonces:
            raise AttestationError(
                "nonce", "this evidence answers no challenge of this enclave: ask for one"
            )
        del self._nonces[nonce]
        asker = verify_evidence(
            evidence, governance.policy, chain=self._keystore.chain, nonce=nonce, time_ms=time_ms
        )
        claims = asker.claims
        governance.may_get_keys(claims.node_key)
        node = governance.node(claims.node_key)
        if node is None or (node.tls_key, node.chip_id) != (claims.tls_key, asker.chip_id):
            raise AttestationError(
                "keys-changed", f"{claims.node} shows another chip or key than it was admitted with"
            )
        if len(claims.wrap_keys) != 1:
            raise AttestationError("wrap", "the evidence names no one-time key")
        payload = codec.encode(self._released(claims.node_key, governance, open_epochs))
        signature = self._keystore.sign(
            labels.KEY_RELEASE, _signed(claims.node_key, nonce, payload)
        )
        plaintext = codec.encode((self._keystore.node_key, signature, payload))
        try:
            return hybrid_seal(
                claims.wrap_keys[0][1], plaintext, self._info(claims.node_key, nonce)
            )
        except DoesNotOpen:
            raise AttestationError("wrap", "the one-time key takes nothing") from None

    def _released(
        self, asker: PublicKey, governance: Governance, open_epochs: Sequence[Epoch]
    ) -> tuple[tuple[int, int, bytes, bytes], ...]:
        votes = governance.current.index_of(asker) is not None
        released = []
        for secrets in self._keystore.keyring.all()[-RELEASED_EPOCHS_MAX:]:
            if secrets.epoch > governance.epoch:
                continue
            opens = votes and secrets.epoch in open_epochs
            own = secrets.input.reveal() if opens and secrets.input is not None else b""
            released.append((int(secrets.epoch), secrets.generation, own, secrets.ledger.reveal()))
        return tuple(released)

    # --- taking ---

    def prove(self, nonce: bytes, height: Height) -> bytes:
        """Evidence over a giver's nonce that names a fresh one-time key; the one before is
        forgotten."""
        key = HybridKey(Secret.fresh())
        self._one_time = (key, nonce)
        return self._keystore.evidence(
            self._epochs, nonce, height, ((self._epochs.newest.epoch, key.public),)
        )

    def take(self, wrapped: bytes, *, over: Callable[[Epoch], bool]) -> None:
        """Open what a giver wrapped, check all of it, keep it; the one-time key is forgotten either
        way.

        Of an epoch that is `over` by this enclave's own state, the ledger secret alone is kept:
        what was erased stays erased (P10).

        Raises:
            PeerFault: nothing was asked for; it does not open; its giver is no validator of the
                newest epoch, or did not sign it; or a secret derives another key than its epoch's.
                Nothing was kept.
        """
        if self._one_time is None:
            raise PeerFault("no keys were asked for")
        (key, nonce), self._one_time = self._one_time, None
        own = self._keystore.node_key
        try:
            plaintext = key.open(wrapped, self._info(own, nonce))
        except DoesNotOpen:
            raise PeerFault("the wrapped keys do not open") from None
        giver, signature, payload = codec.fields(
            codec.decode(plaintext), bytes, bytes, bytes, name="released keys"
        )
        codec.sized(giver, KEY_SIZE, name="giver")
        codec.sized(signature, SIGNATURE_SIZE, name="giver's signature")
        if self._epochs.newest.index_of(PublicKey(giver)) is None:
            raise PeerFault("keys of a giver that is no validator of the newest epoch")
        message = labels.bound(
            labels.KEY_RELEASE, self._keystore.chain, _signed(own, nonce, payload)
        )
        if not verify(giver, signature, message):
            raise PeerFault("the giver's enclave did not sign these keys")
        for secrets in self._checked(payload):
            self._keystore.keyring.add(secrets.without_input() if over(secrets.epoch) else secrets)

    def _checked(self, payload: bytes) -> list[EpochSecrets]:
        found = []
        for item in codec.listed(
            codec.decode(payload), name="released keys", count_max=RELEASED_EPOCHS_MAX
        ):
            epoch, generation, own, ledger = codec.fields(
                item, int, int, bytes, bytes, name="released keys"
            )
            codec.unsigned(generation, name="generation", value_max=GENERATION_MAX)
            description = self._epochs.description(Epoch(epoch))
            if description is None:
                raise PeerFault(f"secrets of epoch {epoch}, which is not known here")
            codec.sized(ledger, SECRET_SIZE, name="ledger secret")
            secrets = EpochSecrets(
                epoch=Epoch(epoch),
                generation=generation,
                input_secret=Secret(codec.sized(own, SECRET_SIZE, name="input secret"))
                if own
                else None,
                ledger=Secret(ledger),
            )
            if secrets.opens and secrets.public_key_digest != description.public_key_digest:
                raise PeerFault(
                    f"the input secret of epoch {epoch} derives another key than the epoch's"
                )
            found.append(secrets)
        if not found:
            raise NotCanonical("released keys: none")
        return found

    def _info(self, asker: PublicKey, nonce: bytes) -> bytes:
        return labels.bound(labels.KEY_RELEASE, self._keystore.chain, asker + nonce)


def _signed(asker: PublicKey, nonce: bytes, payload: bytes) -> bytes:
    return asker + nonce + sha256(payload).digest()
