"""`strongroom custodian init|check|journal` as a user types them (T55, T56)."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.hang import HANG_SECONDS
from tests.node.custodian.softhsm import MODULE, PIN, needs_softhsm, softhsm

from strongroom.consensus.errors import OperatorFault
from strongroom.node.config import ConfigInvalid
from strongroom.node.custodian.halves import CHECK_SIZE
from strongroom.node.custodian.journal import FILE, Journal
from strongroom.node.custodian.pin import Pin, read_pin
from strongroom.node.custodian.settings import Settings, load_settings, save_settings
from strongroom.node.custodian.token_words import KEY_ID_SIZE, Form

CALL = (sys.executable, "-c", "from strongroom.node.cli.main import main; main()")


class Shell:
    """Commands in a folder, with a token beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.hsm = folder, softhsm(folder / "hsm")
        self.pin = folder / "pin"
        self.pin.write_text(PIN + "\n")
        self.pin.chmod(0o600)

    def run(
        self, *arguments: str, fails: int = 0, **more: Any
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            (*CALL, "custodian", *arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            **more,
        )
        assert done.returncode == fails, done.stderr
        assert PIN not in done.stdout + done.stderr
        return done

    def init(
        self, *more: str, folder: str = "c", fails: int = 0
    ) -> "subprocess.CompletedProcess[str]":
        variables = [f"--env={name}={value}" for name, value in self.hsm.environment.items()]
        return self.run(
            *("init", "--dir", folder, "--customer", "Acme Toys", "--module", MODULE),
            *("--token", "acme", "--pin-file", "pin", *variables, *more),
            fails=fails,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def with_token(shell: Shell) -> Shell:
    shell.hsm.token()
    return shell


@needs_softhsm
@pytest.mark.parametrize("form", ["hmac", "ecdh"])
def test_init_makes_a_key_that_check_knows_again(with_token: Shell, form: str) -> None:
    made = json.loads(with_token.init("--form", form, "--json").stdout)
    assert made["key"] == {
        "kind": "GENERIC_SECRET" if form == "hmac" else "EC",
        "sensitive": True,
        "extractable": False,
        "never_extractable": True,
        "local": True,
    }
    checked = json.loads(
        with_token.run("check", "--dir", "c", "--pin-file", "pin", "--json").stdout
    )
    assert checked["ok"] is checked["same_key"] is True
    assert {row["what"] for row in checked["can"] if not row["can"]} == {"export as .byok"}
    table = with_token.run("check", "--dir", "c", "--pin-file", "pin").stdout
    assert "half by HMAC" in table
    assert "no: lacks RSA_AES_KEY_WRAP" in table


@needs_softhsm
def test_a_second_init_leaves_the_first_alone(with_token: Shell) -> None:
    with_token.init()
    before = (with_token.folder / "c" / "custodian.toml").read_bytes()
    assert "name another folder" in with_token.init(fails=2).stderr
    assert (with_token.folder / "c" / "custodian.toml").read_bytes() == before


@needs_softhsm
def test_t56_check_says_that_the_hsm_holds_another_key(with_token: Shell) -> None:
    """Rotated: the same label and id, another key."""
    with_token.init()
    settings = with_token.folder / "c" / "custodian.toml"
    known = load_settings(with_token.folder / "c").check.hex()
    settings.write_text(settings.read_text().replace(known, "00" * 16))
    said = with_token.run("check", "--dir", "c", "--pin-file", "pin", fails=1)
    assert "NO: another key than at init" in said.stdout


@needs_softhsm
def test_t56_a_wrong_pin_says_what_is_left(with_token: Shell) -> None:
    with_token.init()
    with_token.pin.write_text("999999")
    said = with_token.run("check", "--dir", "c", "--pin-file", "pin", fails=2).stderr
    assert said.startswith("error: Acme Toys: the PIN is wrong for token 'acme'")
    assert "left" in said
    assert "999999" not in said


@needs_softhsm
def test_t56_a_missing_token_is_said_with_the_customers_name(shell: Shell) -> None:
    assert "Acme Toys: no token 'acme'" in shell.init(fails=2).stderr
    assert not (shell.folder / "c").exists()


@needs_softhsm
def test_the_pin_comes_from_a_descriptor(with_token: Shell) -> None:
    with_token.init()
    read, write = os.pipe()
    os.write(write, PIN.encode())
    os.close(write)
    with_token.run("check", "--dir", "c", "--pin-fd", str(read), pass_fds=(read,))
    os.close(read)


def test_a_pin_is_no_argument_and_no_variable(shell: Shell) -> None:
    said = shell.run("check", "--help").stdout
    assert "--pin-file" in said
    assert "--pin-fd" in said
    assert "--pin " not in said


def test_without_a_terminal_a_pin_must_be_named(shell: Shell) -> None:
    said = shell.run(
        *("init", "--customer", "A", "--module", "m", "--token", "t"),
        fails=2,
        stdin=subprocess.DEVNULL,
    )
    assert "no PIN: name a file with --pin-file" in said.stderr


def test_a_pin_that_others_may_read_is_refused(shell: Shell) -> None:
    shell.pin.chmod(0o644)
    with pytest.raises(OperatorFault, match="chmod 600"):
        read_pin(file=shell.pin)


@pytest.mark.parametrize("text", ["", "\n", "12\n34", "1\x002", "1" * 300, "1234\n\n"])
def test_a_pin_file_holds_the_pin_alone(shell: Shell, text: str) -> None:
    shell.pin.write_text(text)
    with pytest.raises(OperatorFault) as raised:
        read_pin(file=shell.pin)
    assert text == "" or text not in str(raised.value)


def test_a_pin_does_not_print_itself() -> None:
    import pickle

    pin = Pin(PIN)
    assert PIN not in f"{pin} {pin!r} {[pin]}"
    with pytest.raises(TypeError):
        pickle.dumps(pin)
    assert Pin(" spaced pin ").reveal() == " spaced pin "


# --- the journal ----------------------------------------------------------------------------------


def test_t55_the_journal_command_verifies_and_shows(shell: Shell) -> None:
    with Journal.open(shell.folder / "c") as journal:
        for number in range(5):
            journal.append("given", time_ms=number, lease=f"{number:02x}")
    said = shell.run("journal", "--dir", "c").stdout
    assert "5 entries, each follows the one before" in said
    some = json.loads(shell.run("journal", "--dir", "c", "--after", "3", "--json").stdout)
    assert [entry["entry"] for entry in some["shown"]] == [4, 5]
    file = shell.folder / "c" / FILE
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"lease":"02"', b'"lease":"09"'))
    assert "entry 3 was changed" in shell.run("journal", "--dir", "c", fails=2).stderr
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    assert "was cut" in shell.run("journal", "--dir", "c", fails=2).stderr


# --- settings -------------------------------------------------------------------------------------


def test_settings_tell_every_problem_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "custodian.toml").write_text(
        'customer = "two\\nlines"\nmodule = "m"\ntoken = ""\nform = "rsa"\nkey_label = "k"\n'
        'key_id = "xyz"\ncheck = "00"\nlisten = "nowhere"\nper_minute = 0\nsurprise = 1\n'
        'owners = ["id:00", 7]\n'
    )
    with pytest.raises(ConfigInvalid) as raised:
        load_settings(tmp_path)
    said = str(raised.value)
    for name in (
        "customer",
        "token",
        "form",
        "key_id",
        "check",
        "listen",
        "per_minute",
        "owners",
        "surprise",
    ):
        assert f": {name}: " in said, name


def test_whose_keys_are_served_stands_in_the_settings(tmp_path: Path) -> None:
    made = Settings(
        folder=tmp_path,
        customer="Acme",
        module="m",
        token="t",
        serial="",
        form=Form.HMAC,
        key_label="k",
        key_id=bytes(KEY_ID_SIZE),
        check=bytes(CHECK_SIZE),
    )
    for owners in ((), (b"o" * 32, b"p" * 32)):
        folder = tmp_path / str(len(owners))
        save_settings(replace(made, folder=folder, owners=owners))
        assert load_settings(folder).owners == owners


def test_no_settings_say_how_they_are_made(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="custodian init"):
        load_settings(tmp_path)
