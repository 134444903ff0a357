"""Local clusters of real processes, driven by the command line as a user would."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hang import HANG_SECONDS
from tests.node.commands import CLI
from tests.waiting import seen

from strongroom.enclave.sandbox.walls import survey
from strongroom.node.cluster.cluster import open_cluster
from strongroom.node.machine.processes import ProcessId

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "scripts" / "demo.py")]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STRONGROOM_DIR": str(folder)}
    return subprocess.run(
        [*CLI, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def good(*arguments: str, folder: Path) -> Any:
    done = run(*arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def nodes(folder: Path) -> dict[str, dict[str, Any]]:
    """What `cluster status --json` says of each, without a process for every look."""
    return {node["name"]: node for node in asyncio.run(open_cluster(folder).status())["nodes"]}


def nodes_once(
    folder: Path, holds: Callable[[dict[str, dict[str, Any]]], bool]
) -> dict[str, dict[str, Any]]:
    """The table once it says so: a node that is busy may not answer at once, and links take a
    moment."""

    async def look() -> dict[str, dict[str, Any]]:
        return await asyncio.to_thread(nodes, folder)

    return asyncio.run(seen(look, holds))


def processes_of(folder: Path) -> list[str]:
    """Command lines that name a folder: hosts and enclaves."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and int(entry.parent.name) != os.getpid():
            found.append(command)
    return found


def interrupt_at(
    command: list[str], text: str, environment: dict[str, str], number: signal.Signals
) -> int:
    """Start a command, send its process group a signal as soon as it prints a text, and again; its
    exit code."""
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if text in line:
                os.killpg(process.pid, number)  # as a terminal does
                os.killpg(process.pid, number)
        assert any(text in line for line in seen), f"never said {text!r}: {''.join(seen)}"
        assert "Traceback" not in "".join(seen), "".join(seen)
    return process.returncode


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("shared") / "cluster"
    made = run("cluster", "up", "--detach", "--base-port", "0", "--json", folder=folder)
    assert made.returncode == 0, made.stderr
    yield folder
    run("cluster", "down", folder=folder)


@pytest.fixture
def cluster(shared: Path) -> Path:
    """All four nodes run and vote."""
    there = open_cluster(shared)
    if len(there.running()) < len(there.nodes):
        done = run("cluster", "up", "--detach", folder=shared)
        assert done.returncode == 0, done.stderr
    for name in there.names:
        asyncio.run(there.wait_voting(name, seconds=HANG_SECONDS))
    return shared


def test_a_new_cluster_votes_and_its_folder_says_all_that_a_client_needs(cluster: Path) -> None:
    shown = good("cluster", "status", folder=cluster)["nodes"]
    assert [node["name"] for node in shown] == ["n0", "n1", "n2", "n3"]
    well = {"state": "voting", "peers": 3, "attestation": "good (SIMULATED)"}
    table = nodes_once(
        cluster, lambda table: all(well.items() <= node.items() for node in table.values())
    )
    assert len(table) == 4
    service = json.loads((cluster / "service.json").read_text())
    assert set(service) == {"service", "chain", "endpoints", "ca"}
    assert service["endpoints"] == [node["endpoint"] for node in table.values()]
    assert Path(service["ca"]).read_text().count("BEGIN CERTIFICATE") == 4


def test_the_log_says_which_walls_stand_around_the_enclave_and_which_this_machine_has_not(
    cluster: Path,
) -> None:
    lines = (cluster / "n0" / "node.log").read_text().splitlines()
    (told, *_) = [json.loads(line) for line in lines if '"enclave.walls"' in line]
    walls = survey()
    assert told["standing"] == [wall.name for wall in walls if wall.stands]
    assert told["missing"] == {wall.name: wall.summary for wall in walls if not wall.stands}


def test_secrets_in_the_folder_are_for_their_owner_only(cluster: Path) -> None:
    secret = [
        *cluster.glob("keys/*.json"),
        *cluster.glob("n*/tls.key"),
        *cluster.glob("n*/sealed/*"),
    ]
    assert len(secret) >= 15
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert stat.S_IMODE(cluster.stat().st_mode) == 0o700


def test_up_twice_changes_nothing(cluster: Path) -> None:
    before = nodes(cluster)
    good("cluster", "up", "--detach", "--nodes", "4", folder=cluster)
    after = nodes(cluster)
    assert [node["pid"] for node in after.values()] == [node["pid"] for node in before.values()]


