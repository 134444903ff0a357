"""What an operator sees and does on real nodes: metrics, reload, alarms of numbers. One cluster."""

import asyncio
import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from tests.hang import HANG_SECONDS
from tests.node.metrics.told import Samples, names_of, samples_of
from tests.node.test_cluster_processes import good, run
from tests.waiting import seen, so

from strongroom.node.cluster.cluster import Cluster, open_cluster
from strongroom.node.config import Address, dumps
from strongroom.node.machine import ports
from strongroom.node.metrics.catalogue import METRICS, PREFIX

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four nodes with one payment; n0 serves metrics alone, too, on a port of their own."""
    folder = tmp_path_factory.mktemp("operated") / "cluster"
    made = run("cluster", "up", "--detach", "--base-port", "0", "--json", folder=folder)
    assert made.returncode == 0, made.stderr
    good("call", "payments.transfer", "to=bob", "amount=5", "--as", "alice", folder=folder)
    yield open_cluster(folder)
    run("cluster", "down", folder=folder)


def text_of(cluster: Cluster, name: str) -> str:
    health = cluster.node(name).config().health
    assert health is not None
    with urlopen(f"http://{health}/metrics", timeout=HANG_SECONDS) as answer:
        return str(answer.read().decode())


def told(cluster: Cluster, name: str) -> Samples:
    return samples_of(text_of(cluster, name))


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((PREFIX + name, tuple(sorted(labels.items()))), 0)


async def until(cluster: Cluster, name: str, holds: Callable[[Samples], object]) -> Samples:
    async def look() -> Samples:
        return await asyncio.to_thread(told, cluster, name)

    return await seen(look, holds, or_else=lambda: "")


def events(cluster: Cluster, name: str, event: str) -> list[dict[str, Any]]:
    lines = cluster.node(name).layout.log.read_text().splitlines()
    found = [json.loads(line) for line in lines if f'"event": "{event}"' in line]
    return [line for line in found if line["event"] == event]


async def test_a_real_node_tells_every_metric_of_the_catalogue(cluster: Cluster) -> None:
    await until(cluster, "n0", lambda one: value(one, "transactions_total", code="executed") >= 1)
    text = text_of(cluster, "n0")
    ours = {name for name in names_of(text) if name.startswith(PREFIX)}
    assert ours == METRICS.keys()
    now = samples_of(text)
    for name, labels in (
        ("consensus_height", {}),
        ("consensus_blocks_total", {}),
        ("consensus_votes_total", {"kind": "finalize"}),
        ("consensus_block_interval_seconds_count", {}),
        ("consensus_view_seconds_count", {}),
        ("log_fsync_seconds_count", {}),
        ("ledger_bytes", {}),
        ("disk_free_bytes", {}),
        ("peer_connected", {"peer": "n1"}),
        ("peer_bytes_total", {"peer": "n1", "direction": "sent"}),
        ("peer_bytes_total", {"peer": "n1", "direction": "received"}),
        ("enclave_requests_total", {"kind": "execute"}),
        ("enclave_request_seconds_count", {"kind": "cast"}),
        ("attestation_age_limit_seconds", {}),
        ("node_state", {"state": "voting"}),
        *(("stage_seconds_count", {"stage": one}) for one in ("order", "record", "execute")),
    ):
        assert value(now, name, **labels) > 0, (name, labels)
    signers = {dict(k[1])["validator"] for k in now if k[0].endswith("last_signed_height")}
    assert len(signers) >= 3
    build = next(dict(labels) for (name, labels) in now if name == f"{PREFIX}build_info")
    assert len(build["measurement"]) == 96


def test_promtool_finds_nothing_to_say_about_a_real_nodes_metrics(cluster: Cluster) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here: it comes with Debian's package prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=text_of(cluster, "n0"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_metrics_are_read_over_tls_by_the_certificates_of_the_scrape_example(
    cluster: Cluster,
) -> None:
    rpc = cluster.node("n0").config().rpc
    context = ssl.create_default_context(cafile=str(cluster.layout.ca))
    with urlopen(f"https://{rpc}/metrics", context=context) as answer:
        assert f"{PREFIX}consensus_height" in answer.read().decode()


async def test_sighup_takes_limits_and_level_and_names_what_it_refuses(cluster: Cluster) -> None:
    node = cluster.node("n1")
    config = node.config()
    path, before = node.layout.config, node.layout.config.read_text()
    changed = before.replace("mempool_envelopes_max = 65536", "mempool_envelopes_max = 77")
    changed = changed.replace('log_level = "info"', 'log_level = "debug"')
    changed = f'hosts = ["ledger.example"]\n{changed}'
    assert changed.count("77") >= 1
    path.write_text(changed)
    pid = int(json.loads(node.layout.run.read_text())["pid"])
    try:
        os.kill(pid, signal.SIGHUP)
        await so(lambda: events(cluster, "n1", "config.reloaded"), "n1 says what changed")
        (line,) = events(cluster, "n1", "config.reloaded")
        assert line["changed"] == {
            "limits.mempool_envelopes_max": "65536 -> 77",
            "log_level": "info -> debug",
        }
        assert (line["refused"], line["level"]) == (["hosts"], "warning")
        path.write_text("name = ")
        os.kill(pid, signal.SIGHUP)
        await so(lambda: events(cluster, "n1", "config.not_reloaded"), "it says what is wrong")
    finally:
        path.write_text(before)
    await until(cluster, "n1", lambda one: value(one, "node_state", state="voting"))
    assert config.limits.mempool_envelopes_max == 65536


async def test_an_address_of_its_own_serves_metrics_and_nothing_else(cluster: Cluster) -> None:
    """And a node that is away shows at the others: its link, and views that are given up."""
    node = cluster.node("n3")
    await asyncio.to_thread(run, "cluster", "stop", "n3", folder=cluster.layout.directory)
    away = await until(cluster, "n0", lambda one: not value(one, "peer_connected", peer="n3"))
    assert value(away, "peer_connected", peer="n1") == 1
    reservation = ports.reserve_free(1, "127.0.0.1")
    (port,) = reservation.ports
    config = replace(node.config(), metrics=Address("127.0.0.1", port))
    node.layout.config.write_text(dumps(config, base=node.layout.directory))
    reservation.release()
    done = await asyncio.to_thread(
        run, "cluster", "start", "n3", "--wait", folder=cluster.layout.directory
    )
    assert done.returncode == 0, done.stderr

    def status(path: str) -> int:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=HANG_SECONDS) as answer:
                return int(answer.status)
        except HTTPError as refusal:
            return refusal.code

    assert status("/metrics") == 200
    assert [status(path) for path in ("/health/ready", "/rpc", "/openrpc.json")] == [404] * 3
    again = await until(cluster, "n0", lambda one: value(one, "peer_connected", peer="n3"))
    assert value(again, "peer_bytes_total", peer="n3", direction="received") > value(
        away, "peer_bytes_total", peer="n3", direction="received"
    ), "it goes on counting where it was"
    starts = await until(cluster, "n3", lambda one: value(one, "enclave_restarts_total"))
    assert value(starts, "enclave_restarts_total") == 2
