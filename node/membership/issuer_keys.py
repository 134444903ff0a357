"""What this node's host sees of issuers' keys, said on the ledger (VAULT §5).

Owns fetching: over TLS, from where the operator says, bounded in size and time, following nothing;
and when there is something to say: a key that is neither pinned nor removed. That it was really
seen, nobody can check; so the ledger asks f+1 operators (enclave/governance/observing.py).
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import structlog

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.governance.document import Document
from strongroom.enclave.governance.issuers import PinnedKey
from strongroom.enclave.governance.observing import OBSERVATION_MS, OBSERVED_KEYS_MAX
from strongroom.enclave.governance.records import Status
from strongroom.enclave.outside.jwks import read_key_set
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.issuer_sources import IssuerSource

AGAIN_SECONDS = 60.0
"""After one that failed."""
WAKE_SECONDS = 5.0
"""Between two questions whether a look is due: members may just have chosen an issuer."""
FETCH_SECONDS = 10.0
"""For one document, in all."""
FETCH_BYTES_MAX = 128 * 1024
REASON_CHARACTERS_MAX = 300
"""Of a warning: it may repeat a URL that an issuer named."""
_DISCOVERY = "/.well-known/openid-configuration"
_PLAIN = {"Accept-Encoding": "identity"}
"""Nothing is unpacked: a few bytes could be gigabytes."""

log = structlog.get_logger()


class Saying(Protocol):
    """Has the enclave say what was seen."""

    async def observe(self, issuer: str, keys: tuple[tuple[str, str, str], ...]) -> bytes:
        """The envelope."""


class NotFetched(ClientFault):
    """An issuer did not show its keys; the text says why, and nothing of what it sent."""


class IssuerWatch:
    """One node's looks at its issuers."""

    def __init__(
        self,
        sources: Sequence[IssuerSource],
        enclave: Saying,
        submit: Callable[[bytes], None],
        state: Callable[[], Document | None],
        node_key: bytes,
    ) -> None:
        """Prepare.

        Args:
            sources: where to look.
            enclave: signs what was seen.
            submit: brings an envelope to the ledger.
            state: governance's public state, as this node knows it.
            node_key: this node's.
        """
        self._sources, self._enclave = tuple(sources), enclave
        self._submit, self._state, self._node_key = submit, state, node_key
        self._due: dict[str, float] = {}
        """Issuer → when it is looked at next."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look(asyncio.get_running_loop().time())
            await asyncio.sleep(WAKE_SECONDS)

    async def look(self, now: float) -> None:
        """Look at each issuer whose turn has come; one that does not answer keeps back none of the
        others.

        Args:
            now: seconds, of a clock that only goes forward.
        """
        for source in self._sources:
            wanted = self._operator() and _is_observed(self._state(), source.issuer)
            if not wanted or now < self._due.get(source.issuer, now):
                continue
            self._due[source.issuer] = now + source.every
            try:
                await self._look_at(source)
            except (NotFetched, Refusal) as fault:
                self._put_off(source, now, str(fault))
            except Exception as fault:  # what strangers sent ends no node, whatever it was
                self._put_off(source, now, f"{type(fault).__name__}, which nobody expected")

    def _put_off(self, source: IssuerSource, now: float, reason: str) -> None:
        self._due[source.issuer] = now + AGAIN_SECONDS
        log.warning("issuer.not_seen", issuer=source.issuer, reason=reason[:REASON_CHARACTERS_MAX])

    async def _look_at(self, source: IssuerSource) -> None:
        keys = await fetch_keys(source)
        state, operator = self._state(), self._operator()
        news = () if state is None else _news(state, operator, source.issuer, keys)
        if news:
            said = tuple((key.kid, key.algorithm, key.jwk) for key in news)
            self._submit(await self._enclave.observe(source.issuer, said))
            log.info("issuer.seen", issuer=source.issuer, kids=[key.kid for key in news])

    def _operator(self) -> str:
        """Whose node this is, as the ledger knows it; "" while it is no validator."""
        state = self._state()
        for node in () if state is None else state.nodes:
            if node.node_key == self._node_key and node.status == Status.VALIDATOR:
                return node.operator
        return ""


def _is_observed(state: Document | None, issuer: str) -> bool:
    """Did members choose this issuer, and let observations add its keys?"""
    entries = () if state is None else state.member_rules().issuers.entries
    return any(one.url == issuer and one.observed for one in entries)


def _news(
    state: Document, operator: str, issuer: str, keys: Sequence[PinnedKey]
) -> tuple[PinnedKey, ...]:
    """Keys to tell of that could be pinned: none when this operator told of the same ones
    lately."""
    rules = state.member_rules().issuers
    pinned = rules.keys_of(issuer)
    names, prints = {key.kid for key in pinned}, {key.thumbprint for key in pinned}
    prints |= {print_ for url, print_ in rules.unpinned if url == issuer}
    news = tuple(key for key in keys if key.kid not in names and key.thumbprint not in prints)
    news = news[:OBSERVED_KEYS_MAX]
    told = {key.digest for key in news}
    for seen in state.observations:
        fresh = state.time_ms - seen.seen_ms < OBSERVATION_MS // 2
        if (seen.issuer, seen.operator) == (issuer, operator) and fresh and told == set(seen.keys):
            return ()
    return news


async def fetch_keys(source: IssuerSource) -> tuple[PinnedKey, ...]:
    """Keys that an issuer publishes now.

    Raises:
        NotFetched: it does not answer in time, over TLS and to the point.
    """
    context = _tls(source)
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    async with aiohttp.ClientSession(
        timeout=timeout, trust_env=False, auto_decompress=False, headers=_PLAIN
    ) as session:
        url = source.jwks or await _discovered(session, source.issuer, context)
        document = await _fetched(session, url, context)
    try:
        return read_key_set(document, source.issuer)
    except ClientFault as fault:
        raise NotFetched(f"{url}: {fault}") from None


def _tls(source: IssuerSource) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if source.ca is None else str(source.ca))
    except (OSError, ssl.SSLError) as fault:
        raise NotFetched(f"{source.ca}: no certificates to be read there ({fault})") from None


async def _discovered(session: aiohttp.ClientSession, issuer: str, context: ssl.SSLContext) -> str:
    """Where the issuer says that its keys are."""
    url = issuer.rstrip("/") + _DISCOVERY
    try:
        document = json.loads(await _fetched(session, url, context))
        said, jwks = document["issuer"], document["jwks_uri"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise NotFetched(f"{url}: no discovery document") from None
    if said != issuer:
        raise NotFetched(f"{url}: of another issuer")
    if not isinstance(jwks, str):
        raise NotFetched(f"{url}: names no jwks_uri")
    return jwks


async def _fetched(session: aiohttp.ClientSession, url: str, context: ssl.SSLContext) -> bytes:
    try:
        if urlsplit(url).scheme != "https":
            raise NotFetched("keys are fetched over https alone")
        async with session.get(url, ssl=context, allow_redirects=False) as response:
            if response.status != 200:
                raise NotFetched(f"{url}: answered {response.status}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise NotFetched(f"{url}: answered packed, though it was asked not to")
            body = bytearray()
            async for chunk in response.content.iter_chunked(16 * 1024):
                body += chunk
                if len(body) > FETCH_BYTES_MAX:
                    raise NotFetched(f"{url}: over {FETCH_BYTES_MAX} bytes")
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
        raise NotFetched(f"{url}: {type(fault).__name__}") from None
