"""What a host carries between its room and a key's custodian: a challenge, a request, an answer.

Owns where they go: to the address that the custodian itself announced on the ledger, and nowhere
else, whatever the room's program says. Believes nothing of what it carries. Everything is bounded:
time, bytes, how many at once; no answer sends it elsewhere.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

import aiohttp

from strongroom.consensus.errors import ClientFault, StrongroomError
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.outside.token_key import TOKEN_REQUEST_BYTES_MAX
from strongroom.enclave.room.host import TEXT_MAX
from strongroom.node.client.http import close_session, open_session
from strongroom.node.custodian.door_key import read_address
from strongroom.node.faults import RpcFault

PATHS: Final = {
    "custodian_challenge": "/v1/challenge",
    "custodian_half": "/v1/half",
    "custodian_key": "/v1/key",
}
"""What a room asks its custodian → where."""
AT_ONCE_MAX = 8
CARRY_SECONDS = 20.0
"""For one question, from the ledger's word on the address to the last byte."""
ANSWER_BYTES_MAX = 64 * 1024
ANNOUNCED_SECONDS = 60.0
"""For so long an address is not asked of the ledger again, while it answers."""
AWAY = "custodian-away"

Announced = Callable[[bytes], Awaitable[str]]
"""Identity → the address that the ledger knows for it; raises ClientFault: none."""


class CustodianSaid(RpcFault):
    """A custodian gives no half, or none answers; `reason` is its code."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text, reason=reason)


class Custodians:
    """One room's way to custodians, from `open` to `close`."""

    def __init__(self, announced: Announced) -> None:
        self._announced = announced
        self._known: dict[bytes, tuple[float, str]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Custodians":
        """Open the way; connects when it is first needed."""
        self._http = open_session(None, aiohttp.ClientTimeout(total=CARRY_SECONDS))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every connection."""
        if self._http is not None:
            await close_session(self._http)

    async def ask(self, method: str, params: dict[str, Any]) -> bytes:
        """Carry one question; what came back, unchecked.

        Raises:
            CustodianSaid: it refuses, or none answers, with the code and words for the room.
        """
        identity, request = params.get("custodian"), params.get("request")
        if type(identity) is not bytes or len(identity) != DIGEST_SIZE:
            raise ClientFault("no custodian is named")
        if request is not None and (
            type(request) is not bytes or len(request) > TOKEN_REQUEST_BYTES_MAX
        ):
            raise ClientFault(f"a request has at most {TOKEN_REQUEST_BYTES_MAX} bytes")
        try:
            async with asyncio.timeout(CARRY_SECONDS), self._at_once:
                return await self._carried(PATHS[method], identity, request)
        except CustodianSaid as said:
            if said.data["reason"] == AWAY:
                self._known.pop(identity, None)
            raise
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as fault:
            self._known.pop(identity, None)
            why = str(fault) or f"no answer in {CARRY_SECONDS:g} s"
            raise CustodianSaid(AWAY, why[:TEXT_MAX]) from None

    async def _carried(self, path: str, identity: bytes, request: bytes | None) -> bytes:
        if self._http is None:
            raise ClientFault("the way to custodians is closed")
        url, certificate = _read(await self._endpoint(identity))
        verb = "GET" if request is None else "POST"
        only = True if certificate is None else aiohttp.Fingerprint(certificate)
        try:
            async with self._http.request(
                verb, url.rstrip("/") + path, data=request, ssl=only, allow_redirects=False
            ) as answer:
                body = await _bounded(answer.content)
                if answer.status == 200:
                    return body
                raise _refusal(answer.status, body)
        except aiohttp.ServerFingerprintMismatch:
            raise CustodianSaid(
                AWAY, "what answers at its address has not the certificate that the ledger names"
            ) from None

    async def _endpoint(self, identity: bytes) -> str:
        """Where the ledger says that it answers."""
        asked, endpoint = self._known.get(identity, (0.0, ""))
        if endpoint and monotonic() - asked < ANNOUNCED_SECONDS:
            return endpoint
        try:
            endpoint = await self._announced(identity)
        except StrongroomError as fault:
            raise CustodianSaid(
                AWAY, f"the ledger names no address for it ({fault})"[:TEXT_MAX]
            ) from None
        if not endpoint:
            raise CustodianSaid(AWAY, "it said on the ledger that it answers nowhere for now")
        self._known[identity] = monotonic(), endpoint
        return endpoint


def _read(address: str) -> tuple[str, bytes | None]:
    try:
        return read_address(address)
    except ClientFault as fault:
        raise CustodianSaid(AWAY, str(fault)) from None


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_chunked(1 << 14):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise CustodianSaid(AWAY, f"it answers with more than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _refusal(status: int, body: bytes) -> CustodianSaid:
    """What a custodian says instead of giving."""
    try:
        said = json.loads(body)
        code, message = said["code"], said["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        code = message = None
    if type(code) is not str or type(message) is not str:
        return CustodianSaid(AWAY, f"what answers at its address is no custodian (HTTP {status})")
    return CustodianSaid(code[:TEXT_MAX], message[:TEXT_MAX])