def test_up_with_another_shape_is_refused(cluster: Path) -> None:
    done = run("cluster", "up", "--detach", "--nodes", "7", folder=cluster)
    assert done.returncode == 2
    assert "has 4 nodes, not 7" in done.stderr


def test_a_killed_node_is_gone_and_comes_back_voting(cluster: Path) -> None:
    before = nodes(cluster)["n2"]
    killed = good("cluster", "kill", "n2", folder=cluster)
    assert killed == {"name": "n2", "pid": None, "enclave_pid": None, "state": "stopped"}
    assert [ProcessId.of(before[key]) for key in ("pid", "enclave_pid")] == [None, None]
    assert nodes(cluster)["n2"]["state"] == "stopped"
    started = good("cluster", "start", "n2", "--wait", folder=cluster)
    assert started["state"] == "voting"
    assert started["pid"] not in (None, before["pid"])


def test_start_does_not_wait_for_a_quorum(cluster: Path) -> None:
    good("cluster", "down", folder=cluster)
    assert processes_of(cluster) == []
    started = good("cluster", "start", "n1", folder=cluster)
    assert started["pid"] is not None
    assert started["state"] != "voting"


def test_an_enclave_ends_when_its_host_is_killed(cluster: Path) -> None:
    node = open_cluster(cluster).node("n3")
    host, enclave = node.host(), node.enclave()
    assert host is not None
    assert enclave is not None
    host.send(signal.SIGKILL)
    assert host.wait_gone(HANG_SECONDS)
    assert enclave.wait_gone(HANG_SECONDS)


