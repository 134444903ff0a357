"""The way through one endpoint's door: connected, and the node behind it admitted.

Owns the beginning of connections and their two tasks. Which endpoint, and when, is nodes.py's.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

import aiohttp

from strongroom.consensus.errors import AttestationError, StrongroomError
from strongroom.consensus.types import PublicKey
from strongroom.enclave.outside.trust import Trust
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.lifetime import fenced, start_in
from strongroom.node.client.calls.pulse import PATIENCE_SECONDS_MAX
from strongroom.node.client.errors import Disconnected, NotTrusted

ADMIT_SECONDS_MAX = 10.0
SURVEY_SECONDS_MAX = 1.5


class Doors:
    """The doors of one service."""

    def __init__(
        self,
        trust: Trust,
        http: aiohttp.ClientSession,
        context: ssl.SSLContext,
        group: asyncio.TaskGroup,
    ) -> None:
        self._trust, self._http, self._context, self._group = trust, http, context, group

    async def enter(self, endpoint: str, patience: float) -> tuple[Connection, str, PublicKey]:
        """A connection to an admitted node, its name and its node key.

        Args:
            endpoint: `https://HOST:PORT`.
            patience: seconds that a ping may take, at least, once it is admitted.

        Raises:
            Disconnected: nobody answers there.
            NotTrusted, AttestationError: it does not verify.
            NoQuorum, Behind: nor can it now.
        """
        # How far it is, nobody knows yet: the race of doors bounds what a hung one costs.
        connection = await Connection.open(
            self._http, endpoint, self._context, patience=PATIENCE_SECONDS_MAX
        )
        try:
            start_in(self._group, connection.run())
            start_in(self._group, fenced(connection.beat)())
            async with asyncio.timeout(ADMIT_SECONDS_MAX):
                enclave = await self._trust.admit(connection)
        except TimeoutError:
            await connection.close()
            raise Disconnected(
                f"{endpoint}: connected, but no answer in {ADMIT_SECONDS_MAX:g} s"
            ) from None
        except (NotTrusted, AttestationError) as fault:
            other = await self._of_another_service(connection)
            await connection.close()
            raise (other or fault) from None
        except BaseException:
            await connection.close()
            raise
        connection.admitted(patience)
        connection.node_key = enclave.claims.node_key
        return connection, enclave.claims.node, enclave.claims.node_key

    async def _of_another_service(self, connection: Connection) -> NotTrusted | None:
        """Why a node that was refused is: it says itself that it is of another service."""
        with suppress(StrongroomError, TimeoutError):
            async with asyncio.timeout(SURVEY_SECONDS_MAX):
                return self._trust.is_another(await connection.ask("service_info", genesis=False))
        return None

    async def status(self, endpoint: str) -> dict[str, Any] | None:
        """What is said there of itself, trusting nothing; None: no answer."""
        request = {"jsonrpc": "2.0", "id": 1, "method": "node_status"}
        timeout = aiohttp.ClientTimeout(total=SURVEY_SECONDS_MAX)
        try:
            async with self._http.post(
                f"{endpoint}/rpc", json=request, ssl=self._context, timeout=timeout
            ) as response:
                document = await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None
        result = document.get("result") if isinstance(document, dict) else None
        return result if isinstance(result, dict) else None
