"""Would a node run here? What is wrong is told by name, and nothing is started or changed."""

import os
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.node.membership.ceremony_world import (
    CODE,
    NOW_MS,
    InProcess,
    Organisation,
    World,
    run_in_process,
    world,
)

from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.node import config as node_config
from strongroom.node import tls
from strongroom.node.cluster.publishing import publish_founding
from strongroom.node.config import Address, NodeConfig
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.host import checking
from strongroom.node.host.checking import Examination, Level, examine
from strongroom.node.layout import SEALED_STATE
from strongroom.node.machine import ports
from strongroom.node.membership.ceremony_sealing import seal
from strongroom.node.rpc import probe


class Stoppable(InProcess):
    async def stop(self) -> None: ...


@pytest.fixture
async def founded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Four folders of one service, whose nodes do not run."""
    run_in_process(monkeypatch, lambda _: CODE)
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    for one in made.organisations:
        agreed, founding = seal(one.party, made.proposal, made.founding, made.confirmations)
        publish_founding(one.layout, agreed, founding.chain)

    async def start(chip: Path, _log: Path) -> Stoppable:
        return Stoppable(Lifecycle(SimulatedChip.load(chip), CODE))

    def nobody(*_: object, **__: object) -> None:
        raise probe.NoAnswer("nobody")

    monkeypatch.setattr(EnclaveClient, "start", start)
    monkeypatch.setattr(probe, "ask", nobody)
    return made


def on_free_ports(one: Organisation) -> NodeConfig:
    held = ports.reserve_free(2)
    rpc, peer = (Address("127.0.0.1", port) for port in held.ports)
    held.release()
    return replace(node_config.load(one.layout.config), rpc=rpc, peer=peer)


async def looked(config: NodeConfig, *, now_ms: int = NOW_MS + 1_000) -> Examination:
    before = {path: path.read_bytes() for path in sorted(config.directory.rglob("*.*"))}
    look = await examine(config, now_ms=lambda: now_ms)
    assert {path: path.read_bytes() for path in sorted(config.directory.rglob("*.*"))} == before
    return look


def errors(look: Examination) -> dict[str, str]:
    return {one.what: one.text for one in look.findings if one.level is Level.ERROR}


async def test_a_folder_that_would_run_is_found_good(founded: World) -> None:
    look = await looked(on_free_ports(founded["bank1"]))
    assert look.good, errors(look)
    assert [one.what for one in look.findings] == [
        *("config", "rights", "disk", "genesis", "pin", "certificate", "ports", "evidence"),
        *("names", "clock"),
    ]


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").exists(), reason="needs a file system")
async def test_what_is_wrong_is_told_by_name(founded: World) -> None:
    one, other = founded["bank1"], founded["bank2"]
    layout, config = one.layout, on_free_ports(one)
    sealed = (layout.sealed / SEALED_STATE).read_bytes()

    layout.tls_key.chmod(0o640)
    look = await looked(replace(config, name="n9"))
    assert "chmod 600" in errors(look)["rights"]
    assert "this folder is node n1's" in errors(look)["evidence"]
    layout.tls_key.chmod(0o600)

    (layout.sealed / SEALED_STATE).write_bytes((other.layout.sealed / SEALED_STATE).read_bytes())
    assert "another platform" in errors(await looked(config))["evidence"]
    (layout.sealed / SEALED_STATE).unlink()
    assert "restore it, or join anew" in errors(await looked(config))["evidence"]
    (layout.sealed / SEALED_STATE).write_bytes(sealed)
    (layout.sealed / SEALED_STATE).chmod(0o600)

    fresh = tls.make_certificate("n1")
    kept = layout.tls_certificate.read_bytes()
    layout.tls_certificate.write_bytes(fresh.certificate)
    look = await looked(config)
    assert "cannot use" in errors(look)["certificate"]
    assert "is not the key that this node was admitted with" in errors(look)["evidence"]
    layout.tls_certificate.write_bytes(kept)

    genesis = config.genesis.read_bytes()
    config.genesis.write_bytes(genesis[:-1])
    assert "does not verify" in errors(await looked(config))["genesis"]
    config.genesis.unlink()
    assert "strongroom node join" in errors(await looked(config))["genesis"]
    config.genesis.write_bytes(genesis)
    assert (await looked(config)).good


async def test_another_services_pin_is_an_error(founded: World) -> None:
    one = founded["bank1"]
    other = "sr1-" + "a" * 52
    path = one.layout.cluster.service
    pin = path.read_text().split('"service": "')[1][:56]
    words = path.read_text().replace(pin, other).replace('"chain"', '"was"')
    path.write_text(words)
    assert "pins another service" in errors(await looked(on_free_ports(one)))["pin"]


async def test_a_port_that_is_taken_is_told_with_its_holder(founded: World) -> None:
    config = on_free_ports(founded["bank1"])
    with socket.create_server((config.rpc.host, config.rpc.port)):
        text = errors(await looked(config))["ports"]
    assert f"{config.rpc} is taken by process {os.getpid()}" in text


async def test_T70_what_is_served_without_tls_beyond_this_machine_is_a_warning(
    founded: World,
) -> None:
    def warned(look: Examination) -> list[str]:
        return [one.text for one in look.findings if one.what == "plain"]

    config = on_free_ports(founded["bank1"])
    held = ports.reserve_free(2)
    numbers = held.ports
    held.release()
    inside = [Address(host, port) for host, port in zip(("127.0.0.1", "::1"), numbers, strict=True)]
    look = await looked(replace(config, health=inside[0], metrics=inside[1]))
    assert warned(look) == []
    wide = Address("0.0.0.0", numbers[0])
    look = await looked(replace(config, health=wide, metrics=inside[0]))
    assert warned(look) == [
        f"health = {wide} is served without TLS to whoever reaches it: use an address of this "
        "machine alone, as 127.0.0.1, or have a firewall let your own probes in and nobody else"
    ]
    assert look.good
    assert {one.level for one in look.findings if one.what == "plain"} == {Level.WARNING}
    look = await looked(replace(config, metrics=Address("ledger.example", numbers[0])))
    assert "metrics = ledger.example" in warned(look)[0]


async def test_names_that_do_not_resolve_are_the_own_ones_fault_and_a_peers_trouble(
    founded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = on_free_ports(founded["bank1"])
    nowhere = Address("nowhere.invalid", 7410)

    async def resolves(address: Address) -> bool:
        return address != nowhere

    monkeypatch.setattr(checking, "_resolves", resolves)
    first, *rest = config.peers
    moved = replace(config, peers=(replace(first, address=nowhere), *rest))
    look = await looked(moved)
    assert look.good
    told = [one.text for one in look.findings if one.what == "names"]
    assert told == [f"{first.name}: nowhere.invalid does not resolve here"]
    look = await looked(replace(config, announce_peer=nowhere))
    assert errors(look)["names"] == "this node: nowhere.invalid does not resolve here"
    alone = replace(config, peers=tuple(replace(one, address=nowhere) for one in config.peers))
    assert "look at this machine's DNS" in errors(await looked(alone))["names"]


async def test_a_wrong_clock_is_an_error_and_one_lying_peer_is_none(
    founded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = on_free_ports(founded["bank1"])
    early = await looked(config, now_ms=NOW_MS - 60_000)
    assert "60 s before the service was founded" in errors(early)["clock"]
    times: list[int | None] = [NOW_MS, NOW_MS + 10**9, None]
    monkeypatch.setattr(checking, "_newest_time", lambda _: times.pop())
    assert (await looked(config)).good
    times = [NOW_MS, NOW_MS + 61_000, NOW_MS + 61_000]
    assert "60.0 s behind the chain's time" in errors(await looked(config))["clock"]


async def test_a_certificate_near_its_end_is_a_warning(
    founded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = founded["bank1"]
    end = tls.valid_until(one.layout.tls_certificate.read_bytes()) - timedelta(days=9)
    monkeypatch.setattr(checking, "CERTIFICATE_DAYS_WARN", 10)
    look = await looked(on_free_ports(one), now_ms=int(end.timestamp() * 1_000))
    levels = {found.what: found.level for found in look.findings}
    assert levels["certificate"] is Level.WARNING
