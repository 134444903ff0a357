"""The terms of a key: its policy and its typed fields, and which change of them is a tightening.

Owns their bounds, their bytes, and the comparison (T51): whatever is not shown to be tighter or the
same is a loosening; and what reading a policy costs (T11). Knows no state.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from strongroom.consensus import codec
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.attestation.release_condition import Condition
from strongroom.enclave.attestation.release_policy import (
    POLICY_BYTES_MAX,
    PolicyRefused,
    ReleasePolicy,
)
from strongroom.enclave.programs.framework import Context, ProgramError

CUSTODIES = ("ledger", "split", "hsm")
APPROVERS_MAX = 16
IDLE_FACTOR = 6
"""A lease that holds no unit reserved and wants no piece beats, and lasts, so much longer."""
UNITS_MAX = 2**53
"""Of a key in all, also of one without a limit."""
ALLOTMENT_MAX = 1_000_000
PIECES_MAX = 1_000_000
HEARTBEAT_MS = (100, 3_600_000)
LEASE_MS_MAX = 24 * 3_600_000
DELAY_MS_MAX = 30 * 24 * 3_600_000
TIME_MS_MAX = 2**53
POLICY_STEPS, POLICY_STEPS_BYTES = 6, 5
"""Steps for so many bytes of policy that is read, or judged: at most 0.4 µs a byte to read (a list
of numbers or empty texts) and 0.2 to write and judge; twice as much on a busy machine."""

_TERMS_KEPT_MAX = 256
"""Read, by their bytes: 10 KB each at most."""


class Terms(NamedTuple):
    """Under which a key is released."""

    policy: str
    """The one canonical text (ReleasePolicy.encode)."""
    custody: str
    custodian: bytes
    """Identity; nothing for `ledger`."""
    approvers: tuple[bytes, ...]
    """Ascending."""
    threshold: int
    quantity: int
    """Units in all; 0: no limit but UNITS_MAX."""
    window_from_ms: int
    window_until_ms: int
    """0: open."""
    heartbeat_ms: int
    lease_ms: int
    allotment: int
    """Units that one lease may hold reserved and unused."""
    pieces: int
    """Of the container; 0: the key is given whole."""
    delay_ms: int
    """How long a loosening waits once it is approved."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(tuple(self))

    @property
    def release(self) -> ReleasePolicy:
        """The policy, parsed."""
        return ReleasePolicy.parse(self.policy)


@lru_cache(maxsize=_TERMS_KEPT_MAX)
def read_terms(data: bytes) -> Terms:
    """Terms that stand in the state: what these bytes say, whoever reads them and whenever."""
    value: Any = codec.decode(data)
    return Terms(*value)


def policy_steps(text: str) -> int:
    """What reading a policy costs, to be spent before it is read (T11). By its length alone: what a
    replica has read before, and keeps, must decide no outcome."""
    size = min(len(text.encode()), POLICY_BYTES_MAX)
    return size * POLICY_STEPS // POLICY_STEPS_BYTES


def read_policy(context: Context, text: str) -> ReleasePolicy:
    """The policy that a caller gives, metered whether it is one or none.

    Raises:
        ProgramError: ``policy``: it is none.
        BudgetExceeded: the steps do not suffice.
    """
    context.spend(policy_steps(text))
    try:
        return ReleasePolicy.parse(text)
    except PolicyRefused as refused:
        raise ProgramError("policy", f"{refused.where}: {refused.why}") from None


def canonical(policy: ReleasePolicy) -> str:
    """The text that stands in terms."""
    return policy.encode().decode()


