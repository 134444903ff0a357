"""Residency over a recovery: where keys could be opened before it, by it, after it (T58, T45)."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.dead_service import mortal
from tests.enclave.fixtures import REGION
from tests.node.client.audit.reborn import AGREE, REFUGE, Reborn, reborn
from typer.testing import CliRunner

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.types import Digest, Height
from strongroom.node.cli.main import make_app
from strongroom.node.client.audit.residency import check_complete, residency_of, verify_residency
from strongroom.node.client.audit.residency_report import ResidencyReport, read_whole
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import open_store

Json = dict[str, Any]
AGAIN_MS = 9_000
"""Another recovery of the same ledger: at another time."""


@cache
def whole(after_ms: int = 5_000) -> tuple[ResidencyReport, Callable[[Height], Any]]:
    genesis = mortal().verified
    report, history = read_whole(
        genesis, reborn(after_ms).records, lambda one: residency_of(one, genesis.pin)
    )
    return report, lambda height: history.root(height + 1)


def pin() -> str:
    return mortal().verified.pin


def made() -> Json:
    document: Json = json.loads(json.dumps(whole()[0].to_json()))
    return document


def verdict(document: Json, **more: Any) -> str:
    """What its proofs come to, whatever it says."""
    report = ResidencyReport.from_json(json.dumps(document).encode())
    try:
        document["says"] = residency_of(report, pin())
        verify_residency(ResidencyReport.from_json(json.dumps(document).encode()), pin(), **more)
    except ReceiptInvalid as invalid:
        return invalid.verdict
    return "valid"


def entry_of(one: Reborn, recovery: RecoveryCertificate) -> str:
    entry = EpochEntry(one.recovery.opening, recovery, recovery.description, recovery.public_key)
    return b64encode(codec.encode(entry.to_wire())).decode()


def test_T58_who_recovered_opens_all_epochs_and_who_was_lost_opens_none_that_follow() -> None:
    document = verify_residency(whole()[0], pin())
    lost, opened = document["epochs"]
    assert [(one["node"], one["role"], one["region"]) for one in lost["keys"]] == [
        (f"n{number}", "validator", REGION) for number in order(lost)
    ]
    assert [one["region"] for one in lost["later"]] == [REFUGE], "shares gave it every epoch's"
    assert [(one["node"], one["role"], one["region"]) for one in opened["keys"]] == [
        ("n0", "validator", REFUGE)
    ] * 2, "with the recovery, and when it attested anew"
    heights = [one["since_height"] for one in opened["keys"]]
    assert heights[0] == reborn().recovery.opening.height < heights[1]
    assert (lost["recovered_by"], opened["recovered_by"]) == ([], list(AGREE))
    assert opened["later"] == []
    assert {one["region"]: one["country"] for one in document["ciphertext"]} == {
        REGION: "SE",
        REFUGE: "CH",
    }
    assert [one["change"] for one in document["rules"]] == [
        "set_country",
        "allow_region",
        "set_country",
    ]


def order(epoch: Json) -> list[int]:
    return [int(one["node"][1:]) for one in epoch["keys"]]


def test_T58_a_recovery_whose_region_is_changed_or_left_out_is_refused() -> None:
    recovery = reborn().recovery

    def with_evidence(*evidence: bytes) -> Json:
        changed = made()
        changed["epochs"] = [entry_of(reborn(), replace(recovery, evidence=evidence))]
        return changed

    (real,) = recovery.evidence
    moved = real.replace(REFUGE.encode(), b"x" * len(REFUGE))
    assert moved != real
    assert verdict(with_evidence(real)) == "valid"
    assert verdict(with_evidence(moved)) == "forged", "members agreed to its digest"
    brief = made()
    brief["epochs"] = [entry_of(reborn(), recovery.brief())]
    assert verdict(brief) == "incomplete", "what it says is left out"
    without = made()
    without["epochs"] = []
    assert verdict(without) == "incomplete"


def test_T58_a_recovery_where_no_vote_allowed_it_needs_that_vote() -> None:
    document = made()
    kept = [
        word for word in document["words"] if b"allow_region" not in b64decode(word["envelope"])
    ]
    assert len(kept) == len(document["words"]) - 1
    document["words"] = kept
    assert verdict(document) == "incomplete"


def test_T58_words_of_after_count_only_beside_the_recovery_that_they_follow() -> None:
    """Mixed from two recoveries of one ledger: the words fit no history of the other."""
    document, other = made(), json.loads(json.dumps(whole(AGAIN_MS)[0].to_json()))
    for part in ("epochs", "header", "certificate", "words"):
        mixed = made()
        mixed[part] = other[part]
        assert mixed[part] != document[part]
        assert verdict(mixed) == "forged", part


def test_T58_a_report_that_ends_before_the_recovery_shows_only_what_was_before() -> None:
    """Whoever knows a height of after says it with --at-least."""
    before = [
        record
        for record in reborn().records
        if (record.header.height if isinstance(record, StoredBlock) else record.height)
        <= reborn().head
    ]
    genesis = mortal().verified
    cut, _ = read_whole(genesis, before, lambda one: residency_of(one, genesis.pin))
    document = verify_residency(cut, pin())
    assert len(document["epochs"]) == 1
    assert verdict(cut.to_json(), at_least=reborn().head) == "incomplete"
    check_complete(cut, *whole())
    with pytest.raises(ReceiptInvalid) as invalid:
        check_complete(whole()[0], cut, whole()[1])
    assert invalid.value.verdict == "cannot check"


def test_T5B_a_report_of_one_recovery_is_not_complete_beside_the_ledger_of_another() -> None:
    check_complete(*(whole()[0], *whole()))
    for one, ledger in ((whole(), whole(AGAIN_MS)), (whole(AGAIN_MS), whole())):
        with pytest.raises(ReceiptInvalid, match="different histories") as invalid:
            check_complete(one[0], *ledger)
        assert invalid.value.verdict == "forged"


def test_T5B_either_of_both_tells_histories_apart() -> None:
    """At the very block of a recovery what was executed is the same, and what it opens is not; and
    a ledger of other outcomes is another one, whatever epochs it has."""
    (report, _), (ledger, root_at) = whole(), whole(AGAIN_MS)
    opening = reborn().recovery.opening
    assert root_at(opening.anchor.height) == opening.anchor.root
    with pytest.raises(ReceiptInvalid, match="different histories"):
        check_complete(replace(report, header=opening.encoded), ledger, root_at)
    with pytest.raises(ReceiptInvalid, match="different histories"):
        check_complete(report, report, lambda _: Digest(bytes(32)))


def test_the_commands_say_who_brought_it_back(tmp_path: Path) -> None:
    (tmp_path / "genesis.bin").write_bytes(mortal().genesis)
    store = open_store(tmp_path / "n0")
    for record in reborn().records:
        if isinstance(record, StoredBlock):
            store.append_block(record.header.height, record.encode())
        else:
            store.append_outcome(record.height, record.encode(), record.ids_and_codes())
    store.close()
    file, ledger = tmp_path / "residency.json", str(tmp_path / "n0")

    def told(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(make_app(arguments[0]), [*arguments, "--service", pin()])
        return done.exit_code, " ".join(done.stdout.split())  # lines are folded

    assert told("residency", "report", ledger, "-o", str(file))[0] == 0
    code, text = told("verify", "residency", str(file), "--ledger", ledger)
    assert code == 0, text
    assert "compared with a ledger" in text
    assert "NOT compared" not in text
    assert "epoch 1 was opened by members: member0, member2" in text
    code, text = told("verify", "residency", str(file))
    assert (code, "NOT compared with a ledger" in text) == (0, True)
