"""Which ballots count, how many are needed, and until when: by who votes and what is asked for now.

Pure: deciding is proposals.py's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.consensus.types import Milliseconds, PublicKey
from strongroom.enclave.governance.changes import CHANGES
from strongroom.enclave.governance.records import Changes, Proposal
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.governance.thresholds import Class


@dataclass(frozen=True, slots=True)
class Tally:
    """The ballots of a proposal that count now."""

    yes: int
    no: int
    needed: int
    voters: int

    @property
    def accepted(self) -> bool:
        """Did enough say yes?"""
        return self.yes >= self.needed

    @property
    def rejected(self) -> bool:
        """Can enough no longer come?"""
        return self.voters - self.no < self.needed


def tally(rules: Rules, proposal: Proposal, ballots: Mapping[PublicKey, bool]) -> Tally:
    """Count the ballots of those who vote under these rules."""
    voters = [key for _, key in rules.voters]
    return Tally(
        yes=sum(ballots.get(key) is True for key in voters),
        no=sum(ballots.get(key) is False for key in voters),
        needed=yes_needed(rules, proposal.changes),
        voters=len(voters),
    )


def yes_needed(rules: Rules, changes: Changes) -> int:
    """How many members who vote under these rules must say yes to all of these changes."""
    return rules.yes_needed(groups_of(changes))


def groups_of(changes: Changes) -> set[Class]:
    """The classes of these changes; of what is no change any more, the strictest."""
    return {
        CHANGES[name].judged_as(given) if name in CHANGES else Class.STRICTEST
        for name, given in changes
    }


def expires_ms(tables: Tables, proposal: Proposal) -> Milliseconds:
    """From which block time on an open proposal is expired: by the limit of now, or earlier by its
    own lifetime."""
    most = tables.limit("proposal_lifetime_ms")
    return Milliseconds(proposal.proposed_ms + min(proposal.lifetime_ms or most, most))