def checked(terms: Terms, owner: bytes) -> Terms:
    """Terms with approvers in order; the policy was read before.

    Raises:
        ProgramError: ``terms``: a field is out of its bounds.
    """
    approvers = tuple(sorted(terms.approvers))
    if terms.custody not in CUSTODIES:
        _refuse("custody is ledger, split or hsm")
    if (terms.custody == "ledger") == bool(terms.custodian):
        _refuse("split and hsm name a custodian, ledger has none")
    if len(set(approvers)) != len(approvers) or len(approvers) > APPROVERS_MAX:
        _refuse(f"at most {APPROVERS_MAX} approvers, each once")
    if owner in approvers:
        _refuse("the owner is no approver: name others")
    if not bool(approvers) <= terms.threshold <= len(approvers):
        _refuse("threshold is 1 to the number of approvers, 0 without any")
    bounds = (
        ("quantity", terms.quantity, 0, UNITS_MAX),
        ("window_from_ms", terms.window_from_ms, 0, TIME_MS_MAX),
        ("window_until_ms", terms.window_until_ms, 0, TIME_MS_MAX),
        ("heartbeat_ms", terms.heartbeat_ms, *HEARTBEAT_MS),
        ("lease_ms", terms.lease_ms, terms.heartbeat_ms, LEASE_MS_MAX),
        ("allotment", terms.allotment, 1, ALLOTMENT_MAX),
        ("pieces", terms.pieces, 0, PIECES_MAX),
        ("delay_ms", terms.delay_ms, 0, DELAY_MS_MAX),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            _refuse(f"{name} is {least} to {most}")
    if terms.window_until_ms and terms.window_until_ms <= terms.window_from_ms:
        _refuse("the window ends before it begins")
    return terms._replace(approvers=approvers)


def loosened(old: Terms, new: Terms, release: ReleasePolicy | None = None) -> tuple[str, ...]:
    """Names of the fields in which `new` allows something that `old` does not; a field of which
    that cannot be told counts as one.

    Args:
        old: in force.
        new: asked for.
        release: the policy of `new`, if it is read already. That of `old` is read if they differ.
    """
    tighter = {
        "policy": new.policy == old.policy or narrows(old.release, release or new.release),
        "custodian": new.custodian == old.custodian,
        "approvers": _consent_kept(old, new),
        "quantity": old.quantity == 0 or 0 < new.quantity <= old.quantity,
        "window_from_ms": new.window_from_ms >= old.window_from_ms,
        "window_until_ms": old.window_until_ms == 0
        or 0 < new.window_until_ms <= old.window_until_ms,
        "heartbeat_ms": new.heartbeat_ms <= old.heartbeat_ms,
        "lease_ms": new.lease_ms <= old.lease_ms,
        "allotment": new.allotment <= old.allotment,
        "delay_ms": new.delay_ms >= old.delay_ms,
        "custody": new.custody == old.custody,
        "pieces": new.pieces == old.pieces,
    }
    return tuple(name for name, holds in tighter.items() if not holds)


def narrows(old: ReleasePolicy, new: ReleasePolicy) -> bool:
    """Is it plain from the two texts that `new` releases nothing that `old` does not?

    It is when each authority of `new` demands all that one of `old` does, condition by condition or
    list by list, and maybe more. Whatever is tighter for another reason is taken for a loosening.
    """
    known = _demands(old)
    return all(any(one <= asked for one in known) for asked in _demands(new))


def _demands(policy: ReleasePolicy) -> tuple[frozenset[str], ...]:
    """Of each authority: the texts of all that must hold. An `anyOf` is one demand; an `allOf`
    within an `allOf` is what its members are."""
    stack: list[tuple[str, frozenset[str]]] = []
    for step in policy.steps:
        if isinstance(step, Condition):
            stack.append((step.text, frozenset({step.text})))
            continue
        members = stack[-step.members :]
        del stack[-step.members :]
        if not stack and step is policy.steps[-1]:
            return tuple(demands for _, demands in members)
        text = f"{step.name}[{','.join(text for text, _ in members)}]"
        if step.name == "allOf":
            stack.append((text, frozenset[str]().union(*(one for _, one in members))))
        else:
            stack.append((text, frozenset({text})))
    return ()


def _consent_kept(old: Terms, new: Terms) -> bool:
    """Whoever could not consent before cannot now, and no fewer must."""
    if not old.threshold:
        return True
    return set(new.approvers) <= set(old.approvers) and new.threshold >= old.threshold


def approvals(joined: bytes) -> tuple[bytes, ...]:
    """Identities from their joined bytes."""
    return codec.split(joined, DIGEST_SIZE)


def _refuse(why: str) -> None:
    raise ProgramError("terms", why)
