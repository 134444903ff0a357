"""`verify evidence` and `attest`: JSON as INTERFACES fixes it, exit codes, words."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import manufacturer
from tests.node.client.ledger import running
from tests.node.evidence.forging import (
    NOW,
    attested,
    cmw_certificate,
    did_signer,
    ear,
    eat,
    maa,
    snp,
    tdx,
    transparent,
    uvm,
)
from typer.testing import CliRunner, Result

from strongroom.enclave.primitives import random_bytes
from strongroom.node.cli.main import make_app
from strongroom.node.evidence.detection import detect
from strongroom.node.rpc.backend import Blob


def run(*arguments: str) -> Result:
    return CliRunner().invoke(
        make_app("verify"), ["verify", "evidence", *arguments], catch_exceptions=False
    )


def write(folder: Path, files: dict[str, bytes]) -> dict[str, str]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {name: name for name in files}


def cases(folder: Path, *entries: dict[str, Any]) -> str:
    path = folder / "cases.json"
    path.write_text(json.dumps({"version": 1, "cases": entries}))
    return str(path)


def case(
    folder: Path, id: str, kind: str, verdict: str, files: dict[str, bytes], **more: Any
) -> dict[str, Any]:
    (folder / id).mkdir(exist_ok=True)
    names = write(folder / id, files)
    named = {role: f"{id}/{name}" for role, name in names.items()}
    return {"id": id, "kind": kind, "verdict": verdict, "files": named, "time": NOW, **more}


def policy(folder: Path, **document: Any) -> str:
    path = folder / "policy.json"
    path.write_text(json.dumps(document))
    return str(path)


# --- cases ----------------------------------------------------------------------------------------


def test_each_case_is_one_line_and_exit_0_means_that_all_agree(tmp_path: Path) -> None:
    pytest.importorskip("dcap_qvl")
    path = cases(
        tmp_path,
        case(tmp_path, "a", "maa-jwt", "good", maa()),
        case(tmp_path, "b", "maa-jwt", "bad", maa(header={"alg": "none"})),
        case(tmp_path, "c", "dcap", "good", tdx()),
    )
    result = run("--cases", path, "--json")
    assert result.exit_code == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"id": "a", "expected": "good", "got": "good", "reason": "verified"},
        {"id": "b", "expected": "bad", "got": "bad", "reason": "algorithm"},
        {"id": "c", "expected": "good", "got": "good", "reason": "UpToDate"},
    ]
    words = run("--cases", path).stdout
    assert "3 of 3 cases come out as expected" in words
    assert "SIMULATED" in words


def test_one_case_that_disagrees_is_exit_1(tmp_path: Path) -> None:
    path = cases(
        tmp_path,
        case(tmp_path, "a", "maa-jwt", "bad", maa()),
        case(tmp_path, "b", "ear-jwt", "good", ear()),
    )
    result = run("--cases", path)
    assert result.exit_code == 1
    assert "1 of 2 cases" in result.stdout


def test_a_case_without_a_time_is_judged_without_a_clock(tmp_path: Path) -> None:
    entry = case(tmp_path, "a", "maa-jwt", "good", maa(exp=NOW - 5))
    del entry["time"]
    assert run("--cases", cases(tmp_path, entry)).exit_code == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "sorcery"}, "unknown-kind"),
        ({"files": {}}, "missing-file"),
        ({"files": {"token": "absent"}}, "missing-file"),
        ({"time": "noon"}, "policy"),
        ({"time": -1}, "policy"),
        ({"time": 1.5}, "policy"),
        ({"policy": {"sorcery": 1}}, "policy"),
        ({"policy": {"min_uvm_svn": "5"}}, "policy"),
        ({"policy": 5}, "policy"),
    ],
)
def test_a_case_that_cannot_be_judged_gets_no_verdict(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    entry = {**case(tmp_path, "a", "maa-jwt", "good", maa()), **change}
    result = run("--cases", cases(tmp_path, entry), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "id": "a",
        "expected": "good",
        "got": "cannot check",
        "reason": reason,
    }


def test_what_a_case_demands_counts(tmp_path: Path) -> None:
    """T22, T24."""
    own = {"did": did_signer().did, "feed": "TestPlat", "roots": [manufacturer().root_digest.hex()]}
    entries = [
        case(
            tmp_path,
            "a",
            "attested-cose",
            "good",
            {"cose": attested()},
            policy=own,
            header_key="attestedsvc",
        ),
        case(
            tmp_path,
            "b",
            "attested-cose",
            "bad",
            {"cose": attested()},
            policy={**own, "min_uvm_svn": 8},
        ),
        case(tmp_path, "c", "attested-cose", "bad", {"cose": attested()}),
        case(tmp_path, "d", "sev-snp", "bad", snp()),
        case(tmp_path, "e", "sev-snp", "good", snp(), policy=own, endorsement="e/uvm.cose"),
        case(tmp_path, "f", "sev-snp", "bad", snp(), policy=own, endorsement="f/uvm.cose"),
    ]
    (tmp_path / "e" / "uvm.cose").write_bytes(uvm())
    (tmp_path / "f" / "uvm.cose").write_bytes(uvm(measurement=bytes(48)))
    result = run("--cases", cases(tmp_path, *entries))
    assert result.exit_code == 0, result.stdout


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '{"cases": 1}', '{"cases": [{"id": "a"}]}', '{"cases": [], "cases": []}'],
)
def test_a_file_that_holds_no_cases_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cases.json"
    path.write_text(text)
    result = run("--cases", str(path))
    assert result.exit_code == 2
    assert "error:" in result.stderr


def test_two_cases_of_one_id_are_a_usage_error(tmp_path: Path) -> None:
    entry = case(tmp_path, "a", "maa-jwt", "good", maa())
    assert run("--cases", cases(tmp_path, entry, entry)).exit_code == 2


# --- one piece ------------------------------------------------------------------------------------


def test_one_piece_is_judged_under_a_policy(tmp_path: Path) -> None:
    names = write(tmp_path, snp())
    report = str(tmp_path / names.pop("report"))
    roots = [manufacturer().root_digest.hex()]
    good = policy(tmp_path, time=NOW, roots=roots, files=names)
    result = run(report, "--policy", good)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("good: verified: SIMULATED")
    document = json.loads(run(report, "--policy", good, "--json").stdout)
    assert (document["verdict"], document["kind"], document["facts"]["simulated"]) == (
        "good",
        "sev-snp",
        True,
    )
    assert run(report, "--policy", policy(tmp_path, time=NOW, files=names)).exit_code == 1
    silicon = policy(tmp_path, time=NOW, roots=roots, files=names, allow_simulated=False)
    assert json.loads(run(report, "--policy", silicon, "--json").stdout)["reason"] == "simulated"
    other = policy(tmp_path, time=NOW, roots=roots, files=names, measurements=["00" * 48])
    assert json.loads(run(report, "--policy", other, "--json").stdout)["reason"] == "measurement"


def test_exit_codes_of_one_piece(tmp_path: Path) -> None:
    """0 good, 1 bad or not granted, 2 usage, 4 cannot check."""
    warning = write(tmp_path, ear({**json.loads(EAR_WARNING)}))
    file = str(tmp_path / warning.pop("token"))
    assert run(file).exit_code == 4
    assert run(file, "--policy", policy(tmp_path, files=warning)).exit_code == 1
    assert run(file, "--policy", policy(tmp_path, files=warning, accept=["warning"])).exit_code == 0
    assert run(file, "--policy", policy(tmp_path, files=warning, strict=True)).exit_code == 1
    assert run(file, "--policy", policy(tmp_path)).exit_code == 4
    assert run(file, "--policy", policy(tmp_path, files=warning, sorcery=1)).exit_code == 2
    assert run(file, "--policy", str(tmp_path / "absent.json")).exit_code == 2
    assert run(str(tmp_path / "absent"), "--policy", policy(tmp_path)).exit_code == 4
    assert run().exit_code == 2
    assert run(file, "--cases", file).exit_code == 2
    (tmp_path / "wrapper").write_bytes(b'["a/b", "YQ"]')
    assert run(str(tmp_path / "wrapper")).exit_code == 4
    assert run(str(tmp_path / "wrapper"), "--policy", policy(tmp_path)).exit_code == 0
    (tmp_path / "noise").write_bytes(b"noise")
    assert run(str(tmp_path / "noise"), "--policy", policy(tmp_path)).exit_code == 4


EAR_WARNING = json.dumps(
    {
        "eat_profile": "tag:github.com,2023:veraison/ear",
        "iat": 1_600_000_000,
        "ear.verifier-id": {"build": "1", "developer": "us"},
        "submods": {"cpu": {"ear.status": "warning"}},
    }
)


def test_a_policy_without_a_time_means_now(tmp_path: Path) -> None:
    names = write(tmp_path, maa(iat=1_000_000_000, nbf=1_000_000_000, exp=1_000_000_600))
    file = str(tmp_path / names.pop("token"))
    assert (
        json.loads(run(file, "--policy", policy(tmp_path, files=names), "--json").stdout)["verdict"]
        == "bad"
    )
    assert run(file, "--policy", policy(tmp_path, files=names, time=None)).exit_code == 0
    assert run(file, "--policy", policy(tmp_path, files=names, time=1_000_000_000)).exit_code == 0


def test_the_kind_is_detected() -> None:
    kinds = {
        "sev-snp": snp()["report"],
        "dcap": tdx()["quote"],
        "attested-cose": attested(),
        "uvm-endorsement": uvm(),
        "ccf-receipt": transparent()["statement"],
        "maa-jwt": maa()["token"],
        "ear-jwt": ear()["token"],
        "eat": eat()["token"],
        "cmw": cmw_certificate(b"\x05\x00"),
    }
    assert {kind: (detect(data) or ("", ""))[0] for kind, data in kinds.items()} == {
        kind: kind for kind in kinds
    }
    assert detect(b"") is None
    assert detect(b'["a/b", "YQ"]') == ("cmw", "cmw")


# --- live nodes -----------------------------------------------------------------------------------


async def attest(folder: Path, *arguments: str) -> Result:
    command = ["attest", *arguments, "--dir", str(folder)]
    return await asyncio.to_thread(
        lambda: CliRunner().invoke(make_app("attest"), command, catch_exceptions=False)
    )


def pin(folder: Path) -> str:
    return str(json.loads((folder / "service.json").read_text())["service"])


async def test_a_nodes_evidence_is_said_in_words_and_says_simulated(tmp_path: Path) -> None:
    """T26."""
    async with running(tmp_path):
        result = await attest(tmp_path, "show", "n2")
        assert result.exit_code == 0, result.output
        assert "SIMULATED" in result.stdout
        assert "node n2" in result.stdout
        document = json.loads((await attest(tmp_path, "show", "n2", "--json")).stdout)
        assert (document["node"], document["simulated"]) == ("n2", True)


async def test_a_node_is_verified_against_a_pin_that_the_user_brings(tmp_path: Path) -> None:
    async with running(tmp_path):
        good = await attest(tmp_path, "verify", "n1", "--service", pin(tmp_path), "--json")
        assert good.exit_code == 0, good.output
        document = json.loads(good.stdout)
        assert (document["verdict"], document["reason"], document["node"]) == (
            "good",
            "verified",
            "n1",
        )
        assert (await attest(tmp_path, "verify", "n1")).exit_code == 4
        assert (await attest(tmp_path, "verify", "n9", "--service", pin(tmp_path))).exit_code == 3
        assert (await attest(tmp_path, "verify", "n1", "--service", "sr1-x")).exit_code == 2
        other = await attest(tmp_path, "verify", "n1", "--service", "sr1-" + "a" * 52, "--json")
        assert other.exit_code == 1
        assert json.loads(other.stdout)["reason"] == "pin"


async def test_a_node_that_lies_is_bad_with_its_reason(tmp_path: Path) -> None:
    """T20, T42."""
    async with running(tmp_path) as service:
        service.nodes[1].evidence_nonce = random_bytes(32)
        replayed = await attest(tmp_path, "verify", "n1", "--service", pin(tmp_path), "--json")
        assert (replayed.exit_code, json.loads(replayed.stdout)["reason"]) == (1, "nonce")
        service.nodes[2].claims = {"tls_key": bytes(32)}
        stolen = await attest(tmp_path, "verify", "n2", "--service", pin(tmp_path), "--json")
        assert (stolen.exit_code, json.loads(stolen.stdout)["reason"]) == (1, "tls-key")


async def test_evidence_of_a_node_is_judged_offline_too(tmp_path: Path) -> None:
    """T20, T26."""
    async with running(tmp_path) as service:
        nonce, node = random_bytes(32), service.nodes[0]
        shown = await node.node_evidence(nonce)
        assert isinstance(shown["evidence"], Blob)
        (tmp_path / "evidence").write_bytes(bytes(shown["evidence"]))
        (tmp_path / "genesis").write_bytes(service.orderer.chain.cluster.genesis)
        own = {"service": pin(tmp_path), "nonce": nonce.hex(), "files": {"genesis": "genesis"}}
        file = str(tmp_path / "evidence")
        assert "SIMULATED" in run(file, "--policy", policy(tmp_path, **own)).stdout
        for change, reason in (
            ({"nonce": "00" * 32}, "nonce"),
            ({"service": "sr1-" + "a" * 52}, "issuer"),
            ({"allow_simulated": False}, "simulated"),
            ({"time": 1_000_000_000}, "certificate-not-yet-valid"),
        ):
            result = run(file, "--policy", policy(tmp_path, **{**own, **change}), "--json")
            assert (result.exit_code, json.loads(result.stdout)["reason"]) == (1, reason)
