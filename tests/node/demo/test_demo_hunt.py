"""The hunt for plaintext finds what is there, in every form."""

import os
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from strongroom.node.demo.hunt import (
    PIECE_BYTES,
    CannotHunt,
    forms_of,
    hunt_files,
    hunt_memory,
    without_empty,
)

SECRET = "canary ÿ?>~ of the strongroom"


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(4))
def test_every_alignment_and_alphabet_of_base64_is_found(
    tmp_path: Path, before: int, after: int
) -> None:
    text = os.urandom(before) + SECRET.encode() + os.urandom(after)
    for encode in (b64encode, urlsafe_b64encode):
        (tmp_path / "file").write_bytes(encode(text))
        assert hunt_files(tmp_path, [SECRET]).found[SECRET]


@pytest.mark.parametrize("form", sorted(forms_of(SECRET)))
def test_a_find_names_file_and_form(tmp_path: Path, form: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 1000 + forms_of(SECRET)[form] + b"y" * 1000)
    assert f"deep/file ({form})" in hunt_files(tmp_path, [SECRET]).found[SECRET]


def test_a_text_across_two_chunks_is_found(tmp_path: Path) -> None:
    chunk = 4 * 2**20
    (tmp_path / "file").write_bytes(b"\0" * (chunk - 5) + SECRET.encode() + b"\0" * chunk)
    assert hunt_files(tmp_path, [SECRET]).found[SECRET] == ("file (raw)",)


def test_a_text_between_holes_of_a_sparse_file_is_found(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.seek(32 * 2**20)
        file.write(b"harmless")
        file.seek(64 * 2**20)
        file.write(SECRET.encode())
        file.truncate(256 * 2**20)
    hunt = hunt_files(tmp_path, [SECRET, "another text"])
    assert hunt.found == {SECRET: ("file (raw)",), "another text": ()}
    assert hunt.bytes_searched < 2**20


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"harmless" * 1000)
    hunt = hunt_files(tmp_path, [SECRET])
    assert (hunt.found, hunt.places, hunt.bytes_searched) == ({SECRET: ()}, 1, 8000)


def test_the_memory_of_another_process_is_searched() -> None:
    program = (
        "import sys; text = 'memory' + ' canary'; print('ready', "
        "flush=True); sys.stdin.read(); print(text)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert any(
            "(raw)" in find
            for find in hunt_memory(process.pid, ["memory canary"]).found["memory canary"]
        )
        absent = "MEMORY CANARY " + os.urandom(8).hex()
        assert not hunt_memory(process.pid, [absent]).found[absent]
        process.communicate()


def test_memory_that_cannot_be_read_is_never_called_clean() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        with pytest.raises(CannotHunt):
            hunt_memory(process.pid, [SECRET])


def test_a_text_that_chance_would_find_is_not_hunted() -> None:
    with pytest.raises(ValueError, match="at least 8 bytes"):
        forms_of("short")


@pytest.mark.parametrize("secret", [b"a text in it", bytes(40) + b"key" + bytes(40)])
@pytest.mark.parametrize("at", [0, 100, PIECE_BYTES - 5, 2 * PIECE_BYTES, 3 * PIECE_BYTES - 90])
def test_zeros_are_stepped_over_and_nothing_beside_them(secret: bytes, at: int) -> None:
    """Memory is mostly zeros; a key may begin or end with some."""
    chunk = bytearray(5 * PIECE_BYTES + 17)
    chunk[at : at + len(secret)] = secret
    found = b"".join(without_empty(bytes(chunk)))
    assert secret in found
    assert len(found) < len(chunk) - 2 * PIECE_BYTES
