"""A device that hangs, crashes or lies: its process is killed, its customer pauses (T56)."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.node.custodian.softhsm import MODULE, PIN, SoftHsm, needs_softhsm, pin, softhsm
from tests.waiting import so

from strongroom.enclave.outside.token_key import HandoverKey
from strongroom.node.custodian.device import PROCESS, REST_SECONDS, WAITING_MAX, Device
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.token_words import Ask, Form

ID, LABEL = bytes(range(16)), "strongroom"
needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

STAND_IN = """
import os, socket, sys, time
from strongroom.consensus import codec
from strongroom.node.custodian.token_words import TokenFacts, frame
folder, pipe = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
with open(folder + "/starts", "a") as starts:
    starts.write(f"{os.getpid()}\\n")
facts = TokenFacts(label="t", serial="1", manufacturer="m", model="m", firmware="1", library="l")
while True:
    size = int.from_bytes(pipe.recv(4), "big")
    ask, arguments = codec.decode(pipe.recv(size))
    mood = open(folder + "/" + ask).read() if os.path.exists(folder + "/" + ask) else "well"
    if mood == "hang once":
        os.remove(folder + "/" + ask)
    if mood.startswith("hang"):
        while True:
            time.sleep(3600)
    if mood == "crash":
        os.abort()
    if mood == "noise":
        pipe.sendall(b"\\xff" * 64)
        continue
    if mood == "wrong pin":
        pipe.sendall(frame((False, "pin", "the PIN is wrong")))
        continue
    result = True
    if ask == "load":
        result = facts.to_wire()
    elif ask == "half":
        result = arguments[3].ljust(32, b"\\0")
    pipe.sendall(frame((True, result)))
"""
"""A device of our own making: its moods are files, so that every kind of trouble is at hand where
no module can be compiled."""


class StandIn:
    """The stand-in's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mood(self, ask: str, mood: str) -> None:
        if mood:
            (self.folder / ask).write_text(mood)
        else:
            (self.folder / ask).unlink(missing_ok=True)

    @property
    def starts(self) -> list[int]:
        """Process ids, in the order in which they began."""
        file = self.folder / "starts"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def device(self, *, deadline: float = HANG_SECONDS) -> Device:
        return Device(
            customer="Acme Toys",
            module="m",
            token="t",
            pin=pin(),
            process=(sys.executable, "-c", STAND_IN, str(self.folder)),
            deadline=deadline,
            start_deadline=HANG_SECONDS,
        )


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


SLOW = 3.0
"""For what hangs at its start: an interpreter has to be up before, whatever the machine does."""
SOON = 0.2
"""A deadline for what never answers; what does answer is asked with HANG_SECONDS."""


async def test_t56_one_that_hangs_twice_is_killed_twice_and_refused(stand_in: StandIn) -> None:
    async with stand_in.device(deadline=HANG_SECONDS) as device:
        stand_in.mood("half", "hang")
        device._deadline = SOON
        with pytest.raises(TokenFault, match=r"^Acme Toys: the HSM did not answer") as raised:
            await device.half(Form.HMAC, ID, LABEL, b"data")
        assert raised.value.code == "hang"
        assert len(stand_in.starts) == 2
        await _all_ended(stand_in)
        with pytest.raises(TokenFault, match="twice in a row"):
            await device.half(Form.HMAC, ID, LABEL, b"data")
        assert len(stand_in.starts) == 2, "it rests"
        device._rests_until -= REST_SECONDS
        device._deadline = HANG_SECONDS
        stand_in.mood("half", "")
        await device.half(Form.HMAC, ID, LABEL, b"data")


async def test_t56_one_that_hangs_once_answers_after_a_restart(stand_in: StandIn) -> None:
    async with stand_in.device() as device:
        stand_in.mood("half", "hang once")
        asked = device._child
        assert asked is not None
        asked_ask, deadlines = asked.ask, [SOON]

        async def soon(request, seconds):  # type: ignore[no-untyped-def]
            return await asked_ask(request, deadlines.pop())

        asked.ask = soon  # type: ignore[method-assign]
        assert (await device.half(Form.HMAC, ID, LABEL, b"data")).reveal().startswith(b"data")
        assert len(stand_in.starts) == 2


