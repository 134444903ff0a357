"""Errors that are no refusals: whose fault they are, for the node's log; the caller learns nothing
of them (T10)."""

import structlog

from strongroom.consensus.errors import OperatorFault

_log = structlog.get_logger()


def log_failure(method: str, error: Exception) -> None:
    """Tell the operator: this machine's disk or enclave, or a bug of ours."""
    if isinstance(error, OperatorFault):
        _log.error("rpc.operator_fault", method=method, reason=str(error))
    else:
        _log.error("rpc.bug", method=method, error=type(error).__name__, exc_info=error)
