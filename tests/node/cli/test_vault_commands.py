"""`strongroom vault …` on a service in this process: the real program, real evidence of rooms."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.programs.vault.world import POLICY, Room, founded, policy_of
from tests.node.client import ledger
from tests.node.client.test_commands import Shell, expired, shell
from tests.node.client.turning import founded_as

from strongroom.enclave.formats.piece_keys import piece_key
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import Secret
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.vault.containers import open_container, seal_file
from strongroom.node.vault.cutting import cut
from strongroom.node.vault.watching import Watch

LAYERS = 3
DESIGN = "G28\n" + "".join(f";LAYER:{n}\nG1 X{n} Y{n}\n" for n in range(LAYERS))
ROOM = Room()


class Maker(Shell):
    """A maker's shell: alice owns, bob approves, a plant's room asks."""

    @property
    def design(self) -> Path:
        return self.directory / "bear.gcode"

    async def key(self, *terms: str) -> None:
        """A key of three pieces, filled."""
        policy = self.directory / "policy.json"
        policy.write_text(POLICY)
        self.design.write_text(DESIGN)
        await self.json("vault", "new", "bear", "--policy", str(policy), "--as", "alice", *terms)
        await self.json("vault", "put", "bear", str(self.design), "--as", "alice")

    async def act(self, room: Room, operation: str, **arguments: Any) -> Done:
        """A transaction of a room's session."""
        session = Identity(key_named(room.who))
        async with Client.connect(self.directory, session, one_shot=True) as client:
            return await client.call(f"vault.{operation}", **arguments)

    async def ask(self, room: Room = ROOM, key: str = "alice/bear") -> Any:
        """What a room gets that shows itself over the newest block."""
        chain = self.service.orderer.chain
        evidence = room.evidence(chain.genesis.chain, chain.tip.height, chain.tip.digest)
        done = await self.act(room, "ask", key=key, purpose="print", evidence=evidence)
        return done.result


@pytest.fixture(autouse=True)
def _with_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose genesis names the vault."""

    monkeypatch.setattr(ledger, "TurningChain", founded_as(founded()))


@asynccontextmanager
async def maker(directory: Path) -> AsyncIterator[Maker]:
    async with shell(directory) as run:
        yield Maker(run.directory, run.service)


async def test_a_key_is_made_filled_and_opened_piece_by_piece_by_a_room(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3", "--quantity", "5")
        (listed,) = await run.json("vault", "keys", "--as", "alice")
        assert (listed["key"], listed["version"], listed["state"]) == ("bear", 1, "active")
        (version,) = (await run.json("vault", "show", "bear", "--as", "alice"))["versions"]
        lease = await run.ask()
        owner = bytes.fromhex(listed["owner"].removeprefix("id:"))
        with open_container(tmp_path / "bear.gcode.sealed") as container:
            header = container.header
            header.check(
                run.service.orderer.chain.genesis.chain,
                KeyVersion(owner=owner, name="bear", version=1),
                bytes.fromhex(version["digest"]),
            )
            plain = [container.piece(0, Secret(lease["half"]))]
            for piece in (1, 2):
                beat = await run.act(
                    ROOM, "beat", lease=lease["lease"], number=piece, used=0, piece=piece
                )
                plain.append(container.piece(piece, Secret(beat.result["piece_key"])))
        assert b"".join(plain).decode() == DESIGN


def test_the_ledger_and_the_owner_derive_one_key_of_a_piece() -> None:
    """Two places, for a room loads neither the programs nor the owner's tools."""
    key = KeyVersion(owner=b"o" * 32, name="bear", version=3)
    for index in (0, 1, 127, 128, 70_000):
        own = key.piece_key(Secret(b"k" * 32), index).reveal()
        assert own == piece_key(Secret(b"k" * 32), b"o" * 32, "bear", 3, index).reveal()


