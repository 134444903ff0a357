"""Reading what anyone may read: public methods over HTTPS, as JSON documents, without an identity.

The nodes' certificates stand in the bundle; beyond that an answer is the word of the node that gave
it, until it is checked against the pin (receipts, chain.py).
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from strongroom.consensus.errors import StrongroomError
from strongroom.node import tls
from strongroom.node.client.calls.replies import fault_of, words_of
from strongroom.node.client.errors import NotTrusted, Unreachable
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import Service
from strongroom.node.faults import NotReady, Overloaded, RpcFault

READ_SECONDS_MAX = 15.0
SURVEY_SECONDS_MAX = 1.5


class Reader:
    """One service's public face: `async with Reader(service) as reader`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._endpoints = list(service.endpoints)

    async def __aenter__(self) -> Self:
        """Prepare; nothing is asked yet."""
        self._context = tls.client_context(self.service.ca)
        timeout = aiohttp.ClientTimeout(total=READ_SECONDS_MAX, sock_connect=3.0)
        self._http = open_session(self.service.credential, timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections; what is still under way has nothing to say, and would outlive the
        event loop."""
        if self._http.connector is not None:
            await self._http.connector.close(abort_ssl=True)
        await close_session(self._http)

    async def ask(self, method: str, **params: Any) -> Any:
        """Ask nodes in turn until one answers; it is asked first the next time.

        Raises:
            RpcFault: what the node refuses for good.
            Unreachable: no node answers.
        """
        (answer,) = await self.ask_all([(method, params)])
        return answer

    async def ask_all(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Several calls in one batch, all to the same node.

        Raises:
            RpcFault: the first of them that is refused for good.
            Unreachable: no node answers.
        """
        failures: list[str] = []
        for endpoint in list(self._endpoints):
            try:
                answers = await self._post(endpoint, calls)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                failures.append(f"{endpoint}: {words_of(error)}")
            except (NotReady, Overloaded) as fault:
                failures.append(f"{endpoint}: {fault}")
            else:
                self._endpoints.remove(endpoint)
                self._endpoints.insert(0, endpoint)
                return answers
        raise Unreachable(
            f"no node answers: {'; '.join(failures)}. Look at `strongroom cluster status`"
        )

    async def ask_each(self, method: str, **params: Any) -> list[tuple[str, Any]]:
        """(endpoint, answer) of every endpoint, in the order of service.json; None for one that
        does not answer."""

        async def one(endpoint: str) -> Any:
            try:
                return (await self._post(endpoint, [(method, params)]))[0]
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RpcFault, NotTrusted):
                return None

        endpoints = self.service.endpoints
        return list(zip(endpoints, await asyncio.gather(*map(one, endpoints)), strict=True))

    async def ask_at(self, endpoint: str, method: str, **params: Any) -> Any:
        """Ask one node.

        Raises:
            RpcFault: it refuses.
            Unreachable: it does not answer in time.
            NotTrusted: what it says is no answer.
        """
        try:
            return (await self._post(endpoint, [(method, params)]))[0]
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{endpoint}: {words_of(error)}") from None

    async def survey(self) -> list[dict[str, Any] | None]:
        """Every endpoint's status, trusting none: for words to a waiting user. None: no answer."""

        async def one(endpoint: str) -> dict[str, Any] | None:
            try:
                async with asyncio.timeout(SURVEY_SECONDS_MAX):
                    answer = await self.ask_at(endpoint, "node_status")
            except (TimeoutError, StrongroomError):
                return None
            return answer if isinstance(answer, dict) else None

        return await asyncio.gather(*map(one, self.service.endpoints))

    async def _post(self, endpoint: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        async with self._http.post(f"{endpoint}/rpc", json=batch, ssl=self._context) as response:
            if response.status != 200:
                raise NotReady(f"answers with HTTP status {response.status}")
            replies = await response.json()
        try:
            by_id = {reply["id"]: reply for reply in replies}
            faults = [
                fault_of(by_id[number]["error"])
                for number in range(len(batch))
                if "error" in by_id[number]
            ]
            if faults:
                raise faults[0]
            return [by_id[number]["result"] for number in range(len(batch))]
        except (KeyError, TypeError, AttributeError):
            raise NotTrusted("answer", f"{endpoint} does not answer in JSON-RPC") from None
