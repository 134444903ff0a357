"""The custodian's door: three requests of rooms, over HTTP, with bounds.

    GET  /v1/challenge   32 bytes
    POST /v1/half        a HalfRequest; answers the sealed half, or a refusal in JSON
    POST /v1/key         a TokenKeyRequest; answers the sealed key of custody `hsm`, or a refusal

Nothing that passes here opens anything: a half, and a key, is sealed to the room. TLS, under the
certificate that the ledger names beside the address, hides which room has which key. Owns the
listening, the keep-alive of the HSM, and what ends the process.
"""

import asyncio
import ssl

from aiohttp import web

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.outside.token_key import TOKEN_REQUEST_BYTES_MAX
from strongroom.node.config import Address
from strongroom.node.custodian.answers import HSM, SPLIT
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.errors import HalfRefused, TokenFault
from strongroom.node.custodian.places import Places
from strongroom.node.custodian.releasing import Releaser
from strongroom.node.custodian.site import CustodianSite
from strongroom.node.rpc.malformed import LOGGED_ONE_IN
from strongroom.node.terminal.printing import note

ARRIVING_MAX = 256
"""Requests whose body is still arriving; the next gets `busy`. How many are judged: places.py."""
ARRIVING_OF_ADDRESS_MAX = 16
BODY_SECONDS = 10.0
"""For a request's body to arrive."""
KEEP_ALIVE_SECONDS = 30.0
_STATUS = {"form": 400, "busy": 503, "rate": 429, "custodian-away": 503, "ledger": 503}
_OTHERWISE = 403


class CustodianService:
    """One listening custodian."""

    def __init__(self, releaser: Releaser, device: Device) -> None:
        self._releaser, self._device = releaser, device
        self._arriving = Places(ARRIVING_MAX, ARRIVING_OF_ADDRESS_MAX)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._runner: web.AppRunner | None = None
        self.malformed = 0
        """Requests that were no HTTP, since the start."""

    async def start(
        self, host: str, port: int, *, context: ssl.SSLContext | None = None
    ) -> Address:
        """Listen; where (port 0: any that is free). Without a context: in the clear.

        Raises:
            OperatorFault: the address is taken.
        """
        app = web.Application(client_max_size=TOKEN_REQUEST_BYTES_MAX)
        app.router.add_get("/v1/challenge", self._challenge)
        app.router.add_post("/v1/half", self._half)
        app.router.add_post("/v1/key", self._key)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = CustodianSite(self._runner, host, port, context=context, note=self._malformed)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise OperatorFault(f"cannot listen on {host}:{port}: {error.strerror}") from None
        bound = self._runner.addresses[0]
        return Address(str(bound[0]), int(bound[1]))

    async def run(self) -> None:
        """Until it is cancelled, or the journal takes nothing more.

        Raises:
            OperatorFault: the journal's.
        """
        async with asyncio.TaskGroup() as group:
            alive = group.create_task(self._keep_alive())
            try:
                await self._ended
            finally:
                alive.cancel()

    async def close(self) -> None:
        """Take no more requests."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _challenge(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self._releaser.challenge(), content_type="application/octet-stream"
        )

    async def _half(self, request: web.Request) -> web.Response:
        return await self._answer(request, SPLIT)

    async def _key(self, request: web.Request) -> web.Response:
        return await self._answer(request, HSM)

    async def _answer(self, request: web.Request, custody: str) -> web.Response:
        if self._ended.done():
            return _refusal(HalfRefused("busy", "the custodian ends: ask again later"))
        address = request.remote or ""
        try:
            with self._arriving.one(address):
                async with asyncio.timeout(BODY_SECONDS):
                    data = await request.read()
            sealed = await self._releaser.answer(data, custody=custody, address=address)
        except HalfRefused as refused:
            return _refusal(refused)
        except TimeoutError:
            return _refusal(HalfRefused("form", "the request did not arrive in time"))
        except OperatorFault as fault:
            self._end(fault)
            return _refusal(HalfRefused("custodian-away", f"{self._releaser.customer}: it ended"))
        return web.Response(body=sealed, content_type="application/octet-stream")

    def _malformed(self, error: BaseException, address: str) -> None:
        self.malformed += 1
        if self.malformed % LOGGED_ONE_IN == 1:
            note(
                f"malformed HTTP from {address} ({type(error).__name__}), {self.malformed} so far; "
                f"one in {LOGGED_ONE_IN} is told"
            )

    def _end(self, fault: OperatorFault) -> None:
        if not self._ended.done():
            self._ended.set_exception(fault)

    async def _keep_alive(self) -> None:
        """Networks forget silent sessions; and the operator hears of a device that is away."""
        away = False
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
            try:
                await self._device.ping()
            except TokenFault as fault:
                if not away:
                    note(f"paused: {fault}")
                away = True
            else:
                if away:
                    note(f"{self._releaser.customer}: the HSM is back")
                away = False


def _refusal(refused: HalfRefused) -> web.Response:
    status = _STATUS.get(refused.code, _OTHERWISE)
    document = {"code": refused.code, "message": str(refused)}
    return web.json_response(document, status=status)
