"""Key files: mode, passphrase, damage, and who is meant by a name."""

import json
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.primitives import verify
from strongroom.node.client.identities import PASSPHRASE_VARIABLE, KeyFolder, NoSuchIdentity
from strongroom.node.client.names import Names


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def test_a_new_identity_signs_as_its_file_says_and_is_its_owners_alone(keys: KeyFolder) -> None:
    made = keys.new("alice")
    loaded = keys.load("alice")
    assert verify(made.public, loaded.key.sign(b"x"), b"x")
    assert loaded.id == made.id == sha256(made.public).digest()
    assert stat.S_IMODE((keys.directory / "alice.json").stat().st_mode) == 0o600


def test_an_existing_identity_is_never_overwritten(keys: KeyFolder) -> None:
    keys.new("alice")
    before = (keys.directory / "alice.json").read_bytes()
    with pytest.raises(OperatorFault, match="exists"):
        keys.new("alice")
    assert (keys.directory / "alice.json").read_bytes() == before


def test_with_a_passphrase_the_seed_is_not_in_the_file(
    keys: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = keys.new("alice", passphrase="correct horse")
    document = json.loads((keys.directory / "alice.json").read_text())
    assert "seed" not in document
    assert keys.load("alice", lambda name: f"correct horse{name[5:]}").id == made.id
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    assert keys.load("alice").id == made.id
    assert keys.show("alice").sealed


def test_a_wrong_or_missing_passphrase_is_said_plainly(keys: KeyFolder) -> None:
    keys.new("alice", passphrase="correct horse")
    with pytest.raises(OperatorFault, match="does not open"):
        keys.load("alice", lambda _: "battery staple")
    with pytest.raises(OperatorFault, match=PASSPHRASE_VARIABLE):
        keys.load("alice")


def test_a_sealed_seed_belongs_to_its_name_and_public_key(keys: KeyFolder) -> None:
    keys.new("alice", passphrase="p")
    document = json.loads((keys.directory / "alice.json").read_text())
    for change in ({"name": "bob"}, {"public": "00" * 32}):
        (keys.directory / "alice.json").write_text(json.dumps(document | change))
        with pytest.raises(OperatorFault):
            keys.load("alice", lambda _: "p")


def test_a_key_file_that_others_may_read_is_refused_with_what_to_do(keys: KeyFolder) -> None:
    keys.new("alice")
    (keys.directory / "alice.json").chmod(0o644)
    with pytest.raises(OperatorFault, match="chmod 600"):
        keys.load("alice")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"public": "00"}',
        '{"public": 5, "seed": "00"}',
        '{"public": "%s", "seed": "00"}' % ("00" * 32),
        '{"public": "%s", "seed": 7}' % ("00" * 32),
        '{"public": "%s", "scrypt": {}}' % ("00" * 32),
        '{"public": "%s", "scrypt": {"n": -1, "r": 8, "p": 1, "salt": "", "box": ""}}'
        % ("00" * 32),
    ],
)
def test_a_damaged_key_file_is_an_operators_fault(keys: KeyFolder, text: str) -> None:
    keys.directory.mkdir()
    path = keys.directory / "alice.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(OperatorFault, match="damaged"):
        keys.load("alice", lambda _: "p")


def test_a_seed_that_does_not_give_the_public_key_is_refused(keys: KeyFolder) -> None:
    keys.new("alice")
    path = keys.directory / "alice.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"public": "00" * 32}))
    with pytest.raises(OperatorFault, match="damaged"):
        keys.load("alice")


@pytest.mark.parametrize("name", ["", "../alice", "a/b", ".hidden", "a" * 65, "a\n", "ä"])
def test_what_is_no_name_reaches_no_file(keys: KeyFolder, name: str) -> None:
    with pytest.raises(ClientFault):
        keys.new(name)
    with pytest.raises(ClientFault):
        keys.load(name)


def test_a_name_means_the_file_and_id_hex_means_itself(keys: KeyFolder) -> None:
    made = keys.new("bob")
    assert keys.resolve("bob") == made.id
    assert keys.resolve(f"id:{made.id.hex()}") == made.id
    for text in ("id:00", f"id:{made.id.hex().upper()}", f"id:{made.id.hex()} "):
        with pytest.raises(ClientFault):
            keys.resolve(text)
    with pytest.raises(NoSuchIdentity, match="strongroom keys new carol"):
        keys.resolve("carol")


def test_the_list_is_by_name_and_says_which_take_a_passphrase(keys: KeyFolder) -> None:
    keys.new("bob", passphrase="p")
    keys.new("alice")
    (keys.directory / "alice.seen").write_text("7\n")
    assert [(entry.name, entry.sealed) for entry in keys.list()] == [
        ("alice", False),
        ("bob", True),
    ]


def test_arguments_by_text_and_by_value_come_to_the_same(keys: KeyFolder) -> None:
    made = keys.new("bob")
    names = Names(keys)
    by_text = names.transaction(
        "payments.transfer", {"to": "bob", "amount": "5", "memo": "rent"}, texts=True
    )
    assert by_text == names.transaction(
        "payments.transfer", {"to": made.id, "amount": 5, "memo": "rent"}
    )
    assert by_text == names.transaction(
        "payments.transfer", {"to": "bob", "amount": 5, "memo": "rent"}
    )
