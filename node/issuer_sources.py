"""At which issuers a node looks for new keys: `[[issuers]]` of node.toml.

Owns the table, and nothing that happens with it (node/membership/issuer_keys.py). Without one a
node looks nowhere: its operator decides where its host connects to.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from strongroom.node.toml_reader import TableReader

SOURCES_MAX = 16
EVERY_SECONDS = 900
EVERY_SECONDS_MIN, EVERY_SECONDS_MAX = 60, 3_600
"""At most half of what an observation counts (observing.py): else operators miss one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSource:
    """Where one issuer publishes its keys."""

    issuer: str
    """Its URL, as members chose it."""
    jwks: str = ""
    """URL of its key set; "": as its discovery document says (OpenID Connect Discovery §4)."""
    ca: Path | None = None
    """PEM file of the CA of its TLS certificate, absolute; None: those of this machine."""
    every: int = EVERY_SECONDS
    """Seconds between two looks."""


def read_sources(tables: list[TableReader], base: Path) -> tuple[IssuerSource, ...]:
    """What the tables say; problems are noted in them."""
    sources = []
    for table in tables:
        issuer = table.parsed("issuer", _https)
        jwks, ca = table.parsed("jwks", _https, ""), table.parsed("ca", str, "")
        every = table.positive("every", EVERY_SECONDS)
        if not EVERY_SECONDS_MIN <= every <= EVERY_SECONDS_MAX:
            table.problem("every", f"is {EVERY_SECONDS_MIN} to {EVERY_SECONDS_MAX} seconds")
        table.finish()
        if issuer:
            file = Path(os.path.normpath(base / Path(ca))) if ca else None
            sources.append(IssuerSource(issuer=issuer, jwks=jwks or "", ca=file, every=every))
            if [one.issuer for one in sources].count(issuer) > 1:
                table.problem("issuer", "stands twice")
    return tuple(sources)


def source_lines(sources: tuple[IssuerSource, ...], base: Path) -> list[str]:
    """Their TOML lines, for a file in folder `base`."""
    lines = []
    for one in sources:
        lines += ["", "[[issuers]]", f"issuer = {_quoted(one.issuer)}"]
        if one.jwks:
            lines.append(f"jwks = {_quoted(one.jwks)}")
        if one.ca is not None:
            lines.append(f"ca = {_quoted(os.path.relpath(one.ca, base))}")
        if one.every != EVERY_SECONDS:
            lines.append(f"every = {one.every}")
    return lines


def _https(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment:
        raise ValueError(f"{text!r} is no https://… URL without a name or password in it")
    return text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
