"""Azure's release policies become ours: by tables, or not at all and with the names said."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from strongroom.enclave.attestation.release_policy import PolicyRefused
from strongroom.enclave.attestation.vocabulary import VOCABULARY
from strongroom.enclave.outside.policy_import import BECOMES, RENAMED, import_azure

URL = "https://sharedweu.weu.attest.azure.net"
CODE = "5a" * 48


def azure(*conditions: Any, url: str = URL) -> dict[str, Any]:
    return {"version": "1.0.0", "anyOf": [{"authority": url, "allOf": list(conditions)}]}


def imported(policy: Any, **options: Any) -> list[Any]:
    """Our conditions for those of a policy."""
    text = policy if isinstance(policy, bytes) else json.dumps(policy).encode()
    made = import_azure(text, **{"authorities": {URL: "snp"}, **options})
    found: list[Any] = json.loads(made.encode())["anyOf"][0]["allOf"]
    return found


def refused(policy: Any, **options: Any) -> str:
    with pytest.raises(PolicyRefused) as caught:
        imported(policy, **options)
    return str(caught.value)


PUBLISHED = azure(
    {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm"},
    {"claim": "x-ms-isolation-tee.x-ms-compliance-status", "equals": "azure-compliant-cvm"},
)
"""The example of Azure's pages for confidential machines."""


def test_names_are_mapped_with_and_without_their_prefix() -> None:
    made = imported(
        azure(
            {"claim": "x-ms-sevsnpvm-launchmeasurement", "equals": CODE.upper()},
            {"claim": "x-ms-isolation-tee.x-ms-sevsnpvm-microcode-svn", "greaterOrEquals": 211},
            {"claim": "x-ms-sevsnpvm-hostdata", "in": ["AB" * 32]},
            {"claim": "x-ms-sevsnpvm-chipid", "exists": True},
        )
    )
    assert made == [
        {"claim": "measurement", "equals": CODE},
        {"claim": "snp.reported.microcode", "greaterOrEquals": 211},
        {"claim": "hostdata", "in": ["ab" * 32]},
        {"claim": "ueid", "exists": True},
    ]


def test_every_name_of_the_tables_is_one_of_the_vocabulary() -> None:
    for ours in RENAMED.values():
        assert ours in VOCABULARY
    for _, condition in BECOMES.values():
        assert condition["claim"] in VOCABULARY


def test_hardware_that_azure_attests_is_no_simulated_chip() -> None:
    made = imported(azure({"claim": "x-ms-attestation-type", "equals": "sevsnpvm"}))
    assert made == [{"claim": "simulated", "equals": False}]
    assert "only" in refused(azure({"claim": "x-ms-attestation-type", "equals": "tdxvm"}))
    assert "only" in refused(azure({"claim": "x-ms-attestation-type", "notEquals": "tdxvm"}))


@pytest.mark.parametrize(
    "asked", [{"equals": False}, {"equals": "false"}, {"notEquals": True}, {"notEquals": "true"}]
)
def test_that_nobody_debugs_can_be_asked_in_each_of_azures_forms(asked: dict[str, Any]) -> None:
    for name in ("x-ms-sevsnpvm-is-debuggable", "x-ms-sevsnpvm-migration-allowed"):
        assert imported(azure({"claim": name, **asked})) == [BECOMES[name][1]]


@pytest.mark.parametrize(
    "asked", [{"equals": True}, {"equals": "true"}, {"notEquals": False}, {"equals": 0}]
)
def test_that_somebody_debugs_cannot_be_asked(asked: dict[str, Any]) -> None:
    assert "only" in refused(azure({"claim": "x-ms-sevsnpvm-is-debuggable", **asked}))


def test_all_claims_that_nothing_stands_for_are_named_at_once() -> None:
    said = refused(
        azure(
            {"claim": "x-ms-isolation-tee.x-ms-compliance-status", "equals": "x"},
            {"anyOf": [{"claim": "secureboot", "equals": True}]},
            {"claim": "x-ms-sevsnpvm-idkeydigest", "equals": "00"},
        )
    )
    for name in ("x-ms-compliance-status", "secureboot", "x-ms-sevsnpvm-idkeydigest"):
        assert name in said
    assert "--instead" in said


