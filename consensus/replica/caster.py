"""How a statement is made: promised, and logged with the headers that it rests on (PROTOCOL §4
Guard, §5).

Owns the only way from a decision to a Cast. The driver makes it durable before the enclave signs
it.
"""

from strongroom.consensus.errors import invariant
from strongroom.consensus.replica.blocktree import BlockTree
from strongroom.consensus.replica.events import CandidateRecord, Cast, Output, Proposal
from strongroom.consensus.safety import GuardRefuses, SafetyRules
from strongroom.consensus.statements import Kind, Statement


class Caster:
    """Casts of one replica."""

    def __init__(self, promises: SafetyRules, tree: BlockTree) -> None:
        self._promises, self._tree = promises, tree

    def may_cast(self, statement: Statement) -> bool:
        """Is this new, and does the guard allow it?"""
        if self._promises.said(statement.view, statement.kind) is not None:
            return False
        try:
            self._promises.check(statement)
        except GuardRefuses:
            return False
        return True

    def cast(self, statement: Statement, out: Output, proposal: Proposal | None = None) -> None:
        """Promise, and put the block and all its ancestors above the final one into the log, unless
        they are there.

        Raises:
            GuardRefuses: `may_cast` was not asked.
        """
        self._promises.add(statement)
        lineage = [] if statement.kind is Kind.NULLIFY else self._tree.lineage(statement.digest)
        invariant(isinstance(lineage, list), "a block is voted for whose ancestors are not held")
        for node in lineage if isinstance(lineage, list) else ():
            if not node.logged:
                node.logged = True
                out.persist.append(CandidateRecord(node.header))
        out.cast.append(Cast(statement, proposal))
