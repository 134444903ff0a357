"""Errors that are no refusals: whose fault they are, for the node's log; the caller learns nothing
of them (T10)."""

import structlog

from strongroom.consensus.errors import OperatorFault
from strongroom.node.faults import Archived
from strongroom.node.ledger.archive.faults import SegmentNotAtHand

_log = structlog.get_logger()


def log_failure(method: str, error: Exception, request: str = "") -> None:
    """Tell the operator: this machine's disk or enclave, or a bug of ours. `request` is the id that
    the caller was told."""
    if isinstance(error, OperatorFault):
        _log.error("rpc.operator_fault", method=method, request=request, reason=str(error))
    else:
        name = type(error).__name__
        _log.error("rpc.bug", method=method, request=request, error=name, exc_info=error)


def archived_fault(fault: SegmentNotAtHand) -> Archived:
    """What the caller learns of a record that the archive does not give; the log has the path."""
    _log.error("archive.not_given", reason=str(fault))
    return Archived(fault.public, segment=fault.segment, first=fault.first, last=fault.last)