async def test_a_key_is_not_made_twice_by_a_device_that_hangs(stand_in: StandIn) -> None:
    async with stand_in.device() as device:
        stand_in.mood("create", "hang")
        device._deadline = SOON
        with pytest.raises(TokenFault) as raised:
            await device.create(Form.HMAC, ID, LABEL)
        assert raised.value.code == "hang"
        assert len(stand_in.starts) == 1


@pytest.mark.parametrize("mood", ["crash", "noise"])
async def test_t56_a_crash_is_a_refusal_and_the_next_request_starts_anew(
    stand_in: StandIn, mood: str
) -> None:
    async with stand_in.device() as device:
        stand_in.mood("half", mood)
        with pytest.raises(TokenFault, match="crashed") as raised:
            await device.half(Form.HMAC, ID, LABEL, b"data")
        assert raised.value.code == "crash"
        assert len(stand_in.starts) == 1
        stand_in.mood("half", "")
        await device.half(Form.HMAC, ID, LABEL, b"data")
        assert len(stand_in.starts) == 2


@pytest.mark.parametrize("mood", ["crash", "noise", "wrong pin", "hang"])
async def test_t56_a_pin_that_never_was_right_is_tried_once(stand_in: StandIn, mood: str) -> None:
    stand_in.mood("open", mood)
    device = stand_in.device()
    begun = device._begun

    async def soon(child, ask, *arguments):  # type: ignore[no-untyped-def]
        device._start = SOON if (ask, mood) == (Ask.OPEN, "hang") else HANG_SECONDS
        return await begun(child, ask, *arguments)

    device._begun = soon  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises(TokenFault):
            await device.ping()
    stand_in.mood("open", "")
    with pytest.raises(TokenFault):
        await device.ping()
    assert len(stand_in.starts) == 1
    await _all_ended(stand_in)


@pytest.mark.parametrize("mood", ["crash", "hang once"])
async def test_t56_what_fails_before_it_has_the_pin_uses_up_no_try(
    stand_in: StandIn, mood: str
) -> None:
    """A module that hangs or crashes while it is loaded: the device is tried again."""
    stand_in.mood("load", mood)
    device = stand_in.device()
    if mood == "crash":
        with pytest.raises(TokenFault) as raised:
            await device.ping()
        assert raised.value.code == "crash"
        stand_in.mood("load", "")
    device._start = SLOW if mood != "crash" else HANG_SECONDS
    await device.ping()
    assert len(stand_in.starts) == 2
    await device.__aexit__(None, None, None)
    await _all_ended(stand_in)


async def test_t56_a_login_that_nobody_awaits_any_more_is_not_tried_again(
    stand_in: StandIn,
) -> None:
    import asyncio

    stand_in.mood("open", "hang")
    device = stand_in.device()
    task = asyncio.ensure_future(device.ping())
    while not device._trying:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stand_in.mood("open", "")
    with pytest.raises(TokenFault, match="used up a try"):
        await device.ping()
    assert len(stand_in.starts) <= 1
    await _all_ended(stand_in)


async def test_a_process_that_cannot_be_started_is_a_refusal(stand_in: StandIn) -> None:
    device = stand_in.device()
    device._process = (str(stand_in.folder / "no such program"),)
    with pytest.raises(TokenFault, match="cannot be started") as raised:
        await device.ping()
    assert raised.value.code == "device"


async def test_t56_a_pin_that_was_changed_meanwhile_is_tried_once_more_and_no_further(
    stand_in: StandIn,
) -> None:
    async with stand_in.device() as device:
        stand_in.mood("half", "crash")
        stand_in.mood("open", "wrong pin")
        for code in ("crash", "pin", "pin", "pin"):
            with pytest.raises(TokenFault) as raised:
                await device.half(Form.HMAC, ID, LABEL, b"data")
            assert raised.value.code == code
        assert len(stand_in.starts) == 2


