"""The custodian's listening socket: what comes there and is no HTTP is answered in a sentence and
counted, as at a node's front door; a bug of ours keeps its traceback on stderr.
"""

import asyncio
import ssl
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from strongroom.consensus.errors import OperatorFault
from strongroom.node.rpc.malformed import STRANGERS, HttpConversation, Note


class _Conversation(HttpConversation):
    """As a node's, but for the log: a custodian has none but its terminal."""

    def log_exception(self, *args: Any, exc_info: Any = None, **facts: Any) -> None:
        """Tell of faults of ours."""
        if not isinstance(exc_info, (*STRANGERS, ConnectionError)):
            RequestHandler.log_exception(self, *args, exc_info=exc_info, **facts)


class CustodianSite(web.BaseSite):
    """A TCP site of an aiohttp runner."""

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        *,
        context: ssl.SSLContext | None,
        note: Note,
    ) -> None:
        super().__init__(runner, ssl_context=context)
        self._host, self._port, self._note = host, port, note

    @property
    def name(self) -> str:
        """Its URL."""
        return f"{'https' if self._ssl_context else 'http'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the address cannot be had.
            OperatorFault: it has been ended already.
        """
        await super().start()
        server = self._runner.server
        if server is None:
            raise OperatorFault("the custodian ended before it listened: start it again")
        self._server = await asyncio.get_running_loop().create_server(
            partial(_Conversation, server, self._note),
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
        )
