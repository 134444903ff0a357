"""Nothing that is changed comes out good, and nothing crashes: every byte of every kind may be
turned (T20, T28)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.node.evidence.forging import (
    attested,
    cmw_certificate,
    demands,
    ear,
    eat,
    maa,
    ratls,
    snp,
    tdx,
    transparent,
    uvm,
)

from strongroom.consensus.errors import InvariantBroken
from strongroom.node.evidence import cmw
from strongroom.node.evidence.cases import read_cases, read_files
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.detection import detect
from strongroom.node.evidence.judging import MODULES, judge
from strongroom.node.evidence.pieces import Piece

KINDS: dict[str, tuple[str, Callable[[], dict[str, bytes]]]] = {
    "sev-snp": ("report", snp),
    "maa-jwt": ("token", maa),
    "ear-jwt": ("token", ear),
    "eat": ("token", eat),
    "attested-cose": ("cose", lambda: {"cose": attested()}),
    "ccf-receipt": ("statement", transparent),
    "dcap": ("quote", tdx),
    "ra-tls": ("cert", ratls),
}
"""Kinds whose evidence is signed to the last byte, and the role of what is signed."""
ROLES = (
    *("report", "vek", "chain", "quote", "collateral", "cose", "endorsement", "statement"),
    *("keys", "cert", "token", "jwks", "key", "evidence", "genesis"),
)
MADE: dict[str, dict[str, bytes]] = {}
VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "attestation" / "cases.json"


def made(kind: str) -> dict[str, bytes]:
    if kind not in MADE:
        MADE[kind] = KINDS[kind][1]()
    return MADE[kind]


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=150)
@given(data=st.data())
def test_evidence_with_one_byte_changed_is_bad(kind: str, data: st.DataObject) -> None:
    files, role = made(kind), KINDS[kind][0]
    if kind == "dcap":
        pytest.importorskip("dcap_qvl")
    good = files[role]
    place = data.draw(st.integers(0, len(good) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != good[place]))
    changed = good[:place] + bytes((value,)) + good[place + 1 :]
    assert judge(Piece(kind, {**files, role: changed}), demands()).verdict == "bad", (place, value)


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=60)
@given(data=st.data())
def test_evidence_with_a_byte_more_or_less_is_bad(kind: str, data: st.DataObject) -> None:
    files, role = made(kind), KINDS[kind][0]
    good = files[role]
    place = data.draw(st.integers(0, len(good) - 1))
    shorter = good[:place] + good[place + 1 :]
    longer = good[:place] + data.draw(st.binary(min_size=1, max_size=3)) + good[place:]
    for changed in (shorter, longer):
        padding = kind == "dcap" and changed.rstrip(b"\x00") == good.rstrip(b"\x00")
        if changed != good and not padding:
            assert judge(Piece(kind, {**files, role: changed}), demands()).verdict == "bad", place


@settings(max_examples=150)
@given(data=st.data())
def test_an_endorsement_with_one_byte_changed_is_bad_but_for_its_unsigned_timestamp(
    data: st.DataObject,
) -> None:
    """The timestamp stands in the unprotected header: no signature of the endorsement covers it, no
    check uses it."""
    if "uvm" not in MADE:
        MADE["uvm"] = {"endorsement": uvm()}
    good = MADE["uvm"]["endorsement"]
    begin = good.index(b"unsigned")
    place = data.draw(
        st.integers(0, len(good) - 1).filter(lambda place: not begin <= place < begin + 8)
    )
    value = data.draw(st.integers(0, 255).filter(lambda value: value != good[place]))
    changed = good[:place] + bytes((value,)) + good[place + 1 :]
    assert judge(Piece("uvm-endorsement", {"endorsement": changed}), demands()).verdict == "bad"


@settings(max_examples=300)
@given(kind=st.sampled_from(sorted(MODULES)), data=st.binary(max_size=300))
@example(kind="cmw", data=b"\xd8\x1c\x82\x00\xd8\x1d\x00")
@example(kind="eat", data=b"{" * 100)
@example(kind="cmw", data=b"[" * 60_000)
@example(kind="attested-cose", data=b"\xd2\x84\x40\xa0\x40\x40")
def test_garbage_is_never_good_and_never_crashes(kind: str, data: bytes) -> None:
    files = dict.fromkeys(ROLES, data)
    verdict = judge(Piece(kind, files), demands(nonce="00" * 32, service="sr1-" + "a" * 52))
    assert verdict.verdict in ("bad", "cannot check")
    assert verdict.reason


class PanicException(BaseException):
    """As a Rust library raises it when it breaks down."""


@pytest.mark.parametrize(
    "error", [ValueError("x"), RecursionError(), MemoryError(), KeyError(1), PanicException("x")]
)
def test_a_verifier_that_breaks_down_is_the_evidences_fault(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(cmw, "judge", broken)
    verdict = judge(Piece("cmw", {}), demands())
    assert (verdict.verdict, verdict.reason) == ("bad", "malformed")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InvariantBroken("ours")])
def test_our_own_bugs_and_the_user_are_not(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(cmw, "judge", broken)
    with pytest.raises(type(error)):
        judge(Piece("cmw", {}), demands())


@settings(max_examples=200)
@given(data=st.binary(max_size=400))
def test_detection_never_crashes(data: bytes) -> None:
    detect(data)
    detect(b"\xd2" + data)
    detect(b"-----BEGIN CERTIFICATE-----\n" + data)


@settings(max_examples=100)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_wrapper_in_a_certificate_never_crashes(place: int, bit: int) -> None:
    """Parsed only: its certificate's signature proves nothing of the wrapper, and is not looked
    at."""
    if "cmw" not in MADE:
        MADE["cmw"] = {"cert": cmw_certificate(b'\x0c\x0f["text/a","YQ"]')}
    data = bytearray(MADE["cmw"]["cert"])
    data[place % len(data)] ^= 1 << bit
    assert judge(Piece("cmw", {"cert": bytes(data)}), demands()).verdict in ("good", "bad")


@pytest.mark.skipif(not VECTORS.is_file(), reason="no attestation vectors beside the repository")
@settings(max_examples=400)
@given(data=st.data())
def test_genuine_evidence_with_one_bit_turned_never_comes_out_good(data: st.DataObject) -> None:
    """T20, T28. Left out: what nobody signs (the endorsement's timestamp, wrappers that are only
    parsed) and key files in JSON, which are the judge's own and may have spaces."""
    if "genuine" not in MADE:
        MADE["genuine"] = {}
        for case in read_cases(VECTORS):
            if case.expected != "bad" and case.kind != "cmw":
                for role, content in read_files(case.paths).items():
                    MADE["genuine"][f"{case.id}/{role}"] = content
    unsigned = ("/keys", "/jwks", "/key", "/collateral", "/endorsement")
    names = [name for name in sorted(MADE["genuine"]) if not name.endswith(unsigned)]
    name = data.draw(st.sampled_from(names))
    case_id, role = name.rsplit("/", 1)
    case = next(case for case in read_cases(VECTORS) if case.id == case_id)
    good = MADE["genuine"][name]
    place, bit = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 7))
    changed = good[:place] + bytes((good[place] ^ 1 << bit,)) + good[place + 1 :]
    files = {**read_files(case.paths), role: changed}
    verdict = judge(Piece(case.kind, files), Demands(time=case.document.get("time")))
    assert verdict.verdict == "bad", (name, place, bit)
