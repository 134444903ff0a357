"""A data key is kept by its owner, for its owner only, and never overwritten."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.node.client.passphrases import PASSPHRASE_VARIABLE
from strongroom.node.vault.key_files import DataKeyFolder, NoDataKey

KEY = KeyVersion(owner=b"o" * 32, name="bear", version=1)


@pytest.fixture
def folder(tmp_path: Path) -> DataKeyFolder:
    return DataKeyFolder(tmp_path / "keys" / "maker.vault", ChainId(b"c" * 32))


def test_a_key_is_kept_for_its_owner_only_and_read_again(folder: DataKeyFolder) -> None:
    secret = folder.fresh(KEY)
    assert folder.load(KEY).reveal() == secret.reveal()
    assert folder.path(KEY).stat().st_mode & 0o777 == 0o600
    assert folder.directory.stat().st_mode & 0o777 == 0o700
    assert secret.reveal().hex() not in repr(secret)


def test_every_key_is_another(folder: DataKeyFolder) -> None:
    one, two = folder.fresh(KEY), folder.fresh(replace(KEY, version=2))
    assert one.reveal() != two.reveal()


def test_a_key_is_never_overwritten(folder: DataKeyFolder) -> None:
    secret = folder.fresh(KEY)
    with pytest.raises(OperatorFault, match="may be the only key"):
        folder.fresh(KEY)
    assert folder.load_or_fresh(KEY).reveal() == secret.reveal()


def test_a_file_that_others_may_read_is_refused(folder: DataKeyFolder) -> None:
    folder.fresh(KEY)
    folder.path(KEY).chmod(0o640)
    with pytest.raises(OperatorFault, match="chmod 600"):
        folder.load(KEY)


def test_a_passphrase_seals_it(folder: DataKeyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    secret = folder.fresh(KEY, passphrase="correct horse")
    assert secret.reveal().hex() not in folder.path(KEY).read_text()
    assert folder.load(KEY, lambda _: "correct horse").reveal() == secret.reveal()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    assert folder.load(KEY).reveal() == secret.reveal()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong")
    with pytest.raises(OperatorFault, match="does not open"):
        folder.load(KEY)
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    with pytest.raises(OperatorFault, match="takes a passphrase"):
        folder.load(KEY)


def test_a_sealed_file_under_another_keys_name_does_not_open(
    folder: DataKeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    folder.fresh(KEY, passphrase="correct horse")
    other = replace(KEY, version=2)
    document = json.loads(folder.path(KEY).read_text())
    folder.path(other).write_text(json.dumps(document))
    folder.path(other).chmod(0o600)
    with pytest.raises(OperatorFault, match="another owner, version or ledger"):
        folder.load(other)
    folder.path(other).write_text(json.dumps(document | {"key": "bear@2"}))
    with pytest.raises(OperatorFault, match="does not open"):
        folder.load(other)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        '{"key": "bear@1"}',
        "\xff",
        "{" * 5000,
    ],
)
def test_a_damaged_file_is_told(folder: DataKeyFolder, damage: str) -> None:
    folder.fresh(KEY)
    folder.path(KEY).write_text(damage, encoding="latin-1")
    with pytest.raises(OperatorFault, match="damaged"):
        folder.load(KEY)


@pytest.mark.parametrize("secret", ["", "00", "zz" * 32, 7, None])
def test_a_damaged_secret_is_told(folder: DataKeyFolder, secret: object) -> None:
    folder.fresh(KEY)
    document = json.loads(folder.path(KEY).read_text()) | {"secret": secret}
    folder.path(KEY).write_text(json.dumps(document))
    with pytest.raises(OperatorFault, match="damaged"):
        folder.load(KEY)


def test_without_a_file_it_is_said_what_is_lost(folder: DataKeyFolder) -> None:
    with pytest.raises(NoDataKey, match="only who sealed"):
        folder.load(KEY)