def test_a_condition_of_ours_may_stand_for_a_claim_that_has_none() -> None:
    ours = {"claim": "measurement", "equals": CODE}
    for name in ("x-ms-compliance-status", "x-ms-isolation-tee.x-ms-compliance-status"):
        made = imported(PUBLISHED, instead={name: ours})
        assert made == [{"claim": "simulated", "equals": False}, ours]
    bad = {"claim": "measurement", "equals": 1}
    assert "measurement" in refused(PUBLISHED, instead={"x-ms-compliance-status": bad})


def test_nothing_of_a_policy_is_left_out() -> None:
    """A condition that vanished would release to more rooms."""
    made = imported(PUBLISHED, instead={"x-ms-compliance-status": {"claim": "room", "equals": "a"}})
    assert len(made) == len(PUBLISHED["anyOf"][0]["allOf"])


def test_an_authority_counts_only_if_the_user_says_what_it_is() -> None:
    policy = azure({"claim": "x-ms-sevsnpvm-tee-svn", "greater": 0})
    assert f"--authority {URL}=snp" in refused(policy, authorities={})
    assert "vouches" in refused(policy, authorities={"https://other": "snp"})
    assert "tpm has no table" in refused(policy, authorities={URL: "tpm"})
    assert imported(policy, authorities={f"{URL}/": "snp"})
    two = azure({"claim": "x-ms-sevsnpvm-tee-svn", "greater": 0})
    two["anyOf"] += azure({"claim": "x-ms-sevsnpvm-tee-svn", "greater": 0}, url="https://b")[
        "anyOf"
    ]
    assert "https://b" in refused(two)


def test_the_grammar_is_read_in_capitals_and_small() -> None:
    text = json.dumps(azure({"claim": "x-ms-sevsnpvm-tee-svn", "lessOrEquals": 3}))
    small = text.replace("anyOf", "anyof").replace("allOf", "allof")
    small = small.replace("lessOrEquals", "lessorequals")
    assert imported(small.encode()) == imported(text.encode())
    assert "twice" in refused(small.replace('"version"', '"anyOf": [1], "version"').encode())


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("name", ["encodedPolicy", "data"])
def test_what_the_service_shows_is_unwrapped(name: str, encode: Any) -> None:
    policy = azure({"claim": "x-ms-sevsnpvm-tee-svn", "greater": 0})
    packed = encode(json.dumps(policy).encode()).decode().rstrip("=")
    wrapped = {"contentType": "application/json; charset=utf-8", name: packed, "immutable": 1}
    assert imported(wrapped) == imported(policy)
    assert "base64" in refused({**wrapped, name: "!!"})
    assert imported(b"\xef\xbb\xbf" + json.dumps(policy).encode()) == imported(policy)


@pytest.mark.parametrize(
    "policy",
    [
        b"", b"\xff", b"[]", b"1", b"{}", b"x" * 70_000, b"[" * 5000,
        azure(), azure("x"), azure({}), azure({"claim": "x-ms-sevsnpvm-tee-svn"}),
        azure({"claim": "x-ms-sevsnpvm-tee-svn", "equals": "4"}),
        azure({"claim": "x-ms-sevsnpvm-tee-svn", "equals": True}),
        azure({"claim": "x-ms-sevsnpvm-tee-svn", "exists": False}),
        azure({"claim": "x-ms-sevsnpvm-tee-svn", "like": "4"}),
        azure({"claim": "x-ms-sevsnpvm-hostdata", "equals": "ab"}),
        azure({"claim": "x-ms-sevsnpvm-hostdata", "equals": 7}),
        azure({"claim": ["x-ms-sevsnpvm-tee-svn"], "equals": 4}),
        {**PUBLISHED, "version": "2.0.0"}, {**PUBLISHED, "extra": 1},
        {"version": "1.0.0", "anyOf": [{"authority": 7, "allOf": [1]}]},
        {"version": "1.0.0", "anyOf": [{"authority": URL}]},
    ],
)  # fmt: skip
def test_what_is_no_policy_of_azure_is_refused(policy: Any) -> None:
    refused(policy)
