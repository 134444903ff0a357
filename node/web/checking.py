"""Which nodes of a service may be shown: each is checked against the pin before it is asked.

Owns the verdict over each endpoint and for how long it counts. What is checked is what every client
checks before its first seal (enclave/outside/trust.py): genesis, epochs, fresh evidence over a
nonce of ours, the TLS key of that connection, a quorum for what is newest.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from strongroom.consensus.errors import AttestationError, StrongroomError
from strongroom.consensus.types import Digest
from strongroom.enclave.outside.distrust import Behind, NoQuorum
from strongroom.enclave.outside.trust import Trust
from strongroom.node import tls
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.errors import Disconnected, NotTrusted, Unreachable
from strongroom.node.client.trust.service import Service

CHECK_SECONDS_MAX = 15.0
AGAIN_SECONDS = 60.0
"""A verdict counts for so long; then the node is checked anew before it is asked."""
HURRY_SECONDS = 1.0
"""So long one check has to itself; then the next endpoint is checked beside it."""
REFUSED_SECONDS = 5.0
"""A node that did not answer is not tried again for so long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at one endpoint."""

    endpoint: str
    verdict: str
    """`good`, `bad` (it shows something that does not hold) or `no answer`."""
    words: str
    at: float
    """When, by the loop's clock."""
    context: ssl.SSLContext | None = None
    """Of a good one: what takes the TLS key in its evidence and no other."""

    @property
    def good(self) -> bool:
        """May it be shown?"""
        return self.verdict == "good"

    def document(self) -> dict[str, Any]:
        """For the page and for --json."""
        return {"endpoint": self.endpoint, "verdict": self.verdict, "words": self.words}


class Checker:
    """Verdicts over the endpoints of one service."""

    def __init__(
        self, service: Service, http: aiohttp.ClientSession, context: ssl.SSLContext
    ) -> None:
        self._service, self._http, self._context = service, http, context
        self._trust = Trust(service.pin)
        self._checks: dict[str, asyncio.Task[Finding]] = {}
        """That are under way, by endpoint."""
        self.findings: dict[str, Finding] = {}
        """By endpoint."""

    async def check_all(self, say: Callable[[str], None]) -> None:
        """Check every endpoint, in turn.

        Raises:
            NotTrusted: none is good, and one shows something that does not hold.
            Unreachable: none is good.
        """
        for endpoint in self._service.endpoints:
            say(f"checking {endpoint}")
            await self.check(endpoint)
        found = list(self.findings.values())
        if any(one.good for one in found):
            return
        words = "; ".join(f"{one.endpoint}: {one.words}" for one in found)
        if any(one.verdict == "bad" for one in found):
            raise NotTrusted("nodes", f"no node may be shown: {words}")
        raise Unreachable(f"no node answers: {words}. Look at `strongroom cluster status`")

    async def good(self) -> Finding:
        """An endpoint that was checked lately, or is checked now. One that is slow to check holds
        up nobody: the next ones are checked beside it.

        Raises:
            Unreachable: there is none.
        """
        due = iter([one for one in self._service.endpoints if self._is_due(one)])
        running: set[asyncio.Task[Finding]] = set()
        while (found := self._fresh()) is None:
            endpoint = next(due, None)
            if endpoint is not None:
                running.add(self._checking(endpoint))
            elif not running:
                raise Unreachable("no node answers that holds against the pin")
            patience = None if endpoint is None else HURRY_SECONDS
            done, running = await asyncio.wait(
                running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                one.result()  # a bug of ours is not hidden
        return found

    async def close(self) -> None:
        """End what is under way."""
        for task in self._checks.values():
            task.cancel()
        await asyncio.gather(*self._checks.values(), return_exceptions=True)

    def _fresh(self) -> Finding | None:
        """The first endpoint that may be shown now."""
        for endpoint in self._service.endpoints:
            found = self.findings.get(endpoint)
            if found is not None and found.good and not self._is_due(endpoint):
                return found
        return None

    def _checking(self, endpoint: str) -> asyncio.Task[Finding]:
        """The one check of it, for all who wait for that."""
        task = self._checks.get(endpoint)
        if task is None:
            task = self._checks[endpoint] = asyncio.create_task(self.check(endpoint))
            task.add_done_callback(lambda _: self._checks.pop(endpoint, None))
        return task

    def lost(self, endpoint: str) -> None:
        """It does not answer any more."""
        self._note(endpoint, "no answer", "it does not answer any more")

    async def check(self, endpoint: str) -> Finding:
        """Check one endpoint now."""
        try:
            async with asyncio.timeout(CHECK_SECONDS_MAX):
                words, key = await self._examined(endpoint)
        except (Disconnected, NoQuorum, Behind, TimeoutError) as error:
            return self._note(endpoint, "no answer", str(error) or "no answer in time")
        except (NotTrusted, AttestationError) as error:
            return self._note(endpoint, "bad", f"{error.reason}: {error}")
        except StrongroomError as error:
            return self._note(endpoint, "no answer", str(error))
        context = await asyncio.to_thread(tls.client_context, self._service.ca, key)
        return self._note(endpoint, "good", words, context)

    async def _examined(self, endpoint: str) -> tuple[str, Digest]:
        """What to say of it, and the TLS key in its evidence, which is that of the connection."""
        connection = await Connection.open(self._http, endpoint, self._context)
        refusal: StrongroomError | None = None  # kept out of the group, which would wrap it
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(connection.run())
            try:
                enclave = await self._trust.admit(connection)
            except StrongroomError as error:
                refusal = error
            finally:
                await connection.close()
                reading.cancel()
        if refusal is not None:
            raise refusal
        simulated = ", SIMULATED" if enclave.simulated else ""
        claims = enclave.claims
        return f"{claims.node}: good against the pin{simulated}", claims.tls_key

    def _note(
        self, endpoint: str, verdict: str, words: str, context: ssl.SSLContext | None = None
    ) -> Finding:
        now = asyncio.get_running_loop().time()
        found = self.findings[endpoint] = Finding(endpoint, verdict, words, now, context)
        return found

    def _is_due(self, endpoint: str) -> bool:
        found = self.findings.get(endpoint)
        if found is None:
            return True
        patience = AGAIN_SECONDS if found.good else REFUSED_SECONDS
        return asyncio.get_running_loop().time() - found.at > patience
