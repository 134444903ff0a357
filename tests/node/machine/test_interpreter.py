"""Whether an interpreter was built by a profile is read from what its build recorded."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from strongroom.node.machine import interpreter as judge

GCC = {
    "PGO_PROF_GEN_FLAG": "-fprofile-generate",
    "PGO_PROF_USE_FLAG": "-fprofile-use -fprofile-correction",
    "MULTIARCH": "x86_64-linux-gnu",
    "CONFIG_ARGS": "'--prefix=/opt/python' '--enable-shared' 'LDFLAGS=-L/opt/python/lib'",
    "PY_CORE_CFLAGS": "-DNDEBUG -g -fwrapv -O3 -Wall -std=c11",
}
"""What `./configure && make` records with gcc."""
CLANG = GCC | {
    "PGO_PROF_GEN_FLAG": "-fprofile-instr-generate",
    "PGO_PROF_USE_FLAG": "-fprofile-instr-use=code.profclangd",
}
DEBIAN = GCC | {
    "PGO_PROF_USE_FLAG": "",
    "CONFIG_ARGS": "'--enable-shared' '--prefix=/usr' '--without-ensurepip'",
}
"""Debian's python3.11: by `make profile-opt`, its options taken out of what is recorded."""


@pytest.mark.parametrize(
    "variables",
    [
        GCC | {"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'"},
        CLANG | {"CONFIG_ARGS": "'CC=clang' '--enable-optimizations=yes'"},
        GCC | {"PY_CORE_CFLAGS": "-O3 -fprofile-use -fprofile-correction"},
        CLANG | {"PY_CFLAGS_NODIST": "-fprofile-instr-use=code.profclangd"},
        DEBIAN,
        DEBIAN | {"MULTIARCH": "aarch64-linux-gnu"},
    ],
)
def test_a_build_by_a_profile_is_known_by_what_it_recorded(variables: dict[str, Any]) -> None:
    assert judge.profile_guided(variables)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        GCC,
        CLANG,
        GCC | {"CONFIG_ARGS": "'--enable-optimizations=no' 'CFLAGS=--enable-optimizations -O2'"},
        DEBIAN | {"MULTIARCH": "riscv64-linux-gnu"},
        {"PGO_PROF_GEN_FLAG": "", "PGO_PROF_USE_FLAG": "", "MULTIARCH": "x86_64-linux-gnu"},
        {"PGO_PROF_USE_FLAG": None, "CONFIG_ARGS": None},
    ],
)
def test_a_build_without_a_sign_of_it_is_taken_for_a_plain_one(variables: dict[str, Any]) -> None:
    assert not judge.profile_guided(variables)


def test_a_document_names_the_interpreter_that_runs() -> None:
    found = judge.interpreter()
    assert found["name"].endswith(".".join(map(str, sys.version_info[:3])))
    guided = judge.profile_guided(sysconfig.get_config_vars())
    assert found["profile_guided"] is guided
    assert judge.in_words(found | {"profile_guided": True}) == f"{found['name']} built with PGO"
    assert judge.in_words(found | {"profile_guided": False}).endswith("built without PGO")


@pytest.mark.parametrize(
    ("missing", "able"),
    [(["ensurepip"], True), (["pip"], True), (["ensurepip", "pip"], False), (["venv"], False)],
)
def test_an_interpreter_needs_a_pip_of_one_kind(
    missing: list[str], able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(name: str) -> object | None:
        return None if name in missing else importlib.util.find_spec("venv")

    monkeypatch.setattr(judge, "find_spec", there)
    assert judge.makes_environments() is able


def test_in_an_environment_the_interpreter_below_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`.venv` may be first on the path of whoever makes it anew, and has a pip of its own."""
    said = subprocess.run(
        [sys.executable, "-I", judge.__file__], capture_output=True, text=True, check=True
    )
    minor, guided, place = said.stdout.split(maxsplit=2)
    assert int(minor) == sys.version_info[1]
    assert guided in ("guided", "plain")
    assert Path(place.strip()) == Path(sys.executable).resolve()

    asked: list[str] = []

    def replaced(path: str, _: list[str]) -> None:
        asked.append(path)
        raise SystemExit

    monkeypatch.setattr(sys, "prefix", "/some/environment")
    monkeypatch.setattr(sys, "executable", "/some/environment/bin/python")
    monkeypatch.setattr(sys, "_base_executable", "/some/python")
    monkeypatch.setattr(os, "execv", replaced)
    with pytest.raises(SystemExit):
        judge.main()
    assert asked == ["/some/python"]
