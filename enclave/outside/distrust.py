"""Why a client does not believe what a node shows. Loads nothing, so that whoever only catches
these need not load the checks: trust.py."""

from strongroom.consensus.errors import ClientFault


class NoQuorum(ClientFault):
    """Fewer than a quorum of members answered for what is newest.

    Attributes:
        answered, members, needed: how many answered, of how many, and how many it takes.
    """

    def __init__(self, detail: str, *, answered: int, members: int, needed: int) -> None:
        super().__init__(f"no quorum ({answered} of {members} answer, {needed} needed): {detail}")
        self.answered, self.members, self.needed = answered, members, needed


class Behind(ClientFault):
    """A node that is in an older epoch than the newest known one: it answers again when it has
    caught up."""


class NotTrusted(ClientFault):
    """A node shows or answers something that does not verify; it is left for another.

    Attributes:
        reason: stable code: ``pin``, ``genesis``, ``epochs``, ``evidence``, ``tls-key``,
            ``membership``, ``epoch-key``, ``heads`` or ``answer``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"not trusted ({reason}): {detail}")
        self.reason = reason
