"""What comes to the front door and is no HTTP: told so in one sentence, and counted.

Owns that a stranger's bytes fill no log: the library under us writes a traceback for each. A fault
of ours is one still, and is told as such (failures.py).
"""

from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import PayloadAccessError, RequestHandler, RequestPayloadError

from strongroom.node.machine.transports import abort
from strongroom.node.metrics.tallies import Count
from strongroom.node.rpc.failures import log_failure

LOGGED_ONE_IN = 1_000
"""Of so many malformed requests the log tells of one, beginning with the first."""
GOODBYE_SECONDS = 1.0
"""For the answer to arrive; without an end TLS goes on to decrypt what nobody wants for 30 s."""
REASON = "malformed"
_SENTENCE = (
    "malformed HTTP request: send HTTP/1.1, its request line and each header at most 8 KiB long, "
    "and a body as long as it says\n"
)
STRANGERS = (HttpProcessingError, RequestPayloadError, PayloadAccessError)
_log = structlog.get_logger()
Note = Callable[[BaseException, str], None]
"""(what is wrong, whence it came): count it."""


def noted_in(rejected: Count) -> Note:
    """Counts in these, and tells the log now and then."""

    def note(error: BaseException, address: str) -> None:
        rejected[REASON] += 1
        if rejected[REASON] % LOGGED_ONE_IN == 1:
            _log.info(
                "rpc.malformed",
                error=type(error).__name__,
                address=address,
                count=rejected[REASON],
            )

    return note


class HttpConversation(RequestHandler):
    """One connection, as aiohttp's own but for what it logs and says of malformed requests. What a
    stranger sent is not sent back: escaped, it would be four times as long."""

    __slots__ = ("_note",)

    def __init__(self, server: web.Server, note: Note) -> None:
        super().__init__(server, loop=server._loop, **server._kwargs)
        self._note = note

    def data_received(self, data: bytes) -> None:
        """A body that breaks off in what is no HTTP ends its request now: aiohttp leaves it waiting
        for the rest, which never comes."""
        super().data_received(data)
        if not self._messages or self._current_request is None:
            return
        error = getattr(self._messages[-1][0], "exc", None)
        body = self._current_request.content
        if isinstance(error, HttpProcessingError) and not body.is_eof():
            body.set_exception(error)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what could not be read, or not be answered; it ends the connection.

        Raises:
            ConnectionError: an answer is on its way already.
        """
        if not isinstance(exc, STRANGERS):
            return super().handle_error(request, status, exc, message)
        self._note(exc, request.remote or "")
        if self.transport is not None:
            self._loop.call_later(GOODBYE_SECONDS, abort, self.transport)
        if request.writer.output_size > 0:
            raise ConnectionError("half an answer is sent: no other can follow it")
        response = web.Response(status=400, text=_SENTENCE)
        response.force_close()
        return response

    def log_exception(self, *args: Any, exc_info: Any = None, **facts: Any) -> None:
        """Faults of ours are told; what a stranger sends behind its answer is thrown away, and that
        it went away before its answer is no fault of anybody's."""
        if isinstance(exc_info, (*STRANGERS, ConnectionError)):
            return
        if isinstance(exc_info, Exception):
            log_failure("http", exc_info)
        else:
            super().log_exception(*args, exc_info=exc_info, **facts)
