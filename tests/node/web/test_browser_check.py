"""The view CHECK: it brings no pin of its own, and shows what the checker of receipts finds."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.web.window import Window, window
from tests.node.web.world import Live, site
from tests.waiting import seen

from strongroom.consensus.types import TransactionId
from strongroom.node.api.receipts import ReceiptDesk
from strongroom.node.explorer.ledger_replay import FileLedger
from strongroom.node.rpc.jsonrpc import encode_json
from strongroom.node.web.pages import page_files

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.files]
CHECKER = "check/receipt.js"


async def check(seen_by: Window, receipt: str, pin: str) -> str:
    """Paste, check; the verdict's words."""
    await seen_by.page.get_by_label("Receipt", exact=True).fill(receipt)
    await seen_by.page.get_by_label("Pin of the service").fill(pin)
    await seen_by.page.get_by_role("button", name="Check", exact=True).click()
    return await seen(lambda: seen_by.text(".verdict strong"), lambda found: found)


async def test_the_pin_is_never_filled_in_and_without_one_there_is_no_verdict(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend = Live(ledger)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go(f"tx/{backend.transaction_ids()[1]}", "Transaction")
        await seen_by.page.get_by_role("button", name="Check it here").click()
        await seen(lambda: seen_by.text("#view h1"), lambda found: found == "Check a receipt")
        receipt = await seen_by.page.get_by_label("Receipt", exact=True).input_value()
        assert json.loads(receipt)["format"]
        assert await seen_by.page.get_by_label("Pin of the service").input_value() == ""
        await seen_by.page.get_by_role("button", name="Check", exact=True).click()
        await seen(lambda: seen_by.text(".result"), lambda found: "CANNOT CHECK" in found)
        assert "no pin" in await seen_by.text(".result")
        assert (
            await seen_by.page.locator("#pin .copy").count() == 1
        )  # shown, and left to the reader
        assert seen_by.complaints == []


@pytest.mark.parametrize(
    ("verdict", "kind"), [("valid", "good"), ("forged", "bad"), ("cannot check", "amber")]
)
async def test_what_the_checker_finds_is_shown_step_by_step(
    browser: "Browser", ledger: FileLedger, verdict: str, kind: str
) -> None:
    found: dict[str, Any] = {
        "verdict": verdict,
        "sentence": "<b>words</b> of the checker",
        "facts": None,
        "steps": [
            {"name": "genesis is the pinned one", "ok": True, "detail": "sr1-…"},
            {"name": "3 of 4 signed", "ok": False, "detail": "two did"},
            {"name": "later", "ok": None, "detail": ""},
        ],
    }
    module = f"export async function checkReceipt() {{ return {json.dumps(found)}; }}"
    async with site(Live(ledger)) as served, window(browser, served) as seen_by:
        await seen_by.page.route(
            f"**/ui/{CHECKER}",
            lambda route: route.fulfill(body=module, content_type="text/javascript"),
        )
        about = {"from": "node", "node": "n0", "sha256": "00", "files": {CHECKER: "00"}}
        await seen_by.page.route("**/ui/about.json", lambda route: route.fulfill(json=about))
        await seen_by.go("check", "Check")
        assert await check(seen_by, "{}", "sr1-x") == verdict.upper()
        assert await seen_by.page.locator(f".verdict.{kind}").count() == 1
        assert await seen_by.page.locator(".steps-list li").count() == 3
        assert "<b>words</b>" in await seen_by.text(".result")


async def test_the_checker_of_this_page_says_what_the_command_line_says(
    browser: "Browser", ledger: FileLedger
) -> None:
    if CHECKER not in page_files():
        pytest.skip("this page has no checker")
    backend = Live(ledger)
    transaction = bytes.fromhex(backend.transaction_ids()[1])
    receipt = encode_json(ReceiptDesk(ledger).receipt(TransactionId(transaction)))
    pin = backend.service_info()["pin"]
    forged = receipt.replace(transaction.hex(), "00" * 32)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("check", "Check")
        assert await check(seen_by, receipt, pin) == "VALID"
        await seen_by.go("live", "Live")
        await seen_by.go("check", "Check")
        assert await check(seen_by, forged, pin) == "FORGED"
        assert seen_by.complaints == []
        assert seen_by.foreign == []
