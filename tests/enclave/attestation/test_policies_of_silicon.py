"""Release policies over what evidence really shows: genuine reports at their own time, and rooms on
simulated chips, which no policy for genuine silicon is satisfied by (T50)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.enclave.attestation.test_release_claims import GOOD, bare, genuine, released

from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.attestation.vocabulary import PERSON, VOCABULARY, Claim
from strongroom.enclave.outside.policy_import import import_azure

URL = "https://sharedweu.weu.attest.azure.net"


def policy(*conditions: dict[str, Any]) -> ReleasePolicy:
    authority = {"authority": "strongroom", "allOf": list(conditions)}
    return ReleasePolicy.parse(json.dumps({"version": "1.0.0", "anyOf": [authority]}))


def pinned(claims: Mapping[str, Claim], *names: str) -> ReleasePolicy:
    """Genuine silicon with exactly these claims, and firmware no older."""
    exact = [{"claim": name, "equals": claims[name]} for name in ("simulated", *names)]
    floors = [
        {"claim": name, "greaterOrEquals": value}
        for name, value in claims.items()
        if name.startswith("snp.committed.")
    ]
    return policy(*exact, *floors)


def imported(code: object) -> ReleasePolicy:
    """As an owner has it from Azure: SEV-SNP, and this code."""
    conditions = [
        {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm"},
        {"claim": "x-ms-isolation-tee.x-ms-sevsnpvm-launchmeasurement", "equals": code},
        {"claim": "x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable", "equals": "false"},
    ]
    theirs = {"version": "1.0.0", "anyOf": [{"authority": URL, "allOf": conditions}]}
    return import_azure(json.dumps(theirs).encode(), authorities={URL: "snp"})


def test_every_claim_of_a_room_is_of_the_vocabulary_and_of_its_type() -> None:
    claims = released()
    of_rooms = {name: kind for name, kind in VOCABULARY.items() if not name.startswith(PERSON)}
    assert {name: type(value) for name, value in claims.items()} == of_rooms


def test_a_room_on_a_simulated_chip_satisfies_no_policy_for_genuine_silicon() -> None:
    claims = released()
    assert pinned(claims, "measurement", "ueid").first_failure(claims) is None
    for demand in ({"equals": False}, {"notEquals": True}, {"in": [False]}):
        line = policy({"claim": "simulated", **demand}).first_failure(claims)
        assert line is not None
        assert line.endswith(": is true")
    assert imported(claims["measurement"]).first_failure(claims) == (
        "simulated equals false: is true"
    )


@genuine
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["id"])
def test_genuine_silicon_satisfies_the_policy_that_names_it_and_no_other_chips(
    case: dict[str, Any],
) -> None:
    claims = bare(case)
    names = ("measurement", "hwmodel", "ueid") if "ueid" in claims else ("measurement", "hwmodel")
    own = pinned(claims, *names)
    assert own.first_failure(claims) is None
    assert imported(claims["measurement"]).first_failure(claims) is None
    assert own.first_failure(released()) is not None
    older = {**claims, "snp.committed.microcode": int(claims["snp.committed.microcode"]) - 1}
    line = own.first_failure(older)
    assert line is not None
    assert line.startswith("snp.committed.microcode greaterOrEquals ")
    for other in map(bare, GOOD):
        if other.get("ueid") != claims.get("ueid") and "ueid" in claims:
            assert own.first_failure(other) is not None


@genuine
def test_a_report_that_names_no_chip_satisfies_no_condition_on_the_chip() -> None:
    nameless = [claims for claims in map(bare, GOOD) if "ueid" not in claims]
    assert nameless, "a vector under a loaded key"
    for claims in nameless:
        for demand in ({"notEquals": "00" * 64}, {"exists": True}, {"equals": "00" * 64}):
            failure = policy({"claim": "ueid", **demand}).first_failure(claims)
            assert str(failure).endswith(": is missing")
