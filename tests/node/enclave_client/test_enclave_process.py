"""The enclave as a process: one descriptor, no core, not dumpable, gone when its host is (DESIGN
§2, T10)."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from tests.enclave.fixtures import manufacturer
from tests.hang import HANG_SECONDS

from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.process import OTHERS_REQUESTS_MAX, EnclaveGone
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.faults import Overloaded

pytestmark = pytest.mark.processes


@pytest.fixture
def chip(tmp_path: Path) -> Path:
    folder = tmp_path / "chip"
    manufacturer().make_chip().save(folder)
    return folder


async def test_the_door_is_its_only_descriptor_and_it_leaves_no_core(chip: Path) -> None:
    enclave = await EnclaveClient.start(chip)
    try:
        await enclave.measurement_and_chip()
        process = Path("/proc") / str(enclave.pid)
        targets = {os.readlink(descriptor) for descriptor in (process / "fd").iterdir()}
        assert len(targets) == 1
        assert targets.pop().startswith("socket:")
        assert re.search(
            r"^Max core file size\s+0\s+0\s", (process / "limits").read_text(), re.MULTILINE
        )
        assert (process / "environ").read_bytes() == b""
    finally:
        await enclave.stop()


async def test_a_request_out_of_order_is_refused_and_the_next_one_answered(chip: Path) -> None:
    enclave = await EnclaveClient.start(chip)
    try:
        with pytest.raises(Refusal) as refused:
            await enclave.challenge()
        assert refused.value.kind.label == "OutOfOrder"
        measurement, _ = await enclave.measurement_and_chip()
        assert len(measurement) == 48
    finally:
        await enclave.stop()


async def test_a_killed_enclave_fails_what_waits_and_what_comes(chip: Path) -> None:
    enclave = await EnclaveClient.start(chip)
    await enclave.measurement_and_chip()
    os.kill(enclave.pid, signal.SIGSTOP)
    waiting = asyncio.ensure_future(enclave.measurement_and_chip())
    await asyncio.sleep(0)
    os.kill(enclave.pid, signal.SIGKILL)
    with pytest.raises(EnclaveGone):
        await waiting
    with pytest.raises(EnclaveGone):
        await enclave.challenge()
    await enclave.stop()


async def test_T31_clients_cannot_take_the_place_of_votes_in_the_queue_to_the_enclave(
    chip: Path,
) -> None:
    """T31: a node whose clients ask without end still signs and executes; they are told to come
    back."""
    enclave = await EnclaveClient.start(chip)
    await enclave.measurement_and_chip()
    os.kill(enclave.pid, signal.SIGSTOP)
    asking = [
        asyncio.ensure_future(enclave.link_evidence(bytes(32)))
        for _ in range(2 * OTHERS_REQUESTS_MAX)
    ]
    own = asyncio.ensure_future(enclave.measurement_and_chip())
    await asyncio.sleep(0)
    os.kill(enclave.pid, signal.SIGCONT)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Refusal] * OTHERS_REQUESTS_MAX + [
        Overloaded
    ] * OTHERS_REQUESTS_MAX
    assert len((await own)[0]) == 48
    await enclave.stop()


@pytest.mark.parametrize("busy", [False, True], ids=["waiting", "busy"])
async def test_an_enclave_ends_with_its_host(chip: Path, busy: bool) -> None:
    """Also one that does not look at its door: the kernel ends it."""
    host = "\n".join(
        [
            "import asyncio, pathlib, sys",
            "from strongroom.node.enclave_client.calls import EnclaveClient",
            "async def main():",
            "    enclave = await EnclaveClient.start(pathlib.Path(sys.argv[1]))",
            "    await enclave.measurement_and_chip()",
            "    print(enclave.pid, flush=True)",
            "    await asyncio.sleep(600)",
            "asyncio.run(main())",
        ]
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", host, str(chip), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    if busy:
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    await process.wait()
    async with asyncio.timeout(HANG_SECONDS):
        while (
            Path(f"/proc/{pid}").exists()
            and "zombie" not in Path(f"/proc/{pid}/status").read_text()
        ):
            await asyncio.sleep(0.01)
