"""Which share that a member gave counts (VAULT §7; T45, T5A).

Owns the judgement of one given share: whose it is, what its member agreed to, whether it opens, and
whether it is the one that was committed to. Each that does not count is refused by a name, alone.
"""

from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.recovery import Agreement
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import (
    GivenShare,
    RecoveryPlan,
    handed_info,
    statement_digest,
)
from strongroom.enclave.formats.recovery_share import Share, ShareRefused
from strongroom.enclave.keys.recovery import ShareCollector
from strongroom.enclave.keys.recovery_state import RecoveryState
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, verify


def judge_share(
    state: RecoveryState, plan: RecoveryPlan, generation: Generation, data: bytes
) -> tuple[str, Share, Agreement]:
    """A member's name, share and agreement.

    Args:
        state: of the enclave that leads.
        plan: its own.
        generation: of the shares in force.
        data: as it came from the host.

    Raises:
        ShareRefused: it is no member's, over another plan, not signed, or does not open.
    """
    try:
        given = GivenShare.decode(data)
    except NotCanonical as error:
        raise ShareRefused("share-malformed", str(error)) from None
    chain, statement = state.chain, plan.statement
    name = statement_digest(chain, statement)
    member = given.agreement.member
    if plan.rules.name_of(member) is None:
        raise ShareRefused(
            "share-of-no-member", f"{member.hex()[:16]}… may not agree to this recovery"
        )
    if given.statement != name:
        raise ShareRefused(
            "agreed-to-another-plan", "it is for another head, enclave or recovery than this"
        )
    try:
        called = given.agreement.check(statement, plan.rules, chain, verify)
    except PeerFault as error:
        raise ShareRefused("agreement-forged", str(error)) from None
    try:
        opened = HybridKey(state.one_time).open(given.sealed, handed_info(chain, name, member))
        share = Share.decode(opened)
    except (DoesNotOpen, NotCanonical):
        raise ShareRefused(
            "share-does-not-open", f"what {called} sealed is no share for this enclave"
        ) from None
    if share.member != member:
        raise ShareRefused("share-of-another-member", f"{called} gave somebody else's share")
    share.check(generation)
    return called, share, given.agreement


def collect(state: RecoveryState, generation: Generation) -> ShareCollector:
    """Those that were counted before."""
    collector = ShareCollector(generation)
    for share, _ in state.shares:
        collector.take(share)
    return collector
