"""A credential is shown in one header only, and lies in a file that only its owner reads."""

import copy
import pickle
from pathlib import Path

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.node.credentials import Credential, load_optional, shown_digest


def test_it_goes_through_its_file_and_its_digest_is_what_a_node_compares(tmp_path: Path) -> None:
    made = Credential.fresh()
    made.save(tmp_path / "credential")
    assert (tmp_path / "credential").stat().st_mode & 0o777 == 0o600
    read = load_optional(tmp_path / "credential")
    assert read is not None
    assert read.header == made.header
    assert shown_digest(made.header["Authorization"]) == made.digest
    assert load_optional(tmp_path / "nothing") is None


def test_it_has_no_repr_and_is_never_pickled() -> None:
    made = Credential.fresh()
    secret = made.header["Authorization"].removeprefix("Bearer ")
    assert secret not in f"{made!r} {made} {[made]}"
    for way in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            way(made)


@pytest.mark.parametrize("text", ["", "sro1-", "sro1-" + "a" * 42, "sro1-" + "!" * 43, "x" * 48, "sro1-" + "é" * 43])
def test_what_is_none_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as refused:
        Credential(text)
    assert not text or text not in str(refused.value) or text == "sro1-"
    (tmp_path / "credential").write_text(text)
    with pytest.raises(OperatorFault):
        load_optional(tmp_path / "credential")


@pytest.mark.parametrize("header", [None, "", "Basic x", "Bearerx"])
def test_another_scheme_shows_nothing(header: str | None) -> None:
    assert shown_digest(header) is None
