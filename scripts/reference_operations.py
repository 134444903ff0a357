"""docs/metrics.md and docs/logs.md from the code: every metric of the catalogue, every event that a
node's log may have.

Owns these pages' form and words. The events are read out of the source: a name that a caller made
up is found by no test of the page, so there may be none.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from strongroom.node.metrics.catalogue import METRICS, PREFIX

ROOT = Path(__file__).resolve().parents[1]
METRICS_PAGE, LOGS_PAGE = ROOT / "docs" / "metrics.md", ROOT / "docs" / "logs.md"
LEVELS = frozenset({"debug", "info", "warning", "error"})
LOGGERS = frozenset({"log", "_log"})

METRICS_HEAD = """# Metrics

The table is written by `./scripts/reference` from `node/metrics/catalogue.py`; do not edit it by
hand. A test compares, and another looks that each metric is told by a node and moves when what it
tells of happens. Names are an interface: a change keeps a line in [CHANGELOG.md](../CHANGELOG.md).

## Where they are read

- `GET /metrics` at the clients' address, over TLS. They are public facts, and anybody may read
  them; the text is made anew at most twice a second there.
- `metrics = "127.0.0.1:7420"` in `node.toml`: the same without TLS on an address of its own, for an
  agent on the same machine; nothing else is served there. `health` serves them too. The text is
  made anew at most ten times a second there; `strongroom node run --check` warns of an address that
  others reach.
- [deploy/prometheus/prometheus.yml](deploy/prometheus/prometheus.yml) is a scrape configuration:
  its `ca_file` holds the nodes' certificates, so that nobody else is taken for a node.
- [deploy/grafana/strongroom.json](deploy/grafana/strongroom.json) is a dashboard,
  [alerts.md](alerts.md) says what to do at each alert.

Counters begin at 0 when the node's process starts, but `enclave_restarts_total`. Labels are
registered nodes or an enumeration; a caller or a stranger adds no series. Beside these are
prometheus-client's own `process_…` and `python_gc_…` of the host; enclaves are other processes.

## All of them

| metric | kind | labels | tells |
|---|---|---|---|
"""
METRICS_TAIL = """
`code` of `transactions_total` is what became of an envelope, that of `rpc_requests_total` is `ok`,
`cancelled` (its caller went away) or the code of JSON-RPC ([interfaces.md](interfaces.md)). A
certificate has the signatures of the quorum that was first, so a validator's newest signature may
be some blocks old without anything being wrong.

## Cost

Ordering and execution are noted a few times a block, never for each transaction: 8.7 µs of
processor time for a block of 512 transactions, 0.02 µs each (median of 9, 2026-11-30, load average
3.8). One observation of our histogram takes 0.15 µs, of the library's own 0.70 µs.

A scrape of a node's own registry takes 7.5 ms of the event loop: 1,419 lines, with a histogram of
each of the enclave's operations (processor time, median of 20, 2026-11-30, load average 18.9: a
busy machine). The front door's own lines come on top.
"""
LOGS_HEAD = """# The log

One line an event: its name, then facts. Never plaintext, keys or payloads: a host has none, and
what has a secret inside has no form as text. Names are stable, and tools may match them.

`log_format` in `node.toml` is `json`, `human` or `auto` (default): columns and colours for people
where standard output is a terminal (`NO_COLOR` keeps colours away), else JSON with `timestamp` in
UTC and `level`. `log_level` is `debug`, `info` (default), `warning` or `error`.

`kill -HUP` of the host, or `systemctl reload`, reads `[limits]` and `log_level` again. The event
`config.reloaded` says what changed and names what would need a start and was left as it was; a file
with a mistake changes nothing (`config.not_reloaded`). In a terminal that has gone SIGHUP stops the
node.

Of 1,000 calls at the front door one is logged (`rpc.call`) with its request id. A call that ends as
an internal error always is (`rpc.bug`, `rpc.operator_fault`), and its caller is told the id in
`data.request`.

## Events

Written by `./scripts/reference` from the source; do not edit by hand.

| event | level | facts | where |
|---|---|---|---|
"""


def metrics_page() -> str:
    """The whole page."""
    text = METRICS_HEAD
    for name, entry in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in entry.labels) or "–"
        text += f"| `{name.removeprefix(PREFIX)}` | {entry.kind} | {labels} | {entry.words} |\n"
    return text.replace("| metric |", f"| `{PREFIX}`… |") + METRICS_TAIL


def events() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """(event, level, names of its facts, file) of every line that a node may log."""
    for path in sorted((ROOT / "node").rglob("*.py")):
        source = path.read_text()
        if "structlog" not in source:  # a client's library logs by the standard one
            continue
        for found in ast.walk(ast.parse(source)):
            if isinstance(found, ast.Call) and (levels := _levels(found.func)):
                (name,) = (one.value for one in found.args if isinstance(one, ast.Constant))
                facts = tuple(one.arg for one in found.keywords if one.arg)
                yield str(name), " or ".join(levels), facts, str(path.relative_to(ROOT))


def _levels(function: ast.expr) -> list[str]:
    """The levels at which this logs: of `log.info`, `(log.error if … else log.info)`; or none."""
    if isinstance(function, ast.IfExp):
        return _levels(function.body) + _levels(function.orelse)
    logs = (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in LOGGERS
        and function.attr in LEVELS
    )
    return [function.attr] if logs and isinstance(function, ast.Attribute) else []


def logs_page() -> str:
    """The whole page."""
    rows = sorted({(name, level, facts, file) for name, level, facts, file in events()})
    text = LOGS_HEAD
    for name, level, facts, file in rows:
        shown = ", ".join(fact for fact in facts if fact != "exc_info") or "–"
        text += f"| `{name}` | {level} | {shown} | {file} |\n"
    return text


PAGES = {METRICS_PAGE: metrics_page, LOGS_PAGE: logs_page}
