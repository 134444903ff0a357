"""What the worker's SQL says when it does not do as asked.

Owns the rules' names, the refusal of a query before it runs, and the one error of a query that ran.
Neither ever holds a value of a row: a refusal is made of the query's text and the policies, and the
error of a run says nothing at all (T61, T63).
"""

from enum import Enum
from typing import Final

from strongroom.consensus.errors import ClientFault


class Rule(Enum):
    """ROOMS §5, each with what it is about."""

    S1 = "one SELECT tree"
    S2 = "tables and names of the contract"
    S3 = "functions that never fail"
    S4 = "no construct outside the list"
    S5 = "uses of columns"
    S6 = "aggregates over plain columns"
    S7 = "literals only against filter columns"
    S8 = "joins"
    S9 = "at least k units, each data set once"
    S10 = "differential privacy"
    S11 = "order and limit"
    S12 = "only the re-emitted text runs"


class Refused(ClientFault):
    """A query, a policy or a parameter is not taken.

    Attributes:
        rule: which of S1 … S12.
        place: `line:column` in the query, or the name of a clause.
        what: what is not taken.
        remedy: what would be.
    """

    def __init__(self, rule: Rule, place: str, what: str, remedy: str) -> None:
        super().__init__(f"{rule.name} ({rule.value}) at {place}: {what}; {remedy}")
        self.rule, self.place, self.what, self.remedy = rule, place, what, remedy


class PolicyRefused(ClientFault):
    """A data set's policy contradicts itself, or two do not combine."""


FAILED: Final = "the query failed"


class QueryFailed(ClientFault):
    """A checked query did not end with a result. Why is not said: it may hang on rows."""

    def __init__(self) -> None:
        super().__init__(FAILED)