async def test_the_design_stands_in_no_file_but_the_makers_own(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3")
        (key_file,) = (tmp_path / "keys" / "alice.vault").iterdir()
        assert key_file.name == "bear@1.json"
        assert key_file.stat().st_mode & 0o777 == 0o600
        secret = json.loads(key_file.read_text())["secret"]
        for path in tmp_path.rglob("*"):
            if path.is_file() and path not in (run.design, key_file):
                assert b"G1 X1" not in path.read_bytes(), path
                assert bytes.fromhex(secret) not in path.read_bytes(), path


async def test_put_may_be_given_again_and_takes_what_it_left(tmp_path: Path) -> None:
    """The answer was lost, or the machine went down between the file and the ledger."""
    async with maker(tmp_path) as run:
        policy = tmp_path / "policy.json"
        policy.write_text(POLICY)
        run.design.write_text(DESIGN)
        await run.json("vault", "new", "bear", "--policy", str(policy), "--as", "alice")
        run.service.orderer.paused = True
        put = ("vault", "put", "bear", str(run.design), "--as", "alice")
        await expired(run, *put)
        sealed = (tmp_path / "bear.gcode.sealed").read_bytes()
        key = (tmp_path / "keys" / "alice.vault" / "bear@1.json").read_bytes()
        run.service.orderer._waiting.clear()
        run.service.orderer.paused = False
        document = await run.json(*put)
        assert document["result"]["state"] == "active"
        assert (tmp_path / "bear.gcode.sealed").read_bytes() == sealed
        assert (tmp_path / "keys" / "alice.vault" / "bear@1.json").read_bytes() == key


async def test_put_given_again_after_its_answer_was_lost_says_what_stands(tmp_path: Path) -> None:
    """The ledger had taken it: nothing is sent again, and nothing is refused."""
    async with maker(tmp_path) as run:
        await run.key()
        height = run.service.orderer.height
        put = ("vault", "put", "bear", str(run.design), "--as", "alice")
        document = await run.json(*put)
        assert (document["ok"], document["result"]) == (True, {"version": 1, "state": "active"})
        assert "by an attempt before this one" in (await run(*put)).stdout
        assert run.service.orderer.height == height
        other = (*put, "--out", str(tmp_path / "other.sealed"))
        refused = await run.json(*other, code=1)
        assert refused["error"]["code"] == "put", "another container, of another digest"
        await run.json("vault", "revoke", "bear", "--yes", "--as", "alice")
        assert (await run.json(*put, code=1))["error"]["code"] == "put"


@pytest.mark.parametrize("change", ["another key", "another file", "more pieces", "fewer pieces"])
async def test_a_container_of_another_key_or_file_is_not_taken_for_this_one(
    tmp_path: Path, change: str
) -> None:
    """Else the ledger would release keys of something that the owner does not mean."""
    async with maker(tmp_path) as run:
        await run.key()
        out, policy = str(tmp_path / "bear.gcode.sealed"), str(tmp_path / "policy.json")
        await run.json("vault", "new", "owl", "--policy", policy, "--as", "alice")
        if change != "another key":
            kept = tmp_path / "keys" / "alice.vault"
            document = json.loads((kept / "bear@1.json").read_text()) | {"key": "owl@1"}
            (kept / "owl@1.json").write_text(json.dumps(document))
            (kept / "owl@1.json").chmod(0o600)
            whole = run.design.read_text()
            secret = Secret(bytes.fromhex(document["secret"]))
            (tmp_path / "bear.gcode.sealed").unlink()
            chain, owner = run.service.orderer.chain.genesis.chain, Identity(key_named("alice")).id
            owl = KeyVersion(owner=owner, name="owl", version=1)
            sizes = cut(run.design, "layers")
            seal_file(run.design, Path(out), secret=secret, chain=chain, key=owl, sizes=sizes)
            texts = {
                "another file": whole.replace("X1", "X8"),
                "more pieces": whole + ";LAYER:9\n",
                "fewer pieces": whole.partition(";LAYER:2")[0],
            }
            run.design.write_text(texts[change])
        result = await run("vault", "put", "owl", str(run.design), "--out", out, "--as", "alice")
        assert result.exit_code == 2
        assert "is not this file under this key" in result.stderr
        assert (await run.json("vault", "show", "owl", "--as", "alice"))["state"] == "draft"


async def test_a_file_that_is_no_container_is_not_taken(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        policy = tmp_path / "policy.json"
        policy.write_text(POLICY)
        run.design.write_text(DESIGN)
        (tmp_path / "bear.gcode.sealed").write_bytes(b"precious")
        await run.json("vault", "new", "bear", "--policy", str(policy), "--as", "alice")
        result = await run("vault", "put", "bear", str(run.design), "--as", "alice")
        assert result.exit_code == 2
        assert "name another with --out" in result.stderr
        assert (tmp_path / "bear.gcode.sealed").read_bytes() == b"precious"


async def test_a_file_of_other_pieces_than_the_key_is_refused_before_a_key_is_made(
    tmp_path: Path,
) -> None:
    async with maker(tmp_path) as run:
        policy = tmp_path / "policy.json"
        policy.write_text(POLICY)
        run.design.write_text(DESIGN)
        await run.json(
            "vault", "new", "bear", "--policy", str(policy), "--pieces", "12", "--as", "alice"
        )
        result = await run("vault", "put", "bear", str(run.design), "--as", "alice")
        assert result.exit_code == 2
        assert "makes 3 pieces and the key is of 12" in result.stderr
        assert not (tmp_path / "keys" / "alice.vault").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("suspend",), "suspended"),
        (("revoke", "--yes"), "revoked"),
        (("destroy", "--yes"), "revoked"),
    ],
)
async def test_T52_a_stopped_key_gives_no_further_piece_and_says_the_next_step(
    tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3")
        lease = await run.ask()
        await run.json("vault", *words, "bear", "--as", "alice")
        with pytest.raises(ProgramFailed) as refused:
            await run.act(ROOM, "beat", lease=lease["lease"], number=1, used=0, piece=1)
        assert refused.value.code == code
        rows = (await run.json("vault", "records", "bear", "--refusals", "--as", "alice"))[
            "records"
        ]
        assert [row["what"] for row in rows] == [code]


async def test_an_owner_reads_calls_that_were_wrong_in_themselves_and_whose_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3")
        lease = (await run.ask())["lease"]
        with pytest.raises(ProgramFailed):
            await run.act(ROOM, "beat", lease=lease, number=7, used=0)
        shown = (await run("vault", "records", "bear", "--mistakes", "--as", "alice")).stdout
        who = Identity(key_named(ROOM.who)).id.hex()
        assert "beat 1 is next" in shown
        assert shown.count(lease.hex()) == shown.count(f"id:{who[:16]}") == 1, "of one row"
        refusals = await run.json("vault", "records", "bear", "--refusals", "--as", "alice")
        assert refusals["records"] == []


async def test_a_suspended_key_goes_on_once_it_is_resumed(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key()
        await run.json("vault", "suspend", "bear", "--as", "alice")
        refused = await run.json("vault", "suspend", "bear", "--as", "alice", code=1)
        assert refused["error"]["code"] == "suspended"
        assert "vault resume" in refused["error"]["next"]
        result = await run("vault", "suspend", "bear", "--as", "alice")
        assert "next: the owner lets it go on with `strongroom vault resume KEY`" in result.stderr
        assert (await run.json("vault", "resume", "bear", "--as", "alice"))["result"] == {
            "state": "active"
        }


async def test_what_cannot_be_taken_back_asks_first(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key()
        for what in ("revoke", "destroy"):
            result = await run("vault", what, "bear", "--as", "alice")
            assert result.exit_code != 0
            await run.json("vault", what, "bear", "--as", "alice", code=2)
        assert (await run.json("vault", "show", "bear", "--as", "alice"))["state"] == "active"


async def test_T51_loosening_waits_for_approvers_and_tightening_does_not(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--quantity", "5", "--approver", "bob")
        shown = await run.json("vault", "show", "alice/bear", "--as", "bob")
        waits = shown["pending"]["change"]
        await run.json("vault", "approve", waits, "--as", "bob")
        tighter = await run.json("vault", "change", "bear", "--quantity", "4", "--as", "alice")
        assert tighter["result"]["state"] == "in force"
        looser = await run.json("vault", "change", "bear", "--quantity", "6", "--as", "alice")
        assert (looser["result"]["state"], looser["result"]["loosens"]) == ("pending", ["quantity"])
        page = (await run("vault", "show", "alice/bear", "--as", "bob")).stdout
        assert "quantity: 6" in page
        consent = await run.json("vault", "approve", looser["result"]["change"], "--as", "bob")
        assert consent["result"]["missing"] == 0
        run.service.orderer.pass_time(1000)
        shown = await run.json("vault", "show", "bear", "--as", "alice")
        assert shown["terms"]["quantity"] == 6


async def test_names_resolve_as_elsewhere_and_never_to_ones_own_by_mistake(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--approver", "bob")
        for text in ("alice/bear", "alice/bear@1"):
            assert (await run.json("vault", "show", text, "--as", "bob"))["key"] == "bear"
        for text, words in (
            ("nobody/bear", "no identity 'nobody'"),
            ("bear@0", "is no key"),
            ("bear@x", "is no key"),
            ("/bear", "is no key"),
            ("", "is no key"),
        ):
            result = await run("vault", "suspend", text, "--as", "alice")
            assert (result.exit_code, words in result.stderr) == (2, True), (text, result.output)
        assert (await run.json("vault", "show", "bear", "--as", "bob", code=1))["error"][
            "code"
        ] == ("no-key")


async def test_a_lease_shows_what_revoking_now_would_come_to(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3", "--quantity", "5", "--allotment", "2", "--lease", "40s")
        lease = (await run.ask())["lease"].hex()
        (listed,) = await run.json("vault", "leases", "--as", "alice")
        assert (listed["lease"], listed["state"], listed["reserved"]) == (lease, "open", 2)
        assert await run.json("vault", "leases", "bear", "--as", "alice") == [listed]
        shown = await run.json("vault", "lease", lease, "--as", "alice")
        assert shown["bounds"] | {"cut_off_ms": 0} == {
            "pieces_after_revocation": 0,
            "connected_ms": 10_000,
            "cut_off_ms": 0,
            "units": 2,
        }
        page = (await run("vault", "lease", lease, "--as", "alice")).stdout
        assert "stops within 10 s" in page
        assert "after 2 more units at most" in page
        assert lease in (await run("vault", "leases", "--as", "alice")).stdout


async def test_what_happens_is_told_a_line_each_and_nothing_twice(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3", "--quantity", "1")
        other = Room(name="hall-8", who="room session 2")
        async with Client.connect(tmp_path, "alice") as client:

            async def asked(name: str, **arguments: Any) -> Any:
                return (await client.query(name, **arguments)).value

            watch = Watch(asked, [(b"", "bear")])
            assert await watch.look() == []
            lease = (await run.ask())["lease"]
            assert [(one.what, one.lease) for one in await watch.look()] == [("ask", lease)]
            with pytest.raises(ProgramFailed):
                await run.ask(other)
            await run.act(ROOM, "use", lease=lease, unit=1, digest=bytes(32))
            await run.act(ROOM, "end", lease=lease, used=1)
            told = [(one.what, one.refused) for one in await watch.look()]
            assert told == [("quantity", True), ("use", False), ("end", False)]
            assert await watch.look() == []
        command = ("vault", "leases", "--watch", "--for", "0s", "--last", "9", "--as", "alice")
        lines = [json.loads(line) for line in (await run(*command, "--json")).stdout.splitlines()]
        assert [line["what"] for line in lines] == ["new", "put", "ask", "quantity", "use", "end"]
        text = (await run(*command)).stdout.splitlines()
        assert len(text) == len(lines)
        assert "REFUSED quantity" in text[3]


async def test_a_key_that_is_made_while_one_watches_is_watched_from_its_beginning(
    tmp_path: Path,
) -> None:
    async with maker(tmp_path) as run, Client.connect(tmp_path, "alice") as client:

        async def asked(name: str, **arguments: Any) -> Any:
            return (await client.query(name, **arguments)).value

        watch = Watch(asked, [])
        assert await watch.look() == []
        await run.key()
        watch.follow([(b"", "bear")])
        assert [one.what for one in await watch.look()] == ["new", "put"]
        watch.follow([(b"", "bear")])
        assert await watch.look() == []


async def test_a_lease_that_falls_silent_is_told_though_no_record_says_so(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--lease", "30s", "--heartbeat", "10s")
        async with Client.connect(tmp_path, "alice") as client:

            async def asked(name: str, **arguments: Any) -> Any:
                return (await client.query(name, **arguments)).value

            watch = Watch(asked, [(b"", "bear")])
            lease = (await run.ask())["lease"]
            await watch.look()
            for wait_ms, state in ((15_000, "late"), (30_000, "lapsed")):
                run.service.orderer.pass_time(wait_ms)
                assert [(one.what, one.lease) for one in await watch.look()] == [(state, lease)]
                assert await watch.look() == []


async def test_the_explorer_shows_keys_leases_and_custodians_to_those_who_may_read(
    tmp_path: Path,
) -> None:
    async with maker(tmp_path) as run:
        await run.key("--approver", "bob")
        await run.json(
            *("vault", "new", "owl", "--policy", str(tmp_path / "policy.json")),
            *("--custody", "split", "--custodian", "member1", "--as", "alice"),
        )
        waits = (await run.json("vault", "show", "bear", "--as", "alice"))["pending"]["change"]
        await run.json("vault", "approve", waits, "--as", "bob")
        lease = (await run.ask())["lease"].hex()
        listed = await run.json("explorer", "keys", "--as", "alice")
        assert [one["key"] for one in listed] == ["bear", "owl"]
        (shown,) = await run.json("explorer", "keys", "alice", "--as", "bob")
        assert shown["key"] == "bear"
        assert await run.json("explorer", "keys", "alice", "--as", "member2") == []
        (one,) = await run.json("explorer", "leases", "alice", "--as", "bob")
        assert one["lease"] == lease
        (custodian,) = await run.json("explorer", "custodians", "alice", "--as", "member1")
        assert [one["key"] for one in custodian["keys"]] == ["owl"]
        assert custodian["endpoint"] is None
        where = "https://127.0.0.1:8443"
        await run.json("call", "vault.announce", f"endpoint={where}", "--as", "member1")
        (told,) = await run.json("explorer", "custodians", "--as", "member2")
        assert (told["endpoint"], told["keys"]) == (where, [])
        assert custodian["released_ms"] is None
        assert "owl@1" in (await run("explorer", "custodians", "--as", "alice")).stdout
        result = await run("vault", "put", "owl", str(run.design), "--as", "alice")
        assert (result.exit_code, "custody is split" in result.stderr) == (2, True)


async def test_its_owner_ends_a_lease_and_the_room_gets_no_further_piece(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3")
        lease = (await run.ask())["lease"]
        await run.json("vault", "end", lease.hex(), "--as", "bob", code=1)
        await run.json("vault", "end", lease.hex(), "--as", "alice")
        with pytest.raises(ProgramFailed):
            await run.act(ROOM, "beat", lease=lease, number=1, used=0, piece=1)


async def test_rotating_seals_anew_and_the_old_one_opens_for_a_while(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        await run.key("--pieces", "3")
        out = tmp_path / "bear-2.sealed"
        document = await run.json(
            "vault",
            "rotate",
            "bear",
            str(run.design),
            "--out",
            str(out),
            "--old-for",
            "2h",
            "--as",
            "alice",
        )
        assert document["result"]["version"] == 2
        shown = await run.json("vault", "show", "bear", "--as", "alice")
        assert shown["versions"][1]["digest"] == document["digest"]
        assert sorted(os.listdir(tmp_path / "keys" / "alice.vault")) == [
            "bear@1.json",
            "bear@2.json",
        ]
        lease = await run.ask()
        with open_container(out) as container:
            assert container.header.key.version == 2
            assert container.piece(0, Secret(lease["half"])).startswith(b"G28")


async def test_a_passphrase_seals_the_data_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_PASSPHRASE", "correct horse")
    async with maker(tmp_path) as run:
        policy = tmp_path / "policy.json"
        policy.write_text(POLICY)
        run.design.write_text(DESIGN)
        await run.json("vault", "new", "bear", "--policy", str(policy), "--as", "alice")
        await run.json("vault", "put", "bear", str(run.design), "--passphrase", "--as", "alice")
        text = (tmp_path / "keys" / "alice.vault" / "bear@1.json").read_text()
        assert "secret" not in json.loads(text)


async def test_a_policy_that_is_none_is_refused_with_its_place(tmp_path: Path) -> None:
    async with maker(tmp_path) as run:
        policy = tmp_path / "policy.json"
        policy.write_text(policy_of({"claim": "colour", "equals": "red"}))
        arguments = ("vault", "new", "bear", "--policy", str(policy), "--as", "alice")
        document = await run.json(*arguments, code=1)
        assert document["error"]["code"] == "policy"
        assert "colour" in document["error"]["message"]
        policy.write_bytes(b"\xff")
        assert (await run(*arguments)).exit_code == 2
