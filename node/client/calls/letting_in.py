"""Whether nodes take what this client submits, as far as its credential goes.

Owns what a refusal for want of one means: each door has its own list of organisations, so one
node's word is not another's; once every endpoint has said so, waiting helps nobody. A client that
shows no credential asks before anything sealed leaves it: what was never sent is never ordered.
"""

from collections.abc import Collection

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.errors import Disconnected, NoCredential
from strongroom.node.faults import NotReady, Refused, RpcFault
from strongroom.node.rpc.door import REASON

_MISSING = (
    "no node takes this without a credential: put the file `credential` of your organisation "
    "beside service.json (an operator makes one with `strongroom node admit`), then call again"
)
_UNKNOWN = (
    "no node knows an organisation with the credential beside service.json: ask an operator to "
    "admit it (`strongroom node admit`), or put the right file `credential` there, then call again"
)


def is_shut(fault: BaseException | None) -> bool:
    """Is this the refusal of a door that wants another credential?"""
    return isinstance(fault, Refused) and fault.data.get("reason") == REASON


class LettingIn:
    """What the doors of one service said to one client."""

    def __init__(self, endpoints: Collection[str], *, credential: bool) -> None:
        self._endpoints, self._credential = frozenset(endpoints), credential
        self._asks = not credential
        """No node has let this client in yet, and it has nothing to show."""
        self._shut: set[str] = set()

    async def ask(self, connection: Connection) -> None:
        """Would this node take a submission? Only asked when that is in doubt.

        Raises:
            Refused: it wants a credential (`is_shut`).
            Disconnected, NotReady: it does not say.
        """
        if not self._asks:
            return
        try:
            await connection.ask("ledger_submit_many", envelopes=[], wait="commit")
        except (Disconnected, NotReady):
            raise
        except RpcFault as fault:
            if is_shut(fault):
                raise
        self._asks = False

    def shut(self, endpoint: str, fault: StrongroomError | None) -> NoCredential | None:
        """Note whether this door is shut; the error once all of them are."""
        if not is_shut(fault):
            return None
        self._shut.add(endpoint)
        if not self._shut >= self._endpoints:
            return None
        self._shut.clear()  # a later call tries again: an operator may have admitted us meanwhile
        self._asks = not self._credential
        return NoCredential(_UNKNOWN if self._credential else _MISSING)

    def taken(self) -> None:
        """A node took what was submitted, or said why not."""
        self._shut.clear()
