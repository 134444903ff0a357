"""Refusals of the front door, one class per JSON-RPC error code (INTERFACES)."""

from strongroom.consensus.errors import ClientFault


class RpcFault(ClientFault):
    """A refusal with its JSON-RPC code and public data."""

    code = -32603

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.data = data


class NotFound(RpcFault):
    """Nothing here has that name."""

    code = -32001


class Refused(RpcFault):
    """Refused for a reason that stands in `data.reason`."""

    code = -32002


class TooLarge(RpcFault):
    """Over a limit."""

    code = -32003


class NotYet(RpcFault):
    """True later, perhaps."""

    code = -32004


class Overloaded(RpcFault):
    """Full: try again after `data.retry_after_ms`."""

    code = -32005


class WrongChainOrEpoch(RpcFault):
    """Meant for another chain or epoch; `data` says what is right."""

    code = -32006


class NotReady(RpcFault):
    """This node does not serve yet."""

    code = -32007


class Archived(NotReady):
    """It stands in this node's archive, and cannot be given from there: `data` names the
    segment."""

    code = -32008
