"""What an enclave says of itself: the keys that it made, the node that it is, the chain and
challenge that it answers.

Owns the claims' bytes. The report commits to them (REPORT_DATA), so each key in them is one that
the measured code made.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    NONCE_SIZE,
    ChainId,
    Digest,
    Epoch,
    Height,
    PublicKey,
)
from strongroom.enclave.attestation.report import REPORT_DATA_SIZE
from strongroom.enclave.primitives import check_hybrid
from strongroom.enclave.text import is_name

CLAIMS_BYTES_MAX = 8 * 1024
NAME_SIZE_MAX = 64
"""UTF-8 bytes of a node's, operator's or region's name."""
WRAP_KEYS_MAX = 4


def report_data_of(claims: bytes) -> bytes:
    """The 64 bytes of REPORT_DATA for encoded claims: SHA-256 under their label, then 32 zero
    bytes."""
    return labels.labelled_digest(labels.CLAIMS, claims).ljust(REPORT_DATA_SIZE, b"\x00")


def checked_name(value: object, *, name: str) -> str:
    """Check a name: 1..64 bytes of text without spaces, under the closed rule of text.py (T72).

    Raises:
        NotCanonical: something else.
    """
    if type(value) is not str or not 0 < len(value.encode("utf-8", "replace")) <= NAME_SIZE_MAX:
        raise NotCanonical(f"{name}: expected 1..{NAME_SIZE_MAX} bytes of text")
    if not is_name(value) or " " in value:
        raise NotCanonical(f"{name}: expected ASCII characters without spaces, or composed letters")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """One enclave's claims, at one boot, for one challenge."""

    chain: ChainId
    """32 zero bytes inside genesis, whose hash is not known yet."""
    node: str
    node_key: PublicKey
    """Signs batches, STATUS, heads, founding; lasts as long as the node."""
    vote_key: PublicKey
    """Signs consensus statements of `epoch`."""
    wrap_keys: tuple[tuple[Epoch, bytes], ...]
    """Hybrid public keys (1216 bytes), ascending by the epoch whose secret may be wrapped to
    them."""
    tls_key: Digest
    """SHA-256 of the SubjectPublicKeyInfo of the host's TLS key: it authorises the connection and
    nothing else (T42)."""
    epoch: Epoch
    epoch_key_digest: Digest
    """SHA-256 of the epoch's hybrid public key (T15); zeros inside genesis."""
    nonce: bytes
    """The challenge that this answers, or a recent block's digest, 32 bytes."""
    height: Height
    """Newest height that the enclave executed."""
    region: str
    operator: str
    boot: int
    """Counts the starts of this node's enclave from 1; the newest counts (T25)."""

    def __post_init__(self) -> None:
        for key, size, name in (
            (self.chain, DIGEST_SIZE, "chain"),
            (self.node_key, KEY_SIZE, "node key"),
            (self.vote_key, KEY_SIZE, "vote key"),
            (self.tls_key, DIGEST_SIZE, "TLS key"),
            (self.epoch_key_digest, DIGEST_SIZE, "epoch key digest"),
            (self.nonce, NONCE_SIZE, "nonce"),
        ):
            codec.sized(key, size, name=name)
        for value, name in (
            (self.node, "node"),
            (self.region, "region"),
            (self.operator, "operator"),
        ):
            checked_name(value, name=name)
        epochs = [epoch for epoch, _ in self.wrap_keys]
        if len(epochs) > WRAP_KEYS_MAX or epochs != sorted(set(epochs)):
            raise NotCanonical(
                f"wrap keys: expected at most {WRAP_KEYS_MAX} in ascending order of epoch"
            )
        if self.boot < 1:
            raise NotCanonical("boot: counts from 1")
        for _, wrap_key in self.wrap_keys:
            check_hybrid(wrap_key)

    @property
    def digest(self) -> Digest:
        """What the report commits to."""
        return labels.labelled_digest(labels.CLAIMS, self.encode())

    @property
    def report_data(self) -> bytes:
        """The 64 bytes of REPORT_DATA that commit to these claims."""
        return report_data_of(self.encode())

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                self.chain,
                self.node,
                self.node_key,
                self.vote_key,
                self.wrap_keys,
                self.tls_key,
                self.epoch,
                self.epoch_key_digest,
                self.nonce,
                self.height,
                self.region,
                self.operator,
                self.boot,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Claims":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of claims.
        """
        shape = (bytes, str, bytes, bytes, tuple, bytes, int, bytes, bytes, int, str, str, int)
        value = codec.decode(data, size_max=CLAIMS_BYTES_MAX)
        (
            chain,
            node,
            node_key,
            vote_key,
            wraps,
            tls_key,
            epoch,
            epoch_key,
            nonce,
            height,
            region,
            operator,
            boot,
        ) = codec.fields(value, *shape, name="claims")
        return cls(
            chain=ChainId(chain),
            node=node,
            node_key=PublicKey(node_key),
            vote_key=PublicKey(vote_key),
            wrap_keys=tuple(
                _wrap_key(wrap)
                for wrap in codec.listed(wraps, name="wrap keys", count_max=WRAP_KEYS_MAX)
            ),
            tls_key=Digest(tls_key),
            epoch=Epoch(codec.unsigned(epoch, name="epoch")),
            epoch_key_digest=Digest(epoch_key),
            nonce=nonce,
            height=Height(codec.unsigned(height, name="height")),
            region=region,
            operator=operator,
            boot=codec.unsigned(boot, name="boot"),
        )


def _wrap_key(value: object) -> tuple[Epoch, bytes]:
    epoch, key = codec.fields(value, int, bytes, name="wrap key")
    return Epoch(codec.unsigned(epoch, name="wrap key's epoch")), key