def test_a_second_instance_of_a_node_is_refused(cluster: Path) -> None:
    config = cluster / "n0" / "node.toml"
    command = [sys.executable, "-m", "strongroom.node", "run", "--config", str(config)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == 2
    assert str(nodes(cluster)["n0"]["pid"]) in done.stderr
    nodes_once(cluster, lambda table: table["n0"]["state"] == "voting")


def test_a_taken_port_is_named_with_its_pid_and_leaves_out_one_node_of_four(cluster: Path) -> None:
    node = open_cluster(cluster).node("n1")
    address = node.config().peer
    good("cluster", "down", folder=cluster)
    with socket.create_server((address.host, address.port)):
        words = f"port {address.port} is in use by pid {os.getpid()}"
        done = run("cluster", "start", "n1", folder=cluster)
        assert (done.returncode, words in done.stderr) == (2, True)
        assert processes_of(cluster) == []
        done = run("cluster", "up", "--detach", folder=cluster)
        assert (done.returncode, words in done.stderr) == (0, True), done.stderr
        table = nodes_once(
            cluster,
            lambda table: all(table[name]["state"] == "voting" for name in ("n0", "n2", "n3")),
        )
        assert (table["n1"]["state"], table["n1"]["attestation"]) == ("stopped", "not running")


def test_a_failed_step_names_itself_shows_the_log_and_leaves_no_process(cluster: Path) -> None:
    """Two of four cannot start: no quorum."""
    good("cluster", "down", folder=cluster)
    broken = [cluster / name / "tls.crt" for name in ("n2", "n3")]
    texts = [path.read_text() for path in broken]
    try:
        for path in broken:
            path.write_text((cluster / "n1" / "tls.crt").read_text())
        done = run("cluster", "up", "--detach", folder=cluster)
    finally:
        for path, text in zip(broken, texts, strict=True):
            path.write_text(text)
    assert done.returncode == 2
    assert "step failed: start the nodes: node n2 ended while it was starting" in done.stderr
    assert "is not the certificate that this node was admitted with" in done.stderr
    assert processes_of(cluster) == []


def test_one_damaged_configuration_ends_nobody_and_hides_nobody(cluster: Path) -> None:
    good("cluster", "kill", "n3", folder=cluster)
    before = nodes(cluster)
    config = cluster / "n3" / "node.toml"
    text = config.read_bytes()
    for damage in (b"", b"\x00" * 20, b"name = 7\n"):
        try:
            config.write_bytes(damage)
            done = run("cluster", "up", "--detach", folder=cluster)
            table = nodes(cluster)
            down = run("cluster", "stop", "n3", folder=cluster)
        finally:
            config.write_bytes(text)
        assert done.returncode == 0, (damage, done.stderr)
        assert "n3 does not start and is left out" in done.stderr, damage
        assert [table[name]["pid"] for name in ("n0", "n1", "n2")] == [
            before[name]["pid"] for name in ("n0", "n1", "n2")
        ]
        assert table["n3"]["endpoint"] is None, damage
        assert down.returncode == 0, (damage, down.stderr)


def test_a_folder_that_clients_are_not_told_of_is_no_member_and_is_not_started(
    cluster: Path,
) -> None:
    """What `cluster remove` leaves, or `node join` prepares."""
    good("cluster", "down", folder=cluster)
    service, text = cluster / "service.json", (cluster / "service.json").read_text()
    document = json.loads(text)
    document["endpoints"] = document["endpoints"][:3]
    try:
        service.write_text(json.dumps(document))
        done = run("cluster", "up", "--detach", folder=cluster)
        assert (done.returncode, "not started" in done.stderr) == (0, True), done.stderr
        assert nodes(cluster)["n3"]["state"] == "stopped"
        assert good("cluster", "up", "--detach", folder=cluster)["nodes"] == ["n0", "n1", "n2"]
    finally:
        service.write_text(text)


def test_a_cluster_that_votes_is_not_ended_because_its_users_cannot_be_paid(cluster: Path) -> None:
    key = cluster / "keys" / "member0.json"
    away = key.rename(key.with_suffix(".away"))
    good("cluster", "down", folder=cluster)
    try:
        done = run("cluster", "up", "--detach", folder=cluster)
        assert (done.returncode, "warning: step failed: fund the users" in done.stderr) == (
            0,
            True,
        ), done.stderr
        assert len(processes_of(cluster)) >= 4
    finally:
        away.rename(key)


def test_a_moved_folder_is_followed(cluster: Path) -> None:
    good("cluster", "down", folder=cluster)
    moved = cluster.rename(cluster.with_name("moved"))
    try:
        good("cluster", "status", folder=moved)
        assert json.loads((moved / "service.json").read_text())["ca"] == str(moved / "ca.pem")
    finally:
        moved.rename(cluster)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_foreground_cluster_ends_with_its_terminal_and_starts_again(
    cluster: Path, number: signal.Signals
) -> None:
    good("cluster", "down", folder=cluster)
    environment = {**os.environ, "STRONGROOM_DIR": str(cluster), "PYTHONUNBUFFERED": "1"}
    assert interrupt_at([*CLI, "cluster", "up"], "end   Ctrl-C", environment, number) == 0
    assert processes_of(cluster) == []


@pytest.mark.parametrize(
    "text",
    ["making keys", "founding the service", "starting n1", "checking the service's evidence"],
)
def test_an_interrupted_demo_leaves_no_process_and_no_folder(tmp_path: Path, text: str) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    assert interrupt_at(DEMO, text, environment, signal.SIGINT) == 130
    assert processes_of(tmp_path) == []
    assert os.listdir(tmp_path) == []


def test_an_interrupted_up_leaves_no_half_made_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    environment = {**os.environ, "STRONGROOM_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    command = [*CLI, "cluster", "up", "--base-port", "0"]
    assert interrupt_at(command, "founding the service", environment, signal.SIGINT) == 130
    assert processes_of(tmp_path) == []
    assert os.listdir(tmp_path) == []


def test_the_demo_tells_one_document_and_finds_no_plaintext(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*DEMO, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["plaintext_found"] is False
    assert facts["receipt"]["verdict"] == "valid"
    assert facts["bytes_searched"] > 2**20
    assert {verdict for row in facts["attestation"].values() for verdict in row.values()} == {
        "good (SIMULATED)"
    }
    assert os.listdir(tmp_path) == []


def test_the_demo_replays_a_file_with_overdrafts_and_dumps_every_balance(tmp_path: Path) -> None:
    data, balances, dump = tmp_path / "data.csv", tmp_path / "balances.tsv", tmp_path / "dump.csv"
    data.write_text("payer,payee,sum\n1,2,0.505\n2,10,99\n2,1,0\n10,3,-1\n3,3,1.00\n")
    balances.write_text("id\topening\n1\t1\n3\t1.00\n10\t0\n")
    command = [
        *DEMO,
        "--input",
        str(data),
        "--balances",
        str(balances),
        "--dump-balances",
        str(dump),
        "--json",
    ]
    columns = [
        "--from-column",
        "payer",
        "--to-column",
        "payee",
        "--amount-column",
        "sum",
        "--scale",
        "2",
    ]
    columns += [
        "--account-column",
        "id",
        "--balance-column",
        "opening",
        "--nodes",
        "1",
        "--limit",
        "5",
    ]
    done = subprocess.run(
        [*command, *columns], capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["transfers"], facts["executed"], facts["failed"], facts["accounts"]) == (
        5,
        2,
        3,
        4,
    )
    assert dump.read_text() == "1,49\n2,51\n3,100\n10,0\n"
