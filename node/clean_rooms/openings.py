"""What the receipt of an opening proves, once its claim is revealed (ROOMS §7): a file that anybody
with the pin checks offline.

Owns the claim's form and the file's. Claim and blinding come from who opened; the receipt commits
to them, so that nobody reveals another claim.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import VerifiedReceipt, verify_claim, verify_receipt

FILE_BYTES_MAX = 16 * 2**20
_ENTRY, _VERSION = (str, bytes, bytes, int, int), (str, bytes, str, int, bytes)
Version = tuple[str, bytes, str, int, bytes]
"""Of an input: alias, owner, data set, version, root of its chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningClaim:
    """This result, of this contract, on these versions, reported equal by these operators, was
    opened by this recipient."""

    room: bytes
    contract: bytes
    job: bytes
    recipient: bytes
    """Who opened."""
    output: str
    whose: bytes
    """Whose alone the entry is; nothing: of all the output's recipients."""
    root: bytes
    chunks: int
    size_class: int
    data: tuple[Version, ...]
    operators: tuple[str, ...]
    """Who reported it; one: attested, not replicated."""

    def encode(self) -> bytes:
        """The bytes that the program claims."""
        place = (self.room, self.contract, self.job, self.recipient)
        entry = (self.output, self.whose, self.root, self.chunks, self.size_class)
        return codec.encode((labels.JOB_OPENED, *place, entry, self.data, self.operators))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """A claim that was revealed.

        Raises:
            NotCanonical: it is none.
        """
        label, *place, entry, inputs, operators = codec.fields(
            codec.decode(data),
            *(bytes,) * 5,
            *(tuple,) * 3,
            name="claim of an opening",
        )
        if label != labels.JOB_OPENED or any(len(one) != DIGEST_SIZE for one in place):
            raise NotCanonical("not the claim of an opening")
        output, whose, root, chunks, size_class = codec.fields(entry, *_ENTRY, name="entry")
        versions = tuple(codec.fields(one, *_VERSION, name="input") for one in inputs)
        if not all(type(one) is str for one in operators):
            raise NotCanonical("operators are texts")
        room, contract, job, recipient = place
        return cls(
            room=room,
            contract=contract,
            job=job,
            recipient=recipient,
            output=output,
            whose=whose,
            root=root,
            chunks=chunks,
            size_class=size_class,
            data=versions,
            operators=operators,
        )

    def to_json(self) -> dict[str, Any]:
        """For people."""
        return {
            "result": self.root.hex(),
            "output": self.output,
            "recipient": f"id:{self.recipient.hex()}",
            "alone": bool(self.whose),
            "contract": self.contract.hex(),
            "job": self.job.hex(),
            "room": self.room.hex(),
            "data": [
                {
                    "alias": alias,
                    "owner": f"id:{owner.hex()}",
                    "data": name,
                    "version": version,
                    "root": root.hex(),
                }
                for alias, owner, name, version, root in self.data
            ],
            "operators": list(self.operators),
            "assurance": "replicated" if len(self.operators) > 1 else "attested, not replicated",
        }


@dataclass(frozen=True, slots=True)
class OpeningReceipt:
    """A receipt and the claim that it commits to."""

    receipt: Receipt
    claim: bytes = field(repr=False)
    blinding: bytes = field(repr=False)

    def verify(self, pin: str) -> tuple[VerifiedReceipt, OpeningClaim]:
        """Check everything, offline.

        Raises:
            ReceiptInvalid: it does not prove what it says.
        """
        verified = verify_receipt(self.receipt, pin)
        verify_claim(verified, self.claim, self.blinding)
        try:
            return verified, OpeningClaim.decode(self.claim)
        except (NotCanonical, TypeError, ValueError) as fault:
            raise ReceiptInvalid(f"the transaction opened no result: {fault}") from None

    def dumps(self) -> str:
        """As a file."""
        document = {
            "receipt": self.receipt.to_json(),
            "claim": self.claim.hex(),
            "blinding": self.blinding.hex(),
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """A file that an opener wrote.

        Raises:
            ReceiptInvalid: it cannot be read, or is none.
        """
        try:
            with path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX)
        except OSError as error:
            raise ReceiptInvalid(
                f"cannot read {path}: {error.strerror}", verdict="cannot check"
            ) from None
        try:
            document = json.loads(data)
            parts = (bytes.fromhex(document[name]) for name in ("claim", "blinding"))
            return cls(Receipt.from_json(document["receipt"]), *parts)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ReceiptInvalid(f"{path} is no receipt of an opening") from None
