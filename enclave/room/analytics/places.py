"""Where in a query's text something stands, for refusals.

Owns `line:column`, from the engine's byte offsets. Knows no rule.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Places:
    """A query's text."""

    text: bytes

    def of(self, node: Any, otherwise: str) -> str:
        """`line:column` of a node, from 1; `otherwise` where the engine does not say."""
        offset = node.get("query_location") if isinstance(node, dict) else None
        if type(offset) is not int or not 0 <= offset < len(self.text):
            return otherwise
        before = self.text[:offset]
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        return f"{before.count(10) + 1}:{column}"
