"""Which metrics an expression of PromQL reads, by a real parser of it."""

import re
from typing import Any

import pytest

parser: Any = pytest.importorskip("promql_parser", reason="promql-parser is in the extra `test`")


def parsed(expression: str) -> Any:
    """The tree; Grafana's variables are given values first. Raises ValueError: no PromQL."""
    for name, value in {"$__rate_interval": "1m", "$__range": "1h"}.items():
        expression = expression.replace(name, value)
    expression = re.sub(r"\$\{?\w+\}?", "x", expression)
    return parser.parse(expression)


def metrics_in(expression: str) -> set[str]:
    """Names of the metrics that it reads."""
    tree = parsed(expression)
    text = re.sub(r'"[^"]*"', '""', tree.prettify())
    return set(re.findall(r"\b(?:strongroom_\w+|up|process_\w+|python_\w+)\b", text))
