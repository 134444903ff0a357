"""`strongroom vault policy …`: what each command prints, and its exit status."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.attestation.rooms import ROOM_MEASUREMENT, room_bench, swap_room
from tests.enclave.fixtures import CREATED_MS
from typer.testing import CliRunner, Result

from strongroom.node.cli.main import make_app

CODE = "5a" * 48
CONDITIONS = [
    {"claim": "measurement", "equals": CODE},
    {"claim": "simulated", "equals": False},
    {"anyOf": [{"claim": "region", "in": ["eu-north"]}, {"claim": "ueid", "exists": True}]},
]
CLAIMS = {"measurement": CODE, "simulated": False, "region": "eu-north"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.json").write_text(json.dumps(policy(*CONDITIONS)))
    (tmp_path / "claims.json").write_text(json.dumps(CLAIMS))
    return tmp_path


def policy(*conditions: Any, authority: str = "strongroom") -> dict[str, Any]:
    return {"version": "1.0.0", "anyOf": [{"authority": authority, "allOf": list(conditions)}]}


def shell(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(make_app("vault"), ["vault", "policy", *map(str, words)], stdin)


def test_check_says_what_it_is_and_gives_advice_on_stderr(folder: Path) -> None:
    done = shell("check", folder / "policy.json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("a release policy: 4 conditions, ")
    (folder / "wide.json").write_text(json.dumps(policy(CONDITIONS[2])))
    wide = shell("check", folder / "wide.json")
    assert wide.exit_code == 0
    assert "no condition on simulated" in wide.stderr
    document = json.loads(shell("check", folder / "policy.json", "--json").stdout)
    assert document["policy"] == policy(*CONDITIONS)
    assert document["advice"] == []


def test_check_answers_no_with_the_place(folder: Path) -> None:
    text = json.dumps(policy({"claim": "region", "equals": 1}))
    done = shell("check", "-", stdin=text.encode())
    assert done.exit_code == 1
    assert "anyOf[0].allOf[0].equals: expected a text" in done.stderr
    done = shell("check", "-", "--json", stdin=text.encode())
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["code"] == "policy-refused"
    assert shell("check", "-", stdin=b" " * 9000).exit_code == 1
    missing = shell("check", folder / "nowhere.json")
    assert missing.exit_code == 2
    assert "nowhere.json" in missing.stderr


def test_explain_prints_each_condition_and_the_verdict(folder: Path) -> None:
    done = shell("explain", folder / "policy.json", "--claims", folder / "claims.json")
    assert done.exit_code == 0
    assert [line[0] for line in done.stdout.splitlines()] == ["+", "+", "+", "?", "r"]
    assert done.stdout.endswith("released\n")
    other = json.dumps({**CLAIMS, "simulated": True}).encode()
    done = shell("explain", folder / "policy.json", "--claims", "-", stdin=other)
    assert done.exit_code == 1
    assert done.stdout.endswith("refused: simulated equals false: is true\n")
    done = shell("explain", folder / "policy.json", "--claims", "-", "--json", stdin=other)
    document = json.loads(done.stdout)
    assert document["released"] is False
    assert [line["verdict"] for line in document["conditions"]] == [
        "holds",
        "does not hold",
        "holds",
        "missing",
    ]


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        (b'{"regoin": "x"}', "regoin is none"),
        (b'{"bootcount": true}', "a whole number"),
        (b'{"simulated": 0}', "true or false"),
        (b"[1]", "an object"),
        (b'{"region": "a", "region": "b"}', "twice"),
        (b"\xff", "UTF-8"),
        (b"{" * 70_000, "no JSON"),
    ],
)
def test_claims_that_are_none_are_refused(folder: Path, claims: bytes, says: str) -> None:
    done = shell("explain", folder / "policy.json", "--claims", "-", stdin=claims)
    assert done.exit_code == 2
    assert says in done.stderr.replace("a JSON object", "an object")
    assert done.stdout == ""


def test_diff_shows_an_example_and_answers_no_when_the_new_policy_releases_more(
    folder: Path,
) -> None:
    (folder / "new.json").write_text(json.dumps(policy(*CONDITIONS[:1], CONDITIONS[2])))
    done = shell("diff", folder / "policy.json", folder / "new.json")
    assert done.exit_code == 1
    assert "looser: NEW would release" in done.stdout
    assert "simulated" in done.stdout
    back = shell("diff", folder / "new.json", folder / "policy.json")
    assert back.exit_code == 0
    assert back.stdout.startswith("tighter: ")
    same = shell("diff", folder / "policy.json", folder / "policy.json", "--json")
    assert same.exit_code == 0
    assert json.loads(same.stdout) == {
        "loosens": False,
        "tightens": False,
        "released_by_new_alone": None,
        "released_by_old_alone": None,
    }


def test_import_prints_a_policy_that_check_takes(folder: Path) -> None:
    url = "https://my.attest.azure.net/?a=b"
    theirs = policy(
        {"claim": "x-ms-attestation-type", "equals": "sevsnpvm"},
        {"claim": "x-ms-compliance-status", "equals": "azure-compliant-cvm"},
        authority=url,
    )
    (folder / "azure.json").write_text(json.dumps(theirs))
    words = ["import", folder / "azure.json", "--authority", f"{url}=snp"]
    refused = shell(*words)
    assert refused.exit_code == 2
    assert "x-ms-compliance-status" in refused.stderr
    done = shell(*words, "--instead", f"x-ms-compliance-status={json.dumps(CONDITIONS[0])}")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == policy(CONDITIONS[1], CONDITIONS[0])
    assert shell("check", "-", stdin=done.stdout.encode()).exit_code == 0


@pytest.mark.parametrize(
    "option", [("--authority", "snp"), ("--authority", "=snp"), ("--instead", "a"),
               ("--instead", "a=b"), ("--instead", 'a=["b"]')],
)  # fmt: skip
def test_options_of_another_form_are_refused(folder: Path, option: tuple[str, str]) -> None:
    done = shell("import", folder / "policy.json", *option)
    assert done.exit_code == 2
    assert option[0] in done.stderr


def test_explain_judges_a_rooms_evidence_as_a_replica_would(folder: Path) -> None:
    bench = room_bench()
    (folder / "evidence").write_bytes(bench.evidence())
    conditions = [
        {"claim": "measurement", "equals": ROOM_MEASUREMENT.hex()},
        {"claim": "ueid", "equals": bench.chip.chip_id.hex()},
        {"claim": "room", "equals": "hall-7"},
        {"claim": "operator", "equals": "plant"},
        {"claim": "grc.jurisdiction-country", "in": ["NO"]},
        {"claim": "evidence-age-ms", "less": 9},
    ]
    (folder / "room.json").write_text(json.dumps(policy(*conditions)))
    words = ["explain", folder / "room.json", "--evidence", folder / "evidence"]
    at = ["--time-ms", CREATED_MS]
    good = shell(*words, *at, "--operator", "plant", "--country", "NO", "--age-ms", 8)
    assert (good.exit_code, good.stdout.splitlines()[-1]) == (0, "released")
    assert "a running service compares" in good.stderr
    foreign = shell(*words, *at, "--country", "NO")
    assert foreign.exit_code == 1
    assert "refused: operator equals plant: is key:" in foreign.stdout
    genuine = policy(*conditions[:1], {"claim": "simulated", "equals": False})
    (folder / "room.json").write_text(json.dumps(genuine))
    simulated = shell(*words, *at)
    assert simulated.exit_code == 1
    assert simulated.stdout.endswith("refused: simulated equals false: is true\n")


def test_explain_refuses_evidence_that_no_policy_could_save(folder: Path) -> None:
    evidence = room_bench().evidence()
    words = ["explain", folder / "policy.json", "--evidence", folder / "evidence"]
    changed = swap_room(evidence, operator_signature=bytes(64))
    for bad, says in ((changed, "operator-signature"), (evidence[:-1], ""), (b"", "")):
        (folder / "evidence").write_bytes(bad)
        done = shell(*words, "--time-ms", CREATED_MS)
        assert done.exit_code != 0
        assert done.stdout == ""
        assert says in done.stderr
    (folder / "evidence").write_bytes(evidence)
    assert "certificate-not-yet-valid" in shell(*words, "--time-ms", 0).stderr


def test_explain_wants_claims_or_evidence_and_not_both(folder: Path) -> None:
    both = ("--claims", folder / "claims.json", "--evidence", folder / "claims.json")
    for options in ((), both):
        done = shell("explain", folder / "policy.json", *options)
        assert done.exit_code == 2
        assert "--claims FILE or --evidence FILE" in done.stderr
