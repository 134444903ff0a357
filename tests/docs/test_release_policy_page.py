"""docs/release-policy.md: its tables are the code's, its example is a policy, its commands run."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strongroom.enclave.attestation import release_policy
from strongroom.enclave.attestation.release_condition import OPERATORS, ORDER
from strongroom.enclave.attestation.release_policy import PolicyRefused, ReleasePolicy
from strongroom.enclave.attestation.vocabulary import VOCABULARY
from strongroom.enclave.outside.policy_import import BECOMES, RENAMED
from strongroom.node.cli.main import make_app
from strongroom.node.cli.vault_policy_claims import TYPE_NAMES, read_claims

PAGE = (Path(__file__).parents[2] / "docs/release-policy.md").read_text()
POLICY, CLAIMS = re.findall(r"```json\n(.*?)```", PAGE, re.S)
COMMANDS = re.findall(r"^\$ strongroom (.*)$", PAGE, re.M)


def table(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, without its head."""
    below = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in below.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_the_vocabulary_is_the_codes() -> None:
    words = {kind: name.removeprefix("a ") for kind, name in TYPE_NAMES.items()}
    shown = [(row[0].strip("`"), row[1]) for row in table("The vocabulary")]
    assert shown == [(name, words[kind]) for name, kind in VOCABULARY.items()]


def test_the_operators_are_the_codes() -> None:
    rows = table("The grammar")
    assert [row[0].strip("`") for row in rows] == list(OPERATORS)
    assert {row[0].strip("`") for row in rows if row[1] == "a whole number"} == set(ORDER)


def test_the_bounds_are_the_codes() -> None:
    row = table("What is refused, when the policy is made")[0][0]
    assert re.findall(r"\d+", row) == [
        str(release_policy.POLICY_BYTES_MAX),
        str(release_policy.POLICY_DEPTH_MAX),
        str(release_policy.POLICY_CONDITIONS_MAX),
    ]


def test_azures_names_are_the_codes() -> None:
    rows = table("Policies of Azure")
    names = [re.findall(r"`([^`]+)`", row[0])[0] for row in rows]
    assert names == [*RENAMED, *BECOMES]
    for row, ours in zip(rows, RENAMED.values(), strict=False):
        assert row[1] == f"`{ours}`"
    for row, (_, condition) in zip(rows[len(RENAMED) :], BECOMES.values(), strict=True):
        assert row[1].startswith(f"`{condition['claim']}` ")


def test_the_example_comes_to_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = ReleasePolicy.parse(POLICY)
    claims = read_claims(CLAIMS.encode())
    assert policy.first_failure({**claims, "region": "eu-north"}) is None
    assert policy.first_failure({**claims, "grc.jurisdiction-country": "NO"}) is None
    (tmp_path / "policy.json").write_text(POLICY)
    (tmp_path / "claims.json").write_text(CLAIMS)
    words = shlex.split(COMMANDS[1])
    done = CliRunner().invoke(make_app("vault"), words)
    assert done.exit_code == 1
    said = PAGE.split("ends so")[1].split("```text\n")[1].split("```")[0]
    assert done.stdout.endswith(said)


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = {"claim": "x-ms-attestation-type", "equals": "sevsnpvm"}
    azure = {"authority": "https://my.attest.azure.net", "allOf": [theirs]}
    for name, text in {
        "policy.json": POLICY,
        "claims.json": CLAIMS,
        "old.json": POLICY,
        "new.json": POLICY.replace("72", "71"),
        "azure.json": json.dumps({"version": "1.0.0", "anyOf": [azure]}),
    }.items():
        (tmp_path / name).write_text(text)
    codes = [
        CliRunner().invoke(make_app("vault"), shlex.split(command)).exit_code
        for command in COMMANDS
    ]
    assert codes == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"simulated", "equals": false', '"simulated", "equals": 0'),
        ('"simulated", "equals": false', '"simulated", "equals": "false"'),
        ("60000", "60000.0"),
        ("60000", "6e4"),
        ("60000", "null"),
        ("60000", '"60000"'),
        ('"region", "equals"', '"region", "less"'),
        ('"region", "equals"', '"region", "equals": "a", "equals"'),
        ('["Genoa", "Turin"]', "[]"),
        ('"region"', '"Region"'),
        ('"anyOf": [\n            {', '"anyof": [\n            {'),
        ("eu-north", "\\ud800"),
        ("eu-north", "\\u0000"),
        ("eu-north", "\u202e"),
    ],
)
def test_what_the_page_says_is_refused_is(good: str, bad: str) -> None:
    assert good in POLICY
    with pytest.raises(PolicyRefused):
        ReleasePolicy.parse(POLICY.replace(good, bad))
