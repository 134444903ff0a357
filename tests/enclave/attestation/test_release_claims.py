"""What a release policy is asked about: a room's claims, and genuine silicon's (T50)."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from tests.enclave.attestation.rooms import ROOM_MEASUREMENT, room_bench
from tests.enclave.attestation.test_vectors import (
    CASES,
    REASONS,
    VECTORS,
    certificates,
    first_certificate,
)
from tests.enclave.fixtures import CREATED_MS, key_named, manufacturer

from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.attestation.certificates import AMD_ROOTS
from strongroom.enclave.attestation.policy import SIMULATED_TCB
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.room_evidence import ClaimValue, claims_of_bare_report

SILICON = {
    "hwmodel",
    "ueid",
    "dbgstat",
    "measurement",
    "hostdata",
    "simulated",
    *(
        f"snp.{moment}.{part}"
        for moment in ("reported", "committed", "launch")
        for part in ("bootloader", "tee", "snp", "microcode")
    ),
}
SAID = {"swname", "bootcount", "evidence-age-ms", "operator", "region", "room"}
PLACE = {"grc.jurisdiction-country", "grc.basis"}


def released(country: str = "DE") -> dict[str, ClaimValue]:
    """The bench's room as a policy sees it."""
    room = room_bench().judge(room_bench().evidence())
    return room.release_claims(age_ms=1_500, operator="plant", country=country)


def test_a_room_answers_every_name_of_the_vocabulary() -> None:
    claims = released()
    assert set(claims) == SILICON | SAID | PLACE
    room = room_bench()
    assert (
        claims
        | {
            "hwmodel": "SIMULATED",
            "ueid": room.chip.chip_id.hex(),
            "dbgstat": "disabled",
            "measurement": ROOM_MEASUREMENT.hex(),
            "simulated": True,
            "swname": "printer",
            "bootcount": 3,
            "evidence-age-ms": 1_500,
            "operator": "plant",
            "region": "eu-west",
            "room": "hall-7",
            "grc.jurisdiction-country": "DE",
            "grc.basis": 2,
            "snp.reported.snp": SIMULATED_TCB.snp,
        }
        == claims
    )
    assert claims["simulated"] is True


def test_a_region_without_a_country_answers_nothing_of_a_jurisdiction() -> None:
    """A missing claim is false under every operator: no country is no country of any kind."""
    assert set(released(country="")) == SILICON | SAID


def test_each_firmware_is_told_apart() -> None:
    tcb, older, oldest = SIMULATED_TCB, replace(SIMULATED_TCB, snp=5), replace(SIMULATED_TCB, tee=9)
    chip = manufacturer().make_chip(tcb, committed=older, launch=oldest)
    stated = room_bench().deployment(chip_id=chip.chip_id)
    room = room_bench().judge(room_bench().evidence(chip=chip, deployment=stated))
    claims = room.release_claims(age_ms=0, operator="", country="")
    assert [claims[f"snp.{one}.snp"] for one in ("reported", "committed", "launch")] == [23, 5, 23]
    assert [claims[f"snp.{one}.tee"] for one in ("reported", "committed", "launch")] == [0, 0, 9]
    assert (room.reported_tcb, room.committed_tcb, room.launch_tcb) == (tcb, older, oldest)


def test_an_operator_has_a_governed_name_only_with_the_key_that_is_governed_under_it() -> None:
    """T50: a plant calls itself what it likes."""
    room = room_bench().judge(room_bench().evidence())
    key = room_bench().operator.public
    unknown = "key:" + sha256(key).hexdigest()
    assert room.operator_among([("plant", key)]) == "plant"
    assert room.operator_among([]) == unknown
    assert room.operator_among([("plant", key_named("another").public)]) == unknown
    assert room.operator_among([("owner", key)]) == unknown
    assert len(unknown) == 68


# --- genuine silicon ------------------------------------------------------------------------------

GOOD = [case for case in CASES if case["verdict"] == "good"]
BAD = [case for case in CASES if case["verdict"] == "bad"]
genuine = pytest.mark.skipif(not CASES, reason="no attestation vectors beside the repository")


def bare(case: dict[str, Any], **changes: Any) -> Mapping[str, ClaimValue]:
    """The claims of a vector at its own time, under AMD's roots."""
    files = case["files"]
    ask, ark = certificates(files["chain"])
    arguments: dict[str, Any] = {
        "roots": AMD_ROOTS,
        "time_ms": Milliseconds(case["time"] * 1000),
        **changes,
    }
    report = (VECTORS / files["report"]).read_bytes()
    return claims_of_bare_report(report, first_certificate(files["vek"]), ask, ark, **arguments)


@genuine
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["id"])
def test_genuine_silicon_is_not_simulated_and_says_which_it_is(case: dict[str, Any]) -> None:
    expected, claims = case["fields"], bare(case)
    assert claims["simulated"] is False
    assert claims["dbgstat"] == "disabled"
    assert expected["product"].startswith(str(claims["hwmodel"]))
    assert claims["hwmodel"] in ("Milan", "Genoa", "Turin")
    assert claims["measurement"] == expected["measurement"]
    assert claims["hostdata"] == expected["host_data"]
    named = "vlek" not in case["id"]
    assert claims.get("ueid") == (expected["chip_id"] if named else None)
    assert set(claims) == (SILICON if named else SILICON - {"ueid"})


@genuine
@pytest.mark.parametrize("case", BAD, ids=lambda case: case["id"])
def test_of_tampered_evidence_no_claim_is_made(case: dict[str, Any]) -> None:
    with pytest.raises(AttestationError) as caught:
        bare(case)
    assert caught.value.reason == REASONS[case["id"]]


def test_a_simulated_chip_is_never_genuine_whoever_believes_its_root() -> None:
    """T50: also where the simulated root is pinned beside the manufacturers' own."""
    chip = room_bench().chip
    own = chip.endorsements
    report = chip.attest(bytes(64), measurement=ROOM_MEASUREMENT, host_data=bytes(32))
    roots: list[Digest] = [*AMD_ROOTS, manufacturer().root_digest]
    claims = claims_of_bare_report(
        report, own.vek, own.ask, own.ark, roots=roots, time_ms=CREATED_MS
    )
    assert claims["simulated"] is True
    assert claims["hwmodel"] == "SIMULATED"
    with pytest.raises(AttestationError) as caught:
        claims_of_bare_report(
            report, own.vek, own.ask, own.ark, roots=AMD_ROOTS, time_ms=CREATED_MS
        )
    assert caught.value.reason == Reason.ROOT_UNKNOWN
