"""The secrets of an epoch, and the keys that an enclave makes for itself (DESIGN §5).

Owns how one service secret splits, with purpose, epoch and generation in every label. Nothing here
has a repr that shows a secret. Python cannot wipe memory: "erased" means that no name refers to it,
and in the end that the process is replaced.
"""

from collections.abc import Mapping

from strongroom.consensus import labels
from strongroom.consensus.errors import invariant
from strongroom.consensus.types import FIRST_EPOCH, Digest, Epoch, PublicKey
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.primitives import DeterministicBox, HybridKey, Secret, SigningKey, digest
from strongroom.enclave.proofs.genesis import WRAP_EPOCHS_AT_GENESIS
from strongroom.enclave.sandbox.secret_memory import at_rest

GENERATION_MAX = 2**32 - 1
"""Replacements of one epoch's secret: a u32 in every label."""

_INPUT = b"input"
_LEDGER = b"ledger"
_HYBRID = b"hybrid-key"
_SESSIONS = b"session-boxes"
_WRITE_SETS = b"write-set-boxes"
_SNAPSHOTS = b"snapshots"
_VAULT = b"vault"
_VAULT_SECRETS = b"vault-secrets"


def _context(purpose: bytes, epoch: Epoch, generation: int) -> bytes:
    """Purpose, zero byte, epoch (u64), generation (u32)."""
    return purpose + b"\x00" + epoch.to_bytes(8, "big") + generation.to_bytes(4, "big")


class EpochSecrets:
    """What an enclave keeps of an epoch: two independent secrets, and the keys that follow from
    them.

    Attributes:
        epoch: the epoch.
        generation: counts replacements of an epoch's secret; 0 for the first.
        input: opens what clients seal (session openings, queries), the boxes of sessions and those
            of the vault; dies with the epoch. None once it is erased, and in an enclave that was
            never given it.
        ledger: opens write sets and snapshots; kept as long as the ledger must be readable.
        write_set_box: boxes write sets, under the ledger secret.
        snapshot_box: boxes chunks of snapshots, under the ledger secret.
    """

    __slots__ = (
        "_hybrid",
        "_session_box",
        "_vault",
        "epoch",
        "generation",
        "input",
        "ledger",
        "snapshot_box",
        "write_set_box",
    )

    def __init__(
        self, *, epoch: Epoch, input_secret: Secret | None, ledger: Secret, generation: int = 0
    ) -> None:
        self.epoch = epoch
        self.generation = generation
        self.input = None if input_secret is None else at_rest(input_secret)
        self.ledger = at_rest(ledger)
        self._hybrid = (
            None if input_secret is None else HybridKey(self._derive(input_secret, _HYBRID))
        )
        self._session_box = (
            None
            if input_secret is None
            else DeterministicBox(self._derive(input_secret, _SESSIONS))
        )
        self._vault = (
            None
            if input_secret is None
            else (
                DeterministicBox(self._derive(input_secret, _VAULT)),
                self._derive(input_secret, _VAULT_SECRETS),
            )
        )
        self.write_set_box = DeterministicBox(self._derive(ledger, _WRITE_SETS))
        self.snapshot_box = DeterministicBox(self._derive(ledger, _SNAPSHOTS))

    @property
    def opens(self) -> bool:
        """Is the input secret here?"""
        return self._hybrid is not None

    @property
    def hybrid(self) -> HybridKey:
        """Private key to which clients seal.

        Raises:
            KeysNeeded: the input secret is not here.
        """
        if self._hybrid is None:
            raise KeysNeeded(self.epoch)
        return self._hybrid

    @property
    def session_box(self) -> DeterministicBox:
        """Boxes session keys in replicated state, under the input secret.

        Raises:
            KeysNeeded: the input secret is not here.
        """
        if self._session_box is None:
            raise KeysNeeded(self.epoch)
        return self._session_box

    @property
    def vault_box(self) -> DeterministicBox:
        """Boxes what owners entrust to the vault, under the input secret: it is carried from epoch
        to epoch, and what is not carried dies with the secret.

        Raises:
            KeysNeeded: the input secret is not here.
        """
        return self._of_vault()[0]

    @property
    def vault_secret(self) -> Secret:
        """From which programs that keep secrets derive some that nobody outside can know.

        Raises:
            KeysNeeded: the input secret is not here.
        """
        return self._of_vault()[1]

    @property
    def public_key(self) -> bytes:
        """The epoch's hybrid public key, 1216 bytes.

        Raises:
            KeysNeeded: the input secret is not here.
        """
        return self.hybrid.public

    @property
    def public_key_digest(self) -> Digest:
        """SHA-256 of the public key, as an epoch's description names it.

        Raises:
            KeysNeeded: the input secret is not here.
        """
        return digest(self.public_key)

    def without_input(self) -> "EpochSecrets":
        """What is left when the input secret is erased (P10)."""
        return EpochSecrets(
            epoch=self.epoch, input_secret=None, ledger=self.ledger, generation=self.generation
        )

    def _of_vault(self) -> tuple[DeterministicBox, Secret]:
        if self._vault is None:
            raise KeysNeeded(self.epoch)
        return self._vault

    def _derive(self, secret: Secret, purpose: bytes) -> Secret:
        return secret.derive(labels.KEY_DERIVATION, _context(purpose, self.epoch, self.generation))

    def __repr__(self) -> str:
        return f"EpochSecrets(epoch={self.epoch}, …)"


