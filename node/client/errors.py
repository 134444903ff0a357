"""What a client says when a call does not end well, beyond the refusals of the front door
(strongroom.node.faults).

ClientFault
├─ Unreachable         nobody answered in time; the envelope may still be ordered
│  ├─ Busy             nodes answered until then, and had no room
│  └─ Disconnected     one connection ended; another node is tried
│     ├─ Hung          its node gave no sign of life
│     └─ Returning     left on purpose, for the node that the client began with
├─ NoCredential        no node lets this client in; put a credential beside service.json
├─ Behind              a node does not know the newest epoch yet; another one is tried
├─ NoQuorum            too few members vouch for what is newest; asked again until the time is up
├─ NotTrusted          what a node shows does not verify against the pin: nothing is sealed to it
├─ ProgramFailed       the program ran and said no; the answer was sealed to us
├─ TransactionRefused  ordered, and refused in public before a program ran
└─ CannotCheck         something that a check needs is missing
"""

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import TransactionId
from strongroom.enclave.outside.distrust import Behind as Behind
from strongroom.enclave.outside.distrust import NoQuorum as NoQuorum
from strongroom.enclave.outside.distrust import NotTrusted as NotTrusted


class Unreachable(ClientFault):
    """No answer in time.

    Attributes:
        id: of the envelope that may still be ordered, to ask for later; None when nothing was sent.
    """

    def __init__(self, message: str, *, id: TransactionId | None = None) -> None:
        super().__init__(message)
        self.id = id


class Busy(Unreachable):
    """Nodes answered for the whole time that they had no room.

    Attributes:
        id: as of `Unreachable`.
        retry_after: seconds that a node asked to be left alone, when it last said so.
    """

    def __init__(
        self, message: str, *, retry_after: float, id: TransactionId | None = None
    ) -> None:
        super().__init__(message, id=id)
        self.retry_after = retry_after


class Disconnected(Unreachable):
    """A connection ended before the answer."""


class Hung(Disconnected):
    """A connection whose node gave no sign of life while something was awaited of it."""


class Returning(Disconnected):
    """A connection that the client ends itself, to go back to its own node."""


class NoCredential(ClientFault):
    """Every node's door is shut to this client: it shows no credential, or one that none knows.

    Attributes:
        id: of an envelope that nodes refused for that reason; None when none was sent.
    """

    def __init__(self, message: str, *, id: TransactionId | None = None) -> None:
        super().__init__(message)
        self.id = id


class ProgramFailed(ClientFault):
    """The transaction was executed, and its program refused; nothing of it took effect.

    Attributes:
        code: the program's stable error code.
        message: the program's words.
        id, height, index: where the transaction stands; for a query, id and index are None.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        id: TransactionId | None = None,
        height: int | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code, self.message = code, message
        self.id, self.height, self.index = id, height, index


_HINTS = {
    "not admitted": (
        ": this identity is not on the roster; a member brings "
        "it with `strongroom users bring`, or it presents a good token of an issuer that admits"
    ),
    "too many sessions": ": use one session for many calls, or wait for the next epoch",
    "no room": ": others filled its block; it was not judged, the same envelope may be sent again",
    "lost": ": it was ordered, and not executed before the service was lost and recovered: send it "
    "anew",
}
"""What to do next about some refusals, by reason."""


class TransactionRefused(ClientFault):
    """The envelope was ordered and refused before any program ran.

    Attributes:
        reason: the public refusal's name, e.g. ``wrong epoch``.
        id, height, index: where it stands.
    """

    def __init__(self, reason: str, *, id: TransactionId, height: int, index: int) -> None:
        hint = _HINTS.get(reason, "")
        super().__init__(f"transaction {id.hex()} was refused at height {height}: {reason}{hint}")
        self.reason, self.id, self.height, self.index = reason, id, height, index


class CannotCheck(ClientFault):
    """A check cannot be made: a file, a pin or an answer is missing."""
