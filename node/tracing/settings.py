"""Where traces go: `[tracing]` of node.toml.

Owns the table alone. Without one nothing is sampled and nothing of OpenTelemetry is imported.
"""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from strongroom.node.toml_reader import TableReader

ONE_IN = 1_000
ONE_IN_MAX = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """What is sampled, and who is told."""

    endpoint: str
    """URL of an OTLP collector's traces, over HTTP: http://127.0.0.1:4318/v1/traces."""
    one_in: int = ONE_IN
    """One transaction of so many, by its id: every node takes the same ones."""


def read_tracing(table: TableReader) -> TracingSettings | None:
    """What the table says; problems are noted in it."""
    endpoint = table.parsed("endpoint", _http, "")
    one_in = table.positive("one_in", ONE_IN)
    if one_in > ONE_IN_MAX:
        table.problem("one_in", f"is at most {ONE_IN_MAX}")
    if not endpoint and one_in != ONE_IN:
        table.problem("endpoint", "is missing: nobody is told of what is sampled")
    table.finish()
    return TracingSettings(endpoint=endpoint, one_in=one_in) if endpoint else None


def tracing_lines(settings: TracingSettings | None) -> list[str]:
    """Its TOML lines."""
    if settings is None:
        return []
    lines = ["", "[tracing]", f"endpoint = {json.dumps(settings.endpoint, ensure_ascii=False)}"]
    return lines if settings.one_in == ONE_IN else [*lines, f"one_in = {settings.one_in}"]


def _http(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError(f"{text!r} is no http://… URL without a name or password in it")
    return text
