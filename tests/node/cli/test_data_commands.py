"""`strongroom data …` on a service in this process: real chunks, the real program (T63, T64)."""

import asyncio
import json
from pathlib import Path
from time import time
from types import SimpleNamespace
from typing import Any

import nanoarrow
import pytest
from nanoarrow import ipc
from tests.node.cli.data_world import CANARY, DATA_TERMS, ROWS, Owner, owner

from strongroom.enclave.governance.document import EpochEntry
from strongroom.node.clean_rooms import bringing
from strongroom.node.clean_rooms.transfer import NodeDoors
from strongroom.node.cli.data_keeping import withdrawn


def rows_of(stream: bytes) -> list[dict[str, Any]]:
    source = nanoarrow.c_array_stream(ipc.InputStream.from_readable(stream))
    return list(nanoarrow.Array(source).to_pylist())


def key_of(run: Owner, version: int) -> bytes:
    file = run.directory / "keys" / "alice.vault" / f"pay@{version}.json"
    return bytes.fromhex(json.loads(file.read_text())["secret"])


async def test_rows_are_sealed_stored_and_named_and_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        made = await run.put()
        assert (made["result"]["version"], made["key"]) == (1, "pay@1")
        assert made["chunks"] == len(run.chunks.names(bytes.fromhex(made["root"]))) > 2
        rows = rows_of(await run.stream(1, key_of(run, 1)))
        assert list(rows[0]) == ["account", "amount", "note"]
        assert (len(rows), rows[7]["account"], str(rows[7]["amount"])) == (40_000, 7, "7.25")
        for path in (tmp_path / "chunks").rglob("*"):
            assert path.is_dir() or CANARY.encode() not in path.read_bytes()
        height = run.service.orderer.height
        again = await run.put()
        assert again["steps"] == ["stands already"]
        assert run.service.orderer.height == height
        shown = await run.data("list")
        assert [(one["name"], one["version"]) for one in shown] == [("pay", 1)]
        known = await run.json("vault", "show", "pay", "--as", "alice")
        assert known["versions"][0]["digest"] == made["root"]


async def test_other_rows_are_the_next_version_under_the_next_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        await run.put()
        run.write("pay.csv", ROWS.replace("0.25", "1.75"))
        made = await run.put()
        assert (made["result"]["version"], made["key"]) == (2, "pay@2")
        assert key_of(run, 1) != key_of(run, 2)
        assert str(rows_of(await run.stream(2, key_of(run, 2)))[0]["amount"]) == "1.75"
        run.write("terms.toml", DATA_TERMS.replace("runs = 5", "runs = 6"))
        run.write("pay.csv", ROWS)
        steps = (await run.put())["steps"]
        assert [one.split()[0] for one in steps] == ["vault.rotate", "rooms.set_terms", "rooms.add"]


async def test_how_long_the_version_before_opens_counts_from_its_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from the command's start: chunks may take longer than that."""
    stored: list[float] = []
    store = NodeDoors.store

    async def slowly(self: NodeDoors, *given: Any, **named: Any) -> Any:
        done = await store(self, *given, **named)
        await asyncio.sleep(0.05)
        stored.append(time())
        return done

    async with owner(tmp_path, monkeypatch) as run:
        await run.put()
        monkeypatch.setattr(NodeDoors, "store", slowly)
        run.write("pay.csv", ROWS.replace("0.25", "1.75"))
        await run.put()
        known = await run.json("vault", "show", "pay", "--as", "alice")
        old = next(one for one in known["versions"] if one["version"] == 1)
        assert old["until_ms"] >= int(stored[-1] * 1000) + 3_600_000


class Killed(BaseException):
    """The process ends here."""


