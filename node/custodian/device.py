"""The customer's device, behind one child process: asked with a deadline, killed when it hangs.

Owns the child's life. A hang: killed, started once more, asked again; a second one is a refusal.
A crash is a refusal, and the next request starts another child. A PIN is tried once: only one that
was right is used again, and after a wrong one nothing is tried until the operator starts anew. What
is told to the token and how is token_session.py; what a half is for is halves.py.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from strongroom.enclave.primitives import Secret
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.token_child import Crashed, Hung, TokenChild
from strongroom.node.custodian.token_words import (
    HALF_SIZE,
    Ask,
    Form,
    KeyFacts,
    TokenFacts,
)

DEADLINE_SECONDS = 5.0
"""Of one request."""
START_SECONDS = 30.0
"""Of an interpreter, a module and a login: HSMs in networks take their time."""
REST_SECONDS = 30.0
"""After two hangs in a row everything is refused at once for so long."""
WAITING_MAX = 32
"""Requests that wait for the one before; the next is refused."""
PROCESS = (sys.executable, "-B", "-m", "strongroom.node.custodian.token_process")
_STALE = frozenset({"no-token", "no-key", "device", "no-module"})
"""After these the next request gets a fresh child."""
_NEVER_AGAIN = frozenset({"pin", "pin-locked"})


class Device:
    """One token of one customer: `async with Device(…) as device`."""

    def __init__(
        self,
        *,
        customer: str,
        module: str,
        token: str,
        serial: str = "",
        pin: Pin,
        environment: Mapping[str, str] | None = None,
        process: Sequence[str] = PROCESS,
        deadline: float = DEADLINE_SECONDS,
        start_deadline: float = START_SECONDS,
    ) -> None:
        """Prepare it; nothing is started yet.

        Args:
            customer: whose it is; stands in every error.
            module: path of the PKCS#11 module.
            token: its label.
            serial: its serial number, where two tokens have one label.
            pin: of the token's user.
            environment: variables that the module wants, beside those of this process.
            process: command of the child; its descriptor and our process id are added.
            deadline: seconds for one request.
            start_deadline: seconds for a start and a login.
        """
        self.customer = customer
        self._module, self._token, self._serial, self._pin = module, token, serial, pin
        self._process, self._deadline, self._start = tuple(process), deadline, start_deadline
        self._environment = dict(environment or {})
        self._child: TokenChild | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._proven = False
        """The PIN was right once."""
        self._trying = False
        """A child has the PIN, and has not said yet whether it is right."""
        self._spent: TokenFault | None = None
        """Why nothing is tried any more."""
        self._rests_until = 0.0
        self.facts: TokenFacts | None = None
        """Which device it is; None before the first login."""

    async def __aenter__(self) -> Self:
        """Start the child and log in.

        Raises:
            TokenFault: it cannot be.
        """
        try:
            await self._request(Ask.PING, ())
        except BaseException:
            await self._drop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child."""
        await self._drop()

    async def half(self, form: Form, id: bytes, label: str, data: bytes) -> Secret:
        """The token's keyed function: HMAC-SHA256 of `data`, or the x-coordinate of key · `data`.

        Raises:
            TokenFault: the token cannot, or there is not exactly one such key that stays inside.
        """
        half = await self._request(Ask.HALF, (form.value, id, label, data))
        if type(half) is not bytes or len(half) != HALF_SIZE:
            raise self._fault("device", "the device answered with something that is no half")
        return Secret(half)

    async def probe(self) -> tuple[tuple[str, bool, tuple[str, ...]], ...]:
        """(what, can the token, mechanisms that it lacks).

        Raises:
            TokenFault: it does not answer.
        """
        shown: tuple[tuple[str, bool, tuple[str, ...]], ...] = await self._request(Ask.PROBE, ())
        return shown

    async def show(self, form: Form, id: bytes, label: str) -> KeyFacts:
        """What the token says of the one key of this id and label.

        Raises:
            TokenFault: there is none, or more than one.
        """
        return KeyFacts.from_wire(await self._request(Ask.SHOW, (form.value, id, label)))

    async def create(self, form: Form, id: bytes, label: str) -> KeyFacts:
        """Make a key that never leaves the token. Not asked twice when the device hangs.

        Raises:
            TokenFault: there is one already, or the token cannot.
        """
        made = await self._request(Ask.CREATE, (form.value, id, label), again=False)
        return KeyFacts.from_wire(made)

    async def make_data_key(self, id: bytes, label: str) -> KeyFacts:
        """Make the key of one version of custody `hsm`. Not asked twice when the device hangs.

        Raises:
            TokenFault: there is one already, or the token cannot.
        """
        made = await self._request(Ask.MAKE_DATA_KEY, (id, label), again=False)
        return KeyFacts.from_wire(made)

    async def show_data_key(self, id: bytes, label: str) -> KeyFacts:
        """What the token says of that key.

        Raises:
            TokenFault: there is none, more than one, or one that may leave the token.
        """
        return KeyFacts.from_wire(await self._request(Ask.SHOW_DATA_KEY, (id, label)))

    async def hand_over(
        self, id: bytes, label: str, *, data: bytes, point: bytes, context: bytes
    ) -> tuple[bytes, bytes]:
        """(the token's point, what it wrapped) for the holder of a point.

        Raises:
            TokenFault: the token cannot, or there is not exactly one such key that stays inside.
        """
        given = await self._request(Ask.HAND_OVER, (id, label, data, point, context))
        if type(given) is not tuple or [type(one) for one in given] != [bytes, bytes]:
            raise self._fault("device", "the device answered with something that is no key")
        return given[0], given[1]

    async def ping(self) -> None:
        """Keep the session alive.

        Raises:
            TokenFault: the device is away.
        """
        await self._request(Ask.PING, ())

    # --- inside -----------------------------------------------------------------------------------

    async def _request(self, ask: Ask, arguments: tuple[Any, ...], *, again: bool = True) -> Any:
        """One request at its turn."""
        if self._waiting >= WAITING_MAX:
            raise self._fault("busy", f"{WAITING_MAX} requests wait for the HSM: ask again later")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._once_more(ask, arguments, again=again)
        finally:
            self._waiting -= 1

    async def _once_more(self, ask: Ask, arguments: tuple[Any, ...], *, again: bool) -> Any:
        """Ask; after a hang kill the child, start another and ask once more."""
        clock = asyncio.get_running_loop().time
        if self._spent is not None:
            raise self._fault(self._spent.code, self._spent.words)
        if clock() < self._rests_until:
            raise self._fault("hang", "the HSM hung twice in a row; it is tried again in a while")
        for attempt in (1, 2):
            try:
                return await self._asked(ask, arguments)
            except Hung:
                await self._drop()
                self._check_pin_is_known()
                if attempt == 2 or not again:
                    self._rests_until = clock() + REST_SECONDS
                    raise self._fault(
                        "hang",
                        "the HSM did not answer in time; its process was killed: look after the "
                        "device, its keys pause meanwhile",
                    ) from None
            except Crashed:
                await self._drop()
                self._check_pin_is_known()
                raise self._fault(
                    "crash",
                    "the module of the HSM crashed its process: its keys pause; the next request "
                    "starts it anew",
                ) from None
            except TokenFault:
                raise
            except BaseException:
                await self._drop()  # an answer that nobody awaits would be taken for the next one's
                raise
        raise AssertionError("two attempts are all")

    async def _asked(self, ask: Ask, arguments: tuple[Any, ...]) -> Any:
        child = self._child or await self._open()
        ok, *answer = await child.ask((ask.value, arguments), self._deadline)
        if ok:
            return answer[0]
        raise await self._refused(*answer)

    async def _open(self) -> "TokenChild":
        """A child that is logged in. The PIN goes to it once its module has found the token."""
        self._check_pin_is_known()
        try:
            self._child = child = await TokenChild.start(self._process, self._environment)
        except OSError as error:
            words = f"the device's process cannot be started ({error.strerror}): ask again later"
            raise self._fault("device", words) from None
        facts = await self._begun(child, Ask.LOAD, self._module, self._token, self._serial)
        self._trying = True
        await self._begun(child, Ask.OPEN, self._pin.reveal())
        self._proven = True
        self.facts = TokenFacts.from_wire(facts)
        return child

    async def _begun(self, child: TokenChild, ask: Ask, *arguments: str) -> Any:
        ok, *answer = await child.ask((ask.value, arguments), self._start)
        if ask is Ask.OPEN:
            self._trying = False
        if ok:
            return answer[0]
        await self._drop()
        raise await self._refused(*answer)

    async def _refused(self, code: Any = "device", words: Any = "") -> TokenFault:
        fault = self._fault(str(code), str(words))
        if code in _NEVER_AGAIN:
            self._spent = fault
        if code in _STALE or code in _NEVER_AGAIN:
            await self._drop()
        return fault

    def _check_pin_is_known(self) -> None:
        """A child that ended during its first login may have used up a try.

        Raises:
            TokenFault: so it is; nothing is tried again by itself.
        """
        trying, self._trying = self._trying, False
        if trying and not self._proven:
            self._spent = self._fault(
                "device",
                "the HSM failed while the PIN was being tried for the first time, which may have "
                "used up a try; nothing tries again by itself: look after the device, then start "
                "anew",
            )
            raise self._spent

    async def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    def _fault(self, code: str, words: str) -> TokenFault:
        return TokenFault(code, words, customer=self.customer)