async def test_an_answer_that_nobody_awaits_is_not_taken_for_the_next_one(
    stand_in: StandIn,
) -> None:
    """A cancelled request leaves no answer in the pipe."""
    import asyncio

    async with stand_in.device() as device:
        task = asyncio.ensure_future(device.half(Form.HMAC, ID, LABEL, b"first"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        second = await device.half(Form.HMAC, ID, LABEL, b"second")
        assert second.reveal() == b"second".ljust(32, b"\0")


async def test_requests_that_wait_are_bounded(stand_in: StandIn) -> None:
    import asyncio

    async with stand_in.device() as device:
        many = [device.half(Form.HMAC, ID, LABEL, b"data") for _ in range(WAITING_MAX + 5)]
        said = await asyncio.gather(*many, return_exceptions=True)
    refused = [one for one in said if isinstance(one, TokenFault)]
    assert len(refused) == 5
    assert {one.code for one in refused} == {"busy"}


async def _all_ended(stand_in: StandIn) -> None:
    await so(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in stand_in.starts),
        "a killed process ends",
    )


# --- a real module ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trap_module(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("trap") / "trap.so"
    source = Path(__file__).with_name("trap.c")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-o", str(built), str(source), "-ldl"],
        check=True,
        capture_output=True,
        timeout=HANG_SECONDS,
    )
    return str(built)


@pytest.fixture
def hsm(tmp_path: Path) -> SoftHsm:
    made = softhsm(tmp_path / "hsm")
    made.token()
    return made


def trapped(hsm: SoftHsm, module: str, trap: Path) -> Device:
    return Device(
        customer="Acme Toys",
        module=module,
        token="acme",
        pin=pin(),
        environment={
            **hsm.environment,
            "STRONGROOM_TRAP": str(trap),
            "STRONGROOM_TRAP_MODULE": MODULE,
        },
        process=PROCESS,
        deadline=HANG_SECONDS,
        start_deadline=HANG_SECONDS,
    )


