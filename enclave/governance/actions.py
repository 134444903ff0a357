"""Who hears what: one function per public action (public.SHAPES has their fields)."""

from collections.abc import Callable, Mapping

from strongroom.enclave.governance import (
    admission,
    grants,
    observing,
    proposals,
    public,
    registry,
    succession,
)
from strongroom.enclave.governance.action_context import ActionContext
from strongroom.enclave.governance.recovery_actions import RECOVERY_ACTIONS

ACTIONS: Mapping[str, Callable[[ActionContext], object]] = {
    public.PROPOSE: proposals.propose,
    public.PROPOSE_SEVERAL: proposals.propose_several,
    public.BALLOT: proposals.ballot,
    public.WITHDRAW: proposals.withdraw,
    public.ATTEST: admission.attest,
    public.SYNCED: registry.synced,
    public.LEAVE: registry.leave,
    public.REFRESH: registry.refresh,
    public.EVIDENCE: registry.convict,
    public.OFFER: succession.offer,
    public.READY: succession.ready,
    **RECOVERY_ACTIONS,
    **grants.ACTIONS,
    public.OBSERVE: observing.observe,
}
"""Each returns its plain result, or raises ProgramError and is undone."""
