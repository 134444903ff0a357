"""SIGHUP: what may change while a node runs, what needs a start, and a file with a mistake."""

import io
import json
import logging
import os
import pty
import signal
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.waiting import so

from strongroom.node.config import Address, Limits, NodeConfig, dumps
from strongroom.node.host import reload
from strongroom.node.host.reload import LIVE, Reload, difference
from strongroom.node.machine import logs
from strongroom.node.machine.terminals import Terminal
from strongroom.node.mempool.fair_queue import FairQueue
from strongroom.node.rpc.limits import RpcLimits


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    made = NodeConfig(
        name="n1",
        directory=tmp_path,
        genesis=tmp_path / "genesis.bin",
        rpc=Address("127.0.0.1", 7400),
        peer=Address("127.0.0.1", 7410),
    )
    write(made)
    return made


def write(config: NodeConfig) -> None:
    config.layout.config.write_text(dumps(config, base=config.directory))


class Made:
    def __init__(self, config: NodeConfig) -> None:
        self.applied: list[Limits] = []
        self.reload = Reload(config.layout.config, config, self.applied.append)

    def again(self) -> tuple[Any, list[dict[str, Any]]]:
        with structlog.testing.capture_logs() as lines:
            found = self.reload.again()
        return found, [dict(line) for line in lines]


@pytest.fixture(autouse=True)
def level_as_before() -> Any:
    before = logs._threshold.number
    yield
    logs._threshold.number = before


def test_limits_and_level_are_taken_and_said(config: NodeConfig) -> None:
    made = Made(config)
    limits = replace(config.limits, mempool_envelopes_max=9, connections_max=100)
    write(replace(config, limits=limits, log_level="debug"))
    found, lines = made.again()
    assert found.changed == {
        "limits.connections_max": (2048, 100),
        "limits.mempool_envelopes_max": (65536, 9),
        "log_level": ("info", "debug"),
    }
    assert made.applied == [limits]
    assert logs._threshold.number == logging.DEBUG
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("config.reloaded", "info")
    assert line["changed"]["limits.mempool_envelopes_max"] == "65536 -> 9"
    assert made.again()[0].changed == {}, "it goes by them now"


@pytest.mark.parametrize(("before", "now"), [("error", "info"), ("info", "error")])
def test_a_change_of_the_level_is_said_by_the_more_talkative_of_the_two(
    config: NodeConfig, monkeypatch: pytest.MonkeyPatch, before: str, now: str
) -> None:
    out, configured = io.StringIO(), structlog.get_config()
    logs.configure_logging(before, "json", stream=out)
    try:
        monkeypatch.setattr(reload, "log", structlog.get_logger())
        running = replace(config, log_level=before)
        write(replace(config, log_level=now))
        Reload(config.layout.config, running, lambda _: None).again()
    finally:
        structlog.configure(**configured)
    assert json.loads(out.getvalue())["changed"] == {"log_level": f"{before} -> {now}"}
    assert logs._threshold.number == logging.getLevelNamesMapping()[now.upper()]


def test_everything_else_is_refused_by_its_name_and_stays(config: NodeConfig) -> None:
    made = Made(config)
    wanted = replace(
        config,
        rpc=Address("127.0.0.1", 9999),
        metrics=Address("127.0.0.1", 7420),
        hosts=("ledger.example",),
        limits=replace(config.limits, wal_bytes_max=4096),
    )
    write(wanted)
    found, (line,) = made.again()
    assert found.refused == ("rpc", "metrics", "hosts")
    assert (line["log_level"], line["refused"]) == ("warning", ["rpc", "metrics", "hosts"])
    assert "start" in line["text"]
    assert made.reload.config.rpc == config.rpc
    assert made.applied == [wanted.limits], "what can be taken is taken all the same"
    assert made.again()[0].refused == ("rpc", "metrics", "hosts"), "until the node is started"


def test_every_key_is_either_live_or_refused(config: NodeConfig) -> None:
    for one in fields(NodeConfig):
        given: dict[str, Any] = {} if one.name in LIVE else {one.name: object()}
        changed = replace(config, **given)
        expected = () if one.name in LIVE else (one.name,)
        assert difference(config, changed).refused == expected


@pytest.mark.parametrize("text", ["name =", 'log_level = "loud"\n', ""])
def test_a_file_with_a_mistake_changes_nothing_and_says_what_is_wrong(
    config: NodeConfig, text: str
) -> None:
    made = Made(config)
    if text:
        config.layout.config.write_text(text)
    else:
        config.layout.config.unlink()
    found, (line,) = made.again()
    assert found is None
    assert (line["event"], line["log_level"]) == ("config.not_reloaded", "error")
    assert line["problems"]
    assert (made.applied, made.reload.config) == ([], config)


def test_shares_of_a_mempool_are_resized_and_what_is_held_stays() -> None:
    queue = FairQueue([("a", 1), ("b", 3)], 400, 4000)
    share = queue.share_of("b")
    share.hold(50, 500)
    queue.resize(40, 400)
    assert (share.envelopes_max, share.bytes_max, share.envelopes) == (30, 300, 50)
    assert not share.has_room(1, 1)
    assert (queue.own.envelopes_max, queue.own.bytes_max) == (40, 400)
    queue.resize(400, 4000)
    assert share.has_room(250, 2500)


def test_whoever_holds_the_front_doors_limits_sees_the_new_ones() -> None:
    held = RpcLimits()
    held.become(RpcLimits(connections_max=7))
    assert held == RpcLimits(connections_max=7)


_IN_A_TERMINAL = """
import signal, sys
from strongroom.node.machine.terminals import Terminal
terminal = Terminal()
asked = open(sys.argv[1], "w", buffering=1)
def hang_up(*_):
    asked.write(f"{terminal.has_gone()}\\n")
signal.signal(signal.SIGHUP, hang_up)
print("ready", flush=True)
while True:
    signal.pause()
"""


async def test_a_terminal_that_has_gone_is_told_from_one_that_stands(tmp_path: Path) -> None:
    """`kill -HUP` of a node that runs in a terminal reloads; closing that terminal stops it."""
    told = tmp_path / "told"
    told.touch()
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", _IN_A_TERMINAL, str(told)])
    try:
        seen = b""
        while b"ready" not in seen:
            seen += os.read(master, 1024)
        os.kill(pid, signal.SIGHUP)
        await so(lambda: told.read_text() == "False\n", "it reloads", pause=0.01)
        os.close(master)
        await so(lambda: told.read_text() == "False\nTrue\n", "it stops", pause=0.01)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_without_a_terminal_none_has_gone() -> None:
    with open(os.devnull) as nothing:
        assert not Terminal(nothing.fileno()).has_gone()
