"""What an enclave leaves on its host's disk: sealed to this chip and this code, so that no other
can open it.

Owns the sealed form and the state in it. The sealing secret comes from the platform
(SimulatedChip.sealing_secret); a file from an older moment opens as well: what it may still do is
decided by the heads of a quorum (T05), not here.
"""

from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import DIGEST_SIZE, ChainId, Digest, Epoch, Height
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.keys import GENERATION_MAX, EpochSecrets, NodeKeys
from strongroom.enclave.platform.sealed_files import SEALED_BYTES_MAX as SEALED_BYTES_MAX
from strongroom.enclave.platform.sealed_files import seal as seal
from strongroom.enclave.platform.sealed_files import unseal as unseal
from strongroom.enclave.primitives import SECRET_SIZE, Secret

STATE_VERSION = 2
"""Of the state in it."""
EPOCHS_MAX = 4096
"""Epochs whose keys or secrets one state holds."""
CANDIDATES_MAX = 256
"""Opened offers for the next epoch that have not won yet: one per member at most."""
STATE_PURPOSE = b"enclave-state"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SealedState:
    """All that an enclave needs to be the same one after a restart. Holds secrets, hence has no
    repr of its fields."""

    chain: ChainId
    """Zeros until genesis was accepted."""
    keys: NodeKeys
    secrets: tuple[EpochSecrets, ...]
    """Ascending by epoch; none until genesis was accepted, or KEYS were taken."""
    boot: int
    """The boot that sealed it."""
    mark: tuple[Height, Digest]
    """High-water mark: the newest block that this enclave executed, and its digest (T05)."""
    identity: Identity | None = None
    """Who a node is that joined later; of a validator of genesis, genesis says it."""
    recovered: tuple[Height, Digest] | None = None
    """The block by which members ended a lost epoch, and the history root with it, as this very
    enclave came to it (VAULT §7): no quorum can have anchored that yet."""
    candidates: tuple[tuple[Digest, EpochSecrets], ...] = ()
    """(offer, secrets): what was opened for the next epoch, before it is said on the ledger (DESIGN
    §5)."""

    def encode(self) -> bytes:
        """Canonical bytes, in the clear: only ever handed to `seal`."""
        node, votes, wraps = self.keys.seeds()
        return codec.encode(
            (
                STATE_VERSION,
                self.chain,
                (node.reveal(), seeds_to_wire(votes), seeds_to_wire(wraps)),
                tuple(map(_secrets_to_wire, self.secrets)),
                self.boot,
                self.mark,
                None if self.identity is None else self.identity.to_wire(),
                tuple((offer, _secrets_to_wire(secrets)) for offer, secrets in self.candidates),
                *(() if self.recovered is None else (self.recovered,)),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "SealedState":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a state.
        """
        value = codec.decode(data, size_max=SEALED_BYTES_MAX)
        if type(value) is not tuple or len(value) not in (8, 9):
            raise NotCanonical("sealed state: expected 8 fields, or 9 after a recovery")
        identity = None if value[6] is None else Identity.from_wire(value[6])
        version, chain, keys, secrets, boot, mark, candidates = codec.fields(
            (*value[:6], value[7]), int, bytes, tuple, tuple, int, tuple, tuple, name="sealed state"
        )
        if version != STATE_VERSION:
            raise NotCanonical(
                f"sealed state: version {version}, this enclave reads {STATE_VERSION}"
            )
        node, votes, wraps = codec.fields(keys, bytes, tuple, tuple, name="node keys")
        epochs = tuple(
            _secrets(one) for one in codec.listed(secrets, name="secrets", count_max=EPOCHS_MAX)
        )
        return cls(
            chain=ChainId(codec.sized(chain, DIGEST_SIZE, name="chain")),
            keys=NodeKeys(
                node=read_secret(node, "node key"), votes=read_seeds(votes), wraps=read_seeds(wraps)
            ),
            secrets=epochs,
            boot=codec.unsigned(boot, name="boot"),
            mark=_place(mark, "mark"),
            identity=identity,
            recovered=_place(value[8], "recovered") if len(value) == 9 else None,
            candidates=tuple(
                _candidate(one)
                for one in codec.listed(candidates, name="candidates", count_max=CANDIDATES_MAX)
            ),
        )

    def __repr__(self) -> str:
        return f"SealedState(boot={self.boot}, height={self.mark[0]}, …)"


def seal_state(secret: Secret, state: SealedState) -> bytes:
    """Seal a state to the platform whose secret this is."""
    return seal(secret, STATE_PURPOSE, state.encode())


def unseal_state(secret: Secret, sealed: bytes) -> SealedState:
    """Open a sealed state.

    Raises:
        OperatorFault: see `unseal`; or it opens and is of another version.
    """
    data = unseal(secret, STATE_PURPOSE, sealed)
    try:
        return SealedState.decode(data)
    except NotCanonical as error:
        raise OperatorFault(f"the sealed state cannot be read by this code: {error}") from None


def _place(value: object, name: str) -> tuple[Height, Digest]:
    height, digest = codec.fields(value, int, bytes, name=name)
    return (
        Height(codec.unsigned(height, name=f"{name}'s height")),
        Digest(codec.sized(digest, DIGEST_SIZE, name=f"{name}'s digest")),
    )


def read_secret(value: object, name: str) -> Secret:
    """A secret of a sealed state.

    Raises:
        NotCanonical: of another size.
    """
    return Secret(codec.sized(value, SECRET_SIZE, name=name))


def seeds_to_wire(seeds: dict[Epoch, Secret]) -> tuple[tuple[int, bytes], ...]:
    """Fields for the codec: seeds by epoch."""
    return tuple((epoch, seeds[epoch].reveal()) for epoch in sorted(seeds))


def read_seeds(value: object) -> dict[Epoch, Secret]:
    """Read them again.

    Raises:
        NotCanonical: a field is not what it must be.
    """
    seeds = {}
    for one in codec.listed(value, name="seeds", count_max=EPOCHS_MAX):
        epoch, seed = codec.fields(one, int, bytes, name="seed")
        seeds[Epoch(codec.unsigned(epoch, name="epoch"))] = read_secret(seed, "seed")
    return seeds


def _secrets_to_wire(secrets: EpochSecrets) -> tuple[object, ...]:
    """Epoch, generation, input secret (nothing once it is erased), ledger secret."""
    own = b"" if secrets.input is None else secrets.input.reveal()
    return (secrets.epoch, secrets.generation, own, secrets.ledger.reveal())


def _secrets(value: object) -> EpochSecrets:
    epoch, generation, own, ledger = codec.fields(
        value, int, int, bytes, bytes, name="epoch secrets"
    )
    return EpochSecrets(
        epoch=Epoch(codec.unsigned(epoch, name="epoch")),
        generation=codec.unsigned(generation, name="generation", value_max=GENERATION_MAX),
        input_secret=read_secret(own, "input secret") if own else None,
        ledger=read_secret(ledger, "ledger secret"),
    )


def _candidate(value: object) -> tuple[Digest, EpochSecrets]:
    offer, secrets = codec.fields(value, bytes, tuple, name="candidate")
    return Digest(codec.sized(offer, DIGEST_SIZE, name="offer")), _secrets(secrets)