class ServiceSecret:
    """S_e: exists between its making, or the opening of its wrap, and its split; then drop it."""

    __slots__ = ("_secret",)

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    @classmethod
    def fresh(cls) -> "ServiceSecret":
        """A new one from the operating system's randomness."""
        return cls(Secret.fresh())

    def split(self, epoch: Epoch, generation: int = 0) -> EpochSecrets:
        """The two secrets of an epoch; neither tells anything of the other or of S_e."""
        derived = (
            self._secret.derive(labels.KEY_DERIVATION, _context(purpose, epoch, generation))
            for purpose in (_INPUT, _LEDGER)
        )
        input_secret, ledger = derived
        return EpochSecrets(
            epoch=epoch, generation=generation, input_secret=input_secret, ledger=ledger
        )

    def reveal(self) -> bytes:
        """The 32 bytes, to be wrapped to another enclave; every caller is a place to review."""
        return self._secret.reveal()

    def __repr__(self) -> str:
        return "ServiceSecret(…)"


class NodeKeys:
    """Every private key that an enclave makes for itself: the node key, and vote and wrap keys by
    epoch (T2B, T33)."""

    __slots__ = ("_seeds", "_votes", "_wraps", "node")

    def __init__(
        self, *, node: Secret, votes: Mapping[Epoch, Secret], wraps: Mapping[Epoch, Secret]
    ) -> None:
        self._seeds = (
            at_rest(node),
            {epoch: at_rest(seed) for epoch, seed in votes.items()},
            {epoch: at_rest(seed) for epoch, seed in wraps.items()},
        )
        self.node = SigningKey(node)
        self._votes = {epoch: SigningKey(seed) for epoch, seed in votes.items()}
        self._wraps = {epoch: HybridKey(seed) for epoch, seed in wraps.items()}

    @classmethod
    def fresh(cls) -> "NodeKeys":
        """The keys of a validator of genesis; a joiner begins with the same, and announces others
        when it is synced."""
        return cls(
            node=Secret.fresh(),
            votes={FIRST_EPOCH: Secret.fresh()},
            wraps={epoch: Secret.fresh() for epoch in WRAP_EPOCHS_AT_GENESIS},
        )

    def vote(self, epoch: Epoch) -> SigningKey:
        """The vote key made for an epoch; asking for one that was never made or is erased is our
        bug."""
        invariant(epoch in self._votes, f"no vote key of epoch {epoch}")
        return self._votes[epoch]

    def vote_named(self, public: PublicKey) -> SigningKey | None:
        """The vote key with this public half, if it is here: a member that was not ready in time
        keeps its last one."""
        return next((key for key in self._votes.values() if key.public == public), None)

    @property
    def newest_vote(self) -> SigningKey:
        """The vote key that was made last."""
        return self._votes[max(self._votes)]

    def wrap(self, epoch: Epoch) -> HybridKey:
        """The wrap key of an epoch; asking for one that was never made or is erased is our bug."""
        invariant(epoch in self._wraps, f"no wrap key of epoch {epoch}")
        return self._wraps[epoch]

    def has_wrap(self, epoch: Epoch) -> bool:
        """Is there a wrap key of this epoch?"""
        return epoch in self._wraps

    @property
    def wrap_keys(self) -> tuple[tuple[Epoch, bytes], ...]:
        """Public wrap keys, ascending by epoch, as claims name them."""
        return tuple((epoch, self._wraps[epoch].public) for epoch in sorted(self._wraps))

    def with_keys(self, *, vote: Epoch | None = None, wrap: Epoch | None = None) -> "NodeKeys":
        """These keys, and fresh ones for these epochs where there are none yet."""
        node, votes, wraps = self.seeds()
        if vote is not None and vote not in votes:
            votes[vote] = Secret.fresh()
        if wrap is not None and wrap not in wraps:
            wraps[wrap] = Secret.fresh()
        return NodeKeys(node=node, votes=votes, wraps=wraps)

    def after(self, epoch: Epoch, vote_key: PublicKey | None) -> "NodeKeys":
        """What is left once an epoch has begun: the vote key that its description names, and keys
        of later epochs.

        Nothing that signed in an epoch before, or opens a wrap of this one or an earlier, is kept
        (T13, T33).
        """
        node, votes, wraps = self.seeds()
        keep = {
            at: seed
            for at, seed in votes.items()
            if at > epoch or self._votes[at].public == vote_key
        }
        if not keep:  # no member: a fresh one to be admitted with, should it come back
            keep = {epoch: Secret.fresh()}
        return NodeKeys(
            node=node, votes=keep, wraps={at: seed for at, seed in wraps.items() if at > epoch}
        )

    def seeds(self) -> tuple[Secret, dict[Epoch, Secret], dict[Epoch, Secret]]:
        """Seeds of node key, vote keys and wrap keys, to be sealed; every caller is a place to
        review."""
        node, votes, wraps = self._seeds
        return node, dict(votes), dict(wraps)

    def __repr__(self) -> str:
        return f"NodeKeys(node={self.node.public.hex()[:16]}…)"
