"""The node's log: one JSON line per event, an event name and public facts (STYLE 22; T10).

Plaintext, keys and payloads never get here: the host has none, and what has a secret inside has no
repr.
"""

import logging
import sys

import structlog


def configure_logging(level: str) -> None:
    """Write JSON lines to stdout from this level ("debug" … "error") on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