@needs_softhsm
@needs_compiler
async def test_t56_a_module_that_hangs_or_crashes_in_c_costs_its_process_alone(
    hsm: SoftHsm, trap_module: str, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    async with trapped(hsm, trap_module, trap) as device:
        await device.create(Form.HMAC, ID, LABEL)
        before = (await device.half(Form.HMAC, ID, LABEL, b"data")).reveal()
        trap.write_text("crash sign")
        with pytest.raises(TokenFault, match="crashed"):
            await device.half(Form.HMAC, ID, LABEL, b"data")
        trap.unlink()
        assert (await device.half(Form.HMAC, ID, LABEL, b"data")).reveal() == before
        trap.write_text("hang sign")
        device._deadline = SOON
        with pytest.raises(TokenFault) as raised:
            await device.half(Form.HMAC, ID, LABEL, b"data")
        assert raised.value.code == "hang"
        trap.unlink()
        device._rests_until, device._deadline = 0.0, HANG_SECONDS
        assert (await device.half(Form.HMAC, ID, LABEL, b"data")).reveal() == before


BEGINNING = ("initialize", "slots", "open", "login")
ASKING = ("find", "attribute", "signinit", "sign", "pair", "derive", "wrap", "destroy")
IN_SUITE = {("crash", "initialize"), ("hang", "derive"), ("child", "wrap")}


@needs_softhsm
@needs_compiler
@pytest.mark.parametrize(
    ("what", "call"),
    [
        pytest.param(
            what,
            call,
            marks=[] if (what, call) in IN_SUITE else [pytest.mark.long],
        )
        for call in (*BEGINNING, *ASKING)
        for what in ("crash", "hang", "child")
    ],
)
async def test_t56_wherever_a_module_fails_there_is_a_refusal_and_no_process_left(
    hsm: SoftHsm, trap_module: str, tmp_path: Path, what: str, call: str
) -> None:
    """Also what the module started itself is gone; and the device answers again after it."""
    trap = tmp_path / "trap"
    async with trapped(hsm, trap_module, trap) as device:
        await device.create(Form.HMAC, ID, LABEL)
        await device.make_data_key(ID, "data")

        async def ask() -> None:
            if call in ("signinit", "sign"):
                await device.half(Form.HMAC, ID, LABEL, b"data")
                return
            point = HandoverKey().point
            await device.hand_over(ID, "data", data=bytes(32), point=point, context=bytes(32))

        await ask()
        if call in BEGINNING:
            await device._drop()  # the next request begins anew
            trap.write_text(f"{what} {call}")
            device._start = HANG_SECONDS if what == "crash" else SLOW
        else:
            trap.write_text(f"{what} {call}")
            device._deadline = HANG_SECONDS if what == "crash" else SOON
        with pytest.raises(TokenFault, match=r"^Acme Toys: ") as raised:
            await ask()
        assert raised.value.code == ("crash" if what == "crash" else "hang")
        assert device._child is None
        if what != "crash":
            said = trap.with_name("trap.hung")  # none where a slow machine did not come so far
            left = int(said.read_text()) if said.exists() else 0
            await so(lambda: not left or not _runs(left), "no process of the module is left")
        trap.unlink()
        device._rests_until, device._deadline = 0.0, HANG_SECONDS
        device._start = HANG_SECONDS
        await ask()


@needs_softhsm
@needs_compiler
async def test_a_session_that_is_gone_is_opened_anew_once(
    hsm: SoftHsm, trap_module: str, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    async with trapped(hsm, trap_module, trap) as device:
        await device.create(Form.HMAC, ID, LABEL)
        before = (await device.half(Form.HMAC, ID, LABEL, b"data")).reveal()
        child = device._child
        trap.write_text("gone sign")
        assert (await device.half(Form.HMAC, ID, LABEL, b"data")).reveal() == before
        assert not trap.exists(), "the trap was sprung"
        assert device._child is child, "in the same process"


@needs_softhsm
@needs_compiler
async def test_what_a_module_prints_goes_nowhere(
    hsm: SoftHsm, trap_module: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """This one prints the PIN at every login, on both streams."""
    async with trapped(hsm, trap_module, tmp_path / "trap") as device:
        await device.ping()
        child = device._child
        assert child is not None
        pid = child._process.pid
        assert PIN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        with suppress(PermissionError):  # only root may look
            assert PIN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    printed = capfd.readouterr()
    assert PIN not in printed.out + printed.err
    assert PIN not in repr(vars(device)) + repr(device)


@needs_softhsm
async def test_a_refusal_that_is_none_of_the_devices_fault_keeps_its_process(
    hsm: SoftHsm,
) -> None:
    async with Device(
        customer="Acme",
        module=MODULE,
        token="acme",
        pin=pin(),
        environment=hsm.environment,
        deadline=HANG_SECONDS,
        start_deadline=HANG_SECONDS,
    ) as device:
        await device.create(Form.HMAC, ID, LABEL)
        child = device._child
        with pytest.raises(TokenFault) as raised:
            await device.create(Form.HMAC, ID, LABEL)
        assert raised.value.code == "exists"
        assert device._child is child


HUNG_PARENT = """
import asyncio, sys
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.token_words import Ask, Form

async def main():
    module, trap, softhsm, inner = sys.argv[1:]
    environment = {"STRONGROOM_TRAP": trap, "STRONGROOM_TRAP_MODULE": inner}
    environment["SOFTHSM2_CONF"] = softhsm
    pin = Pin(sys.stdin.readline().strip())
    device = Device(customer="A", module=module, token="acme", pin=pin,
        environment=environment, deadline=3600.0, start_deadline=3600.0)
    async with device:
        print(device._child._process.pid, flush=True)
        await device.half(Form.HMAC, bytes(range(16)), "strongroom", b"data")

asyncio.run(main())
"""


@needs_softhsm
@needs_compiler
async def test_a_killed_custodian_leaves_no_hung_process_behind(
    hsm: SoftHsm, trap_module: str, tmp_path: Path
) -> None:
    """kill -9 while the module hangs in C: nobody is left who could kill it."""
    trap = tmp_path / "trap"
    async with trapped(hsm, trap_module, trap) as device:
        await device.create(Form.HMAC, ID, LABEL)
    trap.write_text("hang sign")
    configuration = hsm.environment["SOFTHSM2_CONF"]
    with subprocess.Popen(
        [sys.executable, "-c", HUNG_PARENT, trap_module, str(trap), configuration, MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(PIN + "\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        await so(trap.with_name("trap.hung").exists, "it hangs in C")
        assert os.getsid(child) == child, "a terminal's Ctrl-C is not for it"
        parent.send_signal(signal.SIGKILL)
    await so(lambda: not _runs(child), "its device's process ends with it")


def _runs(pid: int) -> bool:
    """Not ended, nor waiting for init to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
