"""Who may import whom: what the READMEs of node and enclave say is the contract that every commit
is checked against (pyproject.toml, import-linter), and no folder stands outside of it."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINE = re.compile(r"A folder imports only from those to its right.*?`([^`]*→[^`]*)`", re.DOTALL)
OUTSIDE = {"node": set[str](), "enclave": {"outside", "room"}}
"""Folders that no layer names: a contract of its own says who may load them."""

Layers = list[set[str]]


def said(package: str) -> Layers:
    """The line of a package's README, left to right."""
    found = LINE.search((ROOT / package / "README.md").read_text())
    assert found is not None
    return [{one.strip() for one in layer.split(",")} for layer in found[1].split("→")]


def checked(package: str) -> Layers:
    """The contract's layers, top to bottom; siblings that may import each other (`:`) are none."""
    (layers,) = (
        contract["layers"]
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and contract.get("containers") == [f"strongroom.{package}"]
    )
    return [{one.strip() for one in layer.split("|")} for layer in layers]


@pytest.mark.parametrize("package", ["node", "enclave"])
def test_a_readme_and_the_contract_name_the_same_arrows(package: str) -> None:
    assert said(package) == checked(package)


@pytest.mark.parametrize("package", ["node", "enclave"])
def test_every_folder_has_its_place_in_the_contract(package: str) -> None:
    folders = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    files = {path.stem for path in (ROOT / package).glob("*.py")}
    assert set().union(*checked(package)) - files == folders - OUTSIDE[package]


def test_every_folder_with_code_is_installed() -> None:
    folders = {
        ".".join(("strongroom", *path.parent.relative_to(ROOT).parts))
        for package in ("consensus", "enclave", "node")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders


def test_every_readme_is_installed_beside_its_code() -> None:
    assert PROJECT["tool"]["setuptools"]["package-data"]["*"] == ["README.md"]