STEPS = ["chunk", "list", "vault.new", "vault.put", "rooms.publish", "rooms.add"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    """Nothing is sealed twice differently, nothing that is there is sent again (T64)."""
    async with owner(tmp_path, monkeypatch) as run:
        with monkeypatch.context() as patch:
            _kill_at(patch, step, after)
            with pytest.raises(Killed):
                await run.put()
        key, held = key_file(run), set((tmp_path / "chunks" / "chunks").rglob("*"))
        made = await run.put()
        assert made["result"]["version"] == 1
        assert key is None or key == key_of(run, 1)
        assert held <= set((tmp_path / "chunks" / "chunks").rglob("*"))
        files = [one for one in (tmp_path / "chunks" / "chunks").rglob("*") if one.is_file()]
        (version,) = (await run.data("show", "pay"))["versions"]
        assert len(files) == version["chunks"] > 2
        assert len(rows_of(await run.stream(1, key_of(run, 1)))) == 40_000


def key_file(run: Owner) -> bytes | None:
    try:
        return key_of(run, 1)
    except FileNotFoundError:
        return None


def _kill_at(patch: pytest.MonkeyPatch, step: str, after: bool) -> None:
    if step in ("chunk", "list"):
        name = "_put" if step == "chunk" else "_send_list"
        real = getattr(NodeDoors, name)
        calls = []

        async def sent(self: NodeDoors, *arguments: Any) -> None:
            calls.append(1)
            early = len(calls) < 3 and step == "chunk"
            if early or after:
                await real(self, *arguments)
            if not early:
                raise Killed

        patch.setattr(NodeDoors, name, sent)
        return
    call = bringing._Here.call

    async def called(self: Any, name: str, /, **arguments: Any) -> None:
        if name == step and not after:
            raise Killed
        await call(self, name, **arguments)
        if name == step:
            raise Killed

    patch.setattr(bringing._Here, "call", called)


async def test_a_file_that_changed_after_a_kill_comes_under_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index is sealed with other rows under one key (T64)."""
    async with owner(tmp_path, monkeypatch) as run:
        with monkeypatch.context() as patch:
            _kill_at(patch, "chunk", True)
            with pytest.raises(Killed):
                await run.put()
        before = key_of(run, 1)
        run.write("pay.csv", ROWS.replace("0.25", "1.75"))
        await run.put()
        assert key_of(run, 1) != before
        assert (tmp_path / "keys" / "alice.vault" / "pay@1.json.left-1").exists()
        assert str(rows_of(await run.stream(1, key_of(run, 1)))[0]["amount"]) == "1.75"


async def test_rows_are_never_sealed_under_another_key_than_the_ledgers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        with monkeypatch.context() as patch:
            _kill_at(patch, "rooms.add", False)
            with pytest.raises(Killed):
                await run.put()
        (tmp_path / "keys" / "alice.vault" / "pay@1.json").unlink()
        refused = await run.put(code=2)
        assert "no data key" in refused["error"]["message"]


async def test_a_batch_is_added_under_the_same_key_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        first = await run.put()
        run.write("more.csv", "account,amount,note\n5,1.00,later\n")
        more = str(tmp_path / "more.csv")
        made = await run.data("extend", more, "--name", "pay")
        assert (made["result"]["version"], made["key"]) == (2, "pay@1")
        assert made["chunks"] == first["chunks"] + 1
        (row,) = rows_of(await run.stream(2, key_of(run, 1), first["chunks"]))
        assert (row["account"], row["note"]) == (5, "later")
        again = await run.data("extend", more, "--name", "pay")
        assert again["steps"] == ["stands already"]
        run.write("more.csv", "account,amount,note\n6,1.00,third\n")
        with monkeypatch.context() as patch:
            _kill_at(patch, "rooms.extend", False)
            with pytest.raises(Killed):
                await run.data("extend", more, "--name", "pay")
        run.write("more.csv", "account,amount,note\n6,1.00,other\n")
        refused = await run("data", "extend", more, "--name", "pay", "--as", "alice")
        assert "began with other rows" in refused.stderr
        run.write("more.csv", "account,amount,note\n6,1.00,third\n")
        assert (await run.data("extend", more, "--name", "pay"))["result"]["version"] == 3


WRONG = [
    ("1,2,n\nx,SECRET,n\n", "line 3, column account: no integer"),
    ('1,2,"a\nb"\n2,3.999,n\n', "line 4, column amount: no decimal(2)"),
    ("1,2\n", "line 2: it has not the header's 3 columns"),
    ('1,2,"SECRET\n', "a quote stays open"),
    ("", "has no rows"),
    ("1e3,2,n\n", "column account"),
    ("99999999999999999999,2,n\n", "column account"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
async def test_a_wrong_file_is_refused_by_its_place_and_nothing_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    """A value never stands in an error (T63)."""
    async with owner(tmp_path, monkeypatch) as run:
        run.write("pay.csv", "account,amount,note\n" + text)
        height = run.service.orderer.height
        path, terms = str(tmp_path / "pay.csv"), str(tmp_path / "terms.toml")
        words = ("data", "put", path, "--name", "pay", "--terms", terms, "--as", "alice")
        ended = await run(*words)
        assert (ended.exit_code, said in ended.stderr) == (2, True), ended.stderr
        assert "SECRET" not in ended.stderr + ended.stdout
        assert run.service.orderer.height == height
        assert run.chunks.bytes_pooled == 0
        assert not (tmp_path / "keys" / "alice.vault").exists()


async def test_wrong_terms_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        for text, said in (
            ("runs = 1\n", "one [tables.NAME]"),
            (DATA_TERMS.replace("integer", "number"), "tables.pay.columns.account.type"),
            (DATA_TERMS.replace("runs = 5", "epsilon_life = 5"), "leave them out"),
            (DATA_TERMS.replace('"alice", "bob"', '"nobody"'), "nobody"),
            (DATA_TERMS.replace("note =", "memo ="), "has no column 'memo'"),
        ):
            run.write("terms.toml", text)
            path, terms = str(tmp_path / "pay.csv"), str(tmp_path / "terms.toml")
            ended = await run("data", "put", path, "--name", "p", "--terms", terms, "--as", "alice")
            assert (ended.exit_code, said in ended.stderr) == (2, True), ended.stderr


async def test_a_withdrawn_data_set_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        await run.put()
        asked = await run("data", "withdraw", "pay", "--as", "alice", "--json")
        assert (asked.exit_code, "--yes" in asked.stderr) == (2, True)
        await run.data("withdraw", "pay", "--yes")
        assert (await run.data("show", "pay"))["state"] == "withdrawn"
        ended = await run(
            "data", "put", str(tmp_path / "pay.csv"), "--name", "pay", "--as", "alice"
        )
        assert "withdrawn for good" in ended.stderr


async def test_erasing_says_what_is_missing_and_then_what_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not forgotten before the epoch's end and its grace (T66)."""
    async with owner(tmp_path, monkeypatch) as run:
        await run.put()
        first = await run.data("erase", "pay", "--yes", code=1)
        assert (first["erased"], first["epoch_ended_at"]) == (False, None)
        assert first["votes_missing"]
        entry = EpochEntry(1, bytes(32), bytes(32), 4, 10**6, 0, "vote")
        for node in run.service.nodes:
            node.doctor_state = lambda state: state._replace(epochs=(*state.epochs, entry))
        lied = await run.data("erase", "pay", "--yes", code=1)
        assert not lied["erased"]
        for node in run.service.nodes:
            node.doctor_state = lambda state: state
        shown = await run("data", "erase", "pay", "--yes", "--as", "alice")
        assert "strongroom gov propose rotate" in shown.stdout
        told = ended(run, grace_ms=60_000)
        within = await run.data("erase", "pay", "--yes", code=1)
        assert within["epoch_ended_at"] >= within["withdrawn"]["height"]
        told["time_ms"] = told["grace_until_ms"]
        after = await run.data("erase", "pay", "--yes")
        assert (after["erased"], after["epoch"]) == (True, 1)
        assert after["withdrawn"]["height"] == first["withdrawn"]["height"]
        shown = await run("data", "erase", "pay", "--yes", "--as", "alice")
        assert "grace is over" in shown.stdout


def ended(run: Owner, grace_ms: int) -> dict[str, int]:
    """End the epoch, which nodes then tell; what they say of times may be changed."""
    orderer = run.service.orderer
    orderer.turn(grace_ms=grace_ms)
    (anchor,) = (one.header.height for one in orderer.chain.blocks[-2:-1])
    time = orderer.chain.tip.time_ms
    said = {"time_ms": time, "grace_until_ms": time + grace_ms}
    entry = EpochEntry(1, bytes(32), bytes(32), 4, anchor, time, "vote")
    for node in run.service.nodes:
        node.doctor_state = lambda state: state._replace(
            epochs=(*state.epochs, entry),
            epoch=1,
            time_ms=said["time_ms"],
            grace_until_ms=said["grace_until_ms"],
        )
    return said


async def test_a_member_proposes_the_rotation_once_and_missing_votes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        await run.put()
        first = await run.data("erase", "pay", "--yes", "--member", "member0", code=1)
        again = await run.data("erase", "pay", "--yes", "--member", "member0", code=1)
        assert first["proposal"] == again["proposal"] is not None
        assert "member0" not in first["votes_missing"]
        shown = await run("data", "erase", "pay", "--yes", "--as", "alice")
        assert f"strongroom gov vote {first['proposal']} yes" in shown.stdout


async def test_all_results_end_with_a_withdrawal_however_many() -> None:
    answers = [(500, True), (500, True), (3, False)]

    async def call(name: str, **_: Any) -> Any:
        ended, left = answers.pop(0)
        return SimpleNamespace(result={"results": ended, "left": left})

    _, told = await withdrawn(SimpleNamespace(call=call), (b"", "pay"))
    assert (told, answers) == ({"results_ended": 1003}, [])
