"""`strongroom recover give`: what a member brings to compare with is compared, all of it."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.enclave.chain import funded, pay
from tests.enclave.dead_service import Dead, Mortal, died, planned
from typer.testing import CliRunner, Result

from strongroom.enclave.outside.receipts import build_receipt
from strongroom.enclave.outside.recovery_giving import Offer
from strongroom.node.cli.main import make_app
from strongroom.node.client import recovery_giving
from strongroom.node.layout import ClusterLayout


@pytest.fixture(scope="module")
def dead() -> Dead:
    return died()


def receipt_at(chain: Mortal, height: int) -> bytes:
    """Of the chain's first transaction, anchored by the block of a height."""
    outcome = next(one for one in chain.outcomes if one.count)
    anchor = chain.blocks[height - 1].header
    receipt = build_receipt(
        genesis=chain.genesis.data,
        outcome=outcome,
        position=0,
        history=chain.history,
        anchor=anchor,
        certificate=chain.certificate(anchor),
    )
    return json.dumps(receipt.to_json()).encode()


def gone_otherwise(height: int) -> Mortal:
    """The same service, as a ledger up to this height says that went on otherwise."""
    chain = Mortal()
    session = funded(chain)
    while chain.tip.height < height:
        chain.commit(pay(chain, session, 1))
    return chain


def test_T5B_every_receipt_that_is_named_is_compared_with_the_offers_history(
    dead: Dead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their order; of the same height, so that height alone tells nothing."""
    genesis, plan = dead.chain.genesis, planned(dead)[1]
    offer = Offer(genesis=genesis.data, entries=(), plan=plan, generation=dead.generation)
    (tmp_path / "offer").write_bytes(offer.encode())
    ClusterLayout(tmp_path).service.write_text(
        json.dumps({"service": genesis.pin, "endpoints": ["https://127.0.0.1:1"], "ca": "ca.pem"})
    )
    height = int(plan.head.header.height)
    own, other = tmp_path / "own.json", tmp_path / "other.json"
    own.write_bytes(receipt_at(dead.chain, height))
    other.write_bytes(receipt_at(gone_otherwise(height), height))
    given = SimpleNamespace(encode=lambda: b"a share")
    monkeypatch.setattr(recovery_giving, "give_share", lambda *_, **__: given)
    share = tmp_path / "share"

    def give(*receipts: Path) -> Result:
        named = [word for path in receipts for word in ("--receipt", str(path))]
        words = ["recover", "give", str(tmp_path / "offer"), "--as", "member0", *named]
        at = ["--out", str(share), "--dir", str(tmp_path)]
        return CliRunner().invoke(make_app("recover"), [*words, *at])

    for receipts in ((other,), (own, other), (other, own)):
        refused = give(*receipts)
        assert refused.exit_code != 0
        assert "another-history" in refused.stderr
        assert not share.exists()
    done = give(own, own)
    assert done.exit_code == 0, done.output
    assert f"you know {height}" in done.stdout
    assert share.read_bytes() == b"a share"
