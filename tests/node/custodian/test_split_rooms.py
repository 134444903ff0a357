"""A customer's HSM, a service, and rooms as processes, by the commands of docs/custodian.md: split
keys open with both halves, and pause, rotate and end with the HSM's key, that customer's alone
(T55, T56)."""

import asyncio
import json
import os
import subprocess
import tomllib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.programs.vault.world import policy_of
from tests.node.custodian.softhsm import needs_softhsm
from tests.node.custodian.test_custody_processes import CALL, Plant
from tests.node.custodian.test_device import _destroy, _make, _with_token
from tests.node.rooms.test_import import LOOKER
from tests.node.rooms.world import DESIGN, LAYERS
from tests.waiting import seen

from strongroom.enclave.room.programs.import_byok import KID
from strongroom.node.custodian.journal import read_journal

pytestmark = [pytest.mark.processes, needs_softhsm]


class Customer(Plant):
    """By commands alone; `printer` and `looker` are the programs that its keys allow."""

    def start(self) -> None:
        self.shell("cluster", "up", "--nodes", "1", "--detach")
        for name in ("maker", "acme", "plant"):
            self.shell("keys", "new", name)
        self.init()
        self.looker = self.folder / "engraver.py"
        self.looker.write_text(LOOKER)
        self.design = self.folder / "bear.gcode"
        self.design.write_text(DESIGN)
        codes = [
            self.shell("room", "measure", program).stdout.split()[0]
            for program in ("printer", "import_byok", str(self.looker))
        ]
        policy = policy_of({"claim": "measurement", "in": codes})
        (self.folder / "policy.json").write_text(policy)
        self.shell("room", "chip", "chip")

    def new(self, name: str, *options: str) -> None:
        self.shell("vault", "new", name, "--policy", "policy.json", "--as", "maker", *options)

    def split(self, name: str, *put: str, pieces: int = 0) -> None:
        self.new(name, "--custody", "split", "--custodian", "acme", "--pieces", str(pieces))
        self.beside("put", name, *put, "--owner", "maker", "--pin-file", str(self.pin))

    def beside(self, command: str, *arguments: str, fails: int = 0) -> str:
        """A command beside the HSM; what it says."""
        own = ("--dir", str(self.custodian))
        done = self.shell("custodian", command, *arguments, *own, fails=fails)
        return done.stdout + done.stderr

    def key_named(self, key: str) -> str:
        """As rooms name it."""
        shown = json.loads(self.shell("vault", "show", key, "--as", "maker", "--json").stdout)
        return f"{shown['owner']}/{key}"

    def room_words(self, program: str, key: str, *more: str) -> tuple[str, ...]:
        return (
            *("room", "run", program, "--name", "hall-7", "--chip", "chip"),
            *("--region", "eu-west", "--as", "plant", "--set", f"key={self.key_named(key)}"),
            *more,
        )

    async def printed(self, key: str, *, fails: int = 0) -> str:
        """One part of a design by a room's process; what it said last."""
        words = self.room_words("printer", key, "--set", "container=d", "--file", f"d={key}.sealed")
        done = await asyncio.to_thread(partial(self.shell, *words, fails=fails))
        return done.stderr if fails else done.stdout


