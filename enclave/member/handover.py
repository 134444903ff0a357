"""What an enclave gives to the process that goes on in its place (DESIGN §5, Grace: erasure
replaces the process).

Owns the sealed form. It holds the state without what is to be erased, and every promise of the vote
keys: one boot stays one voter, whichever process it lives in.
"""

from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import DIGEST_SIZE, NONCE_SIZE, Digest, Epoch, View
from strongroom.enclave.keys.sealing import EPOCHS_MAX, SealedState, seal, unseal
from strongroom.enclave.member.starts import ANNOUNCED_MAX
from strongroom.enclave.member.voting import Promises
from strongroom.enclave.primitives import Secret

PURPOSE = b"hand-over"
STATEMENTS_MAX = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HandOver:
    """From one process of a boot to the next."""

    nonce: bytes
    """Of the successor for which it is."""
    state: SealedState
    promises: Promises
    doubted: tuple[Epoch, ...] = ()
    """Epochs whose input secret the ledger has not shown to be of use yet (keyring.py)."""
    announced: tuple[Digest, ...] = ()
    """SHA-256 of the evidence that the boot made for the ledger (starts.py)."""
    took_another: bool = False
    """Has this start taken the number above its own (starts.py)?"""


def seal_hand_over(secret: Secret, handed: HandOver) -> bytes:
    """Seal it to this chip and this code."""
    promises = handed.promises
    said = tuple(statement.to_wire() for statement in promises.said)
    fields = (
        handed.nonce,
        handed.state.encode(),
        said,
        promises.floors,
        promises.silenced,
        handed.doubted,
        handed.announced,
        handed.took_another,
    )
    return seal(secret, PURPOSE, codec.encode(fields))


def unseal_hand_over(secret: Secret, data: bytes) -> HandOver:
    """Open it.

    Raises:
        OperatorFault: sealed by another chip or code, or for another purpose.
    """
    try:
        value = codec.decode(unseal(secret, PURPOSE, data))
        nonce, state, said, floors, silenced, doubted, announced, took = codec.fields(
            value, bytes, bytes, tuple, tuple, tuple, tuple, tuple, bool, name="hand-over"
        )
        listed = codec.listed(said, name="statements", count_max=STATEMENTS_MAX)
        return HandOver(
            nonce=codec.sized(nonce, NONCE_SIZE, name="nonce"),
            state=SealedState.decode(state),
            promises=Promises(
                said=tuple(
                    Statement.from_wire(*codec.fields(one, int, int, int, bytes, name="statement"))
                    for one in listed
                ),
                floors=tuple(
                    _floor(one) for one in codec.listed(floors, name="floors", count_max=EPOCHS_MAX)
                ),
                silenced=tuple(
                    _silenced(one)
                    for one in codec.listed(silenced, name="silenced", count_max=EPOCHS_MAX)
                ),
            ),
            doubted=tuple(
                Epoch(codec.unsigned(one, name="epoch"))
                for one in codec.listed(doubted, name="doubted", count_max=EPOCHS_MAX)
            ),
            announced=tuple(
                Digest(codec.sized(one, DIGEST_SIZE, name="announced"))
                for one in codec.listed(announced, name="announced", count_max=ANNOUNCED_MAX)
            ),
            took_another=took,
        )
    except NotCanonical as error:
        raise OperatorFault(f"what was handed over cannot be read: {error}") from None


def _floor(value: object) -> tuple[Epoch, View]:
    epoch, view = codec.fields(value, int, int, name="floor")
    return Epoch(codec.unsigned(epoch, name="epoch")), View(codec.unsigned(view, name="view"))


def _silenced(value: object) -> tuple[Epoch, str]:
    epoch, why = codec.fields(value, int, str, name="silenced")
    return Epoch(codec.unsigned(epoch, name="epoch")), why
