"""From a key's name to a lease's first answer; and what becomes of one that never arrived.

Owns the ask. Its answer is given once: when it was lost on its way, or a call of before had no
answer in time, the ledger holds a lease that nobody has. Its own session ends it (`vault.abandon`),
with nothing counted, and asks again at once. A revoked or frozen key refuses that as it refuses
everything.
"""

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.room.ledger import AnswerLost, Executed, Ledger, Refused
from strongroom.enclave.room.turns import Turns

VAULT = "vault"
ASKED_AGAIN_MAX = 3
"""Answers lost in a row; who loses more is a host that lies."""
_ID = "id:"
BUSY = "machine-busy"
_NOTHING_LOST = frozenset(("lapsed", "used"))
"""Another session's, over, or received."""


class NoKey(ClientFault):
    """These words name no key."""


def read_key(key: str) -> tuple[bytes, str]:
    """(owner's identity, name or name@version).

    Raises:
        NoKey: written otherwise.
    """
    owner, slash, label = key.partition("/")
    try:
        if not owner.startswith(_ID) or not slash or not label:
            raise ValueError
        return bytes.fromhex(owner.removeprefix(_ID)), label
    except ValueError:
        raise NoKey(f"write the key as id:HEX/name or id:HEX/name@version, not {key}") from None


async def ask(
    ledger: Ledger,
    turns: Turns,
    key: tuple[bytes, str],
    *words: object,
    chip: bytes,
    received: tuple[bytes, ...],
    until: float,
) -> tuple[Executed, float]:
    """Ask for a key until the answer arrives; it, and when what it answers was sent.

    Args:
        ledger: the way there.
        turns: the clock.
        key: owner's identity and label.
        words: purpose, evidence and room.
        chip: SHA-256 of this machine's chip id, by which the ledger knows it.
        received: every lease that this start of the room has had, over or not: what it used of one
            may not be known to the ledger, and a host that says of an answer that it was lost, or
            is silent until a lease is over here, gets no unit of it back.
        until: when to give up.

    Raises:
        Refused: the first condition that does not hold.
        CallRefused: no program ran, or its answers are lost again and again.
        Silent: no answer in time.
    """
    for _ in range(ASKED_AGAIN_MAX):
        sent = turns.now()
        try:
            return await ledger.call(VAULT, "ask", key, *words, until=until), sent
        except AnswerLost:
            await _abandon(ledger, key, chip, received, until)
        except Refused as refused:
            if refused.code != BUSY or not await _abandon(ledger, key, chip, received, until):
                raise
    raise AnswerLost


async def _abandon(
    ledger: Ledger,
    key: tuple[bytes, str],
    chip: bytes,
    received: tuple[bytes, ...],
    until: float,
) -> bool:
    """End the lease that this session never received; False: it has none that it may end so.

    Raises:
        Refused: suspended, revoked, frozen.
    """
    try:
        await ledger.call(VAULT, "abandon", key, chip, received, until=until)
    except Refused as refused:
        if refused.code not in _NOTHING_LOST:
            raise
        return False
    return True