@pytest.fixture
def customer(tmp_path: Path) -> Iterator[Customer]:
    made = Customer(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.shell("cluster", "down")


@pytest.mark.long
async def test_t56_split_keys_go_with_the_hsm_and_nobody_elses(customer: Customer) -> None:
    customer.split("toy", str(customer.design), "--out", "toy.sealed", pieces=LAYERS)
    customer.split("bear", str(customer.design), "--out", "bear.sealed")
    customer.new("other")
    customer.shell(
        *("vault", "put", "other", str(customer.design), "--out", "other.sealed"),
        *("--as", "maker"),
    )
    async with customer.running() as door:
        customer.beside("announce", door)
        await customer.printed("toy")
        await customer.printed("bear")
        given = [one for one in read_journal(customer.custodian) if one.what == "given"]
        assert len(given) == 1 + LAYERS + 1, "of a key in pieces one for each"

        customer.hsm.unplug()
        away = await customer.printed("bear", fails=1)
        assert "custodian-away" in away
        assert "Acme Toys" in away
        await customer.printed("other")
        customer.hsm.plug()
        await customer.printed("bear")

        settings = tomllib.loads((customer.custodian / "custodian.toml").read_text())
        id = bytes.fromhex(settings["key_id"])
        _with_token(customer.hsm, _destroy)
        gone = await customer.printed("toy", fails=1)
        assert "custodian-away" in gone
        _with_token(customer.hsm, lambda session: _make(session, id, "strongroom"))
        rotated = await customer.printed("bear", fails=1)
        assert "another than at `custodian init`" in rotated
        await customer.printed("other")


async def test_t55_a_byok_file_is_imported_by_the_commands_of_the_page(
    customer: Customer,
) -> None:
    """With OpenSSL in the place of a vendor's tool."""
    folder = customer.folder
    customer.split("payroll", "--for-import")
    assert not (customer.data / "keys" / "maker.vault").exists(), "nobody keeps it"
    target, events = os.urandom(32), folder / "events.json"
    async with customer.running() as door:
        customer.beside("announce", door)
        words = customer.room_words("import_byok", "payroll", "--file", "blob=p.byok", "--json")
        with events.open("wb") as out:
            room = await asyncio.create_subprocess_exec(
                *(*CALL, *words),
                stdout=out,
                stderr=subprocess.PIPE,
                cwd=folder,
                env={**os.environ, "STRONGROOM_DIR": str(customer.data)},
            )
        try:

            async def said() -> bytes:
                return events.read_bytes()

            await seen(said, lambda text: b"exchange-key" in text and text.endswith(b"\n"))
            shown = json.loads(
                customer.shell(
                    *("custodian", "exchange", "events.json", "--out", "x.pem", "--json"),
                    *("--key", customer.key_named("payroll")),
                    *("--dir", str(customer.custodian)),
                ).stdout
            )
            assert (shown["room"], shown["kid"]) == ("hall-7", KID)
            (folder / "p.new").write_bytes(byok(folder / "x.pem", target, shown["kid"]))
            (folder / "p.new").rename(folder / "p.byok")
            assert room.stderr is not None
            complaint = (await room.stderr.read()).decode()
            assert await room.wait() == 0, complaint + events.read_text()
        finally:
            if room.returncode is None:
                room.kill()
                await room.wait()
        customer.beside("rewrap", "events.json", "--owner", "maker")
        words = customer.room_words(str(customer.looker), "payroll", "--json")
        lines = (await asyncio.to_thread(customer.shell, *words)).stdout.splitlines()
        (opened,) = [one for one in map(json.loads, lines) if one.get("event") == "opened"]
        assert opened["digest"] == sha256(target).hexdigest()
    assert not _holding(folder, target)


def byok(exchange: Path, target: bytes, kid: str) -> bytes:
    """What a vendor's tool writes, by OpenSSL's commands."""
    aes = os.urandom(32)
    oaep = ("-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1")
    wrap = ("openssl", "enc", "-id-aes256-wrap-pad", "-K", aes.hex(), "-iv", "A65959A6")
    made = b"".join(
        subprocess.run(command, input=data, check=True, capture_output=True).stdout
        for command, data in (
            (("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", str(exchange), *oaep), aes),
            (wrap, target),
        )
    )
    document: dict[str, Any] = {
        "schema_version": "1.0.0",
        "header": {"kid": kid, "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"},
        "ciphertext": urlsafe_b64encode(made).decode(),
    }
    return json.dumps(document).encode()


def _holding(folder: Path, secret: bytes) -> list[Path]:
    """Files anywhere below that hold a secret, raw or in hex."""
    return [
        file
        for file in folder.rglob("*")
        if file.is_file()
        and any(form in file.read_bytes() for form in (secret, secret.hex().encode()))
    ]
