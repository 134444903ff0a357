"""What all files of a founding have in common: canonical, bounded, each under a label of its own,
signed by the operator's key and the member's (DESIGN §5, Genesis).

Owns that envelope alone. What the files say: ceremony_cards.py, ceremony_terms.py,
ceremony_answers.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import NO_DIGEST, SIGNATURE_SIZE, ChainId, Digest, Signature
from strongroom.enclave.primitives import SigningKey
from strongroom.enclave.proofs.constitution import CONSTITUTION_ENTRIES_MAX

CEREMONY_VERSION = 1
UNSIGNED = Signature(bytes(SIGNATURE_SIZE))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """A file that an organisation signs twice: as who runs a node, and as who governs."""

    LABEL: ClassVar[bytes]
    NAME: ClassVar[str]
    BYTES_MAX: ClassVar[int]

    operator: str
    operator_signature: Signature = UNSIGNED
    member_signature: Signature = UNSIGNED

    def body(self) -> tuple[object, ...]:
        """The fields that are signed."""
        raise NotImplementedError

    def signed_bytes(self) -> bytes:
        """What both keys sign; no chain, because there is none yet."""
        return labels.bound(self.LABEL, ChainId(NO_DIGEST), codec.encode(self.body()))

    def sign(self, operator: SigningKey, member: SigningKey) -> Self:
        """The same, under both signatures."""
        message = self.signed_bytes()
        return replace(
            self, operator_signature=operator.sign(message), member_signature=member.sign(message)
        )

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        signatures = (self.operator_signature, self.member_signature)
        return codec.encode((self.LABEL, CEREMONY_VERSION, self.body(), *signatures))

    @property
    def digest(self) -> Digest:
        """SHA-256 under the label: what people compare."""
        return labels.labelled_digest(self.LABEL, self.encode())

    @classmethod
    def read(cls, data: bytes, *shape: type) -> tuple[tuple[Any, ...], dict[str, Signature]]:
        value = codec.decode(data, size_max=cls.BYTES_MAX)
        label, version, body, *signatures = codec.fields(
            value, bytes, int, tuple, bytes, bytes, name=cls.NAME
        )
        if label != cls.LABEL or version != CEREMONY_VERSION:
            raise NotCanonical(f"{cls.NAME}: another file, or another version")
        names = ("operator_signature", "member_signature")
        return codec.fields(body, *shape, name=cls.NAME), {
            name: Signature(codec.sized(one, SIGNATURE_SIZE, name=name))
            for name, one in zip(names, signatures, strict=True)
        }


def bounded(value: object, most: int) -> bytes:
    """Check a byte string of bounded size. Raises NotCanonical."""
    if type(value) is not bytes or len(value) > most:
        raise NotCanonical(f"expected at most {most} bytes")
    return value


def listed(value: object, name: str, read: Callable[[object], Any]) -> tuple[Any, ...]:
    """Read each item of a bounded sequence. Raises NotCanonical."""
    return tuple(
        read(one) for one in codec.listed(value, name=name, count_max=CONSTITUTION_ENTRIES_MAX)
    )
