"""The node's log: one line per event, an event name and public facts (STYLE 22; T10).

JSON for machines; for people, in columns, where standard output is a terminal. Plaintext, keys and
payloads never get here: the host has none, and what has a secret inside has no repr. Names are
stable: docs/logs.md lists them.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

_HUMAN_TIME = "%H:%M:%S"


class _Threshold:
    """Drops what is below the level of now: it changes while loggers are in use."""

    def __init__(self) -> None:
        self.number = logging.INFO

    def __call__(
        self, _: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if logging.getLevelNamesMapping()[method.upper()] < self.number:
            raise structlog.DropEvent
        return event


_threshold = _Threshold()


def configure_logging(
    level: str,
    form: str = "json",
    *,
    stream: TextIO | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Write lines from this level ("debug" … "error") on.

    Args:
        level: the least that is written; `set_level` changes it.
        form: "json", "human", or "auto": for people where the stream is a terminal.
        stream: standard output, unless given.
        environment: NO_COLOR in it keeps colours away.
    """
    out = stream or sys.stdout
    human = form == "human" or (form == "auto" and out.isatty())
    set_level(level)
    structlog.configure(
        processors=[
            _threshold,
            structlog.processors.add_log_level,
            *(_for_people(out, environment) if human else _for_machines()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> None:
    """Write from this level on, whoever logs."""
    _threshold.number = logging.getLevelNamesMapping()[level.upper()]


def _for_machines() -> list[Any]:
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ]


def _for_people(out: TextIO, environment: Mapping[str, str]) -> list[Any]:
    """Local time; every text is shown with its escapes, so that no name moves the cursor (T72)."""
    return [
        structlog.processors.TimeStamper(fmt=_HUMAN_TIME, utc=False),
        _escape,
        structlog.dev.ConsoleRenderer(
            colors=out.isatty() and not environment.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,  # the other one shows variables
            pad_event_to=24,
        ),
    ]


def _escape(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key not in ("exc_info", "exception") and not isinstance(value, str | int | float):
            value = event[key] = repr(value)
        if isinstance(value, str) and not value.isprintable():
            event[key] = repr(value)
    return event
