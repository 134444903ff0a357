"""The view CHECK: it brings no pin of its own, and shows what the checker of receipts finds."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.receipt_checker.files import drop, release
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


def known(ledger: FileLedger) -> tuple[Live, str, str, str]:
    """A node, a receipt of its ledger, a forged one, the pin."""
    backend = Live(ledger)
    transaction = bytes.fromhex(backend.transaction_ids()[1])
    receipt = encode_json(ReceiptDesk(ledger).receipt(TransactionId(transaction)))
    pin = backend.service_info()["pin"]
    return backend, receipt, receipt.replace(transaction.hex(), "00" * 32), pin


async def verdicts(seen_by: Window) -> int:
    """How many verdicts stand on the page."""
    return int(await seen_by.page.locator(".verdict").count())


async def pressed(seen_by: Window) -> str:
    """Press Check; the verdict's words."""
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
    backend, receipt, forged, pin = known(ledger)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("check", "Check")
        assert await check(seen_by, receipt, pin) == "VALID"
        await seen_by.go("live", "Live")
        await seen_by.go("check", "Check")
        assert await check(seen_by, forged, pin) == "FORGED"
        assert seen_by.complaints == []
        assert seen_by.foreign == []


async def choose(seen_by: Window, text: bytes) -> None:
    """Choose a file of these bytes, and wait until the page says how many they are."""
    named: Any = {"name": "receipt.json", "mimeType": "application/json", "buffer": text}
    await seen_by.page.set_input_files("#file", named)
    words = f"receipt.json, {len(text)} bytes"
    await seen(lambda: seen_by.text("form.check p.quiet"), lambda found: found == words)


async def test_T31_no_verdict_outlives_the_file_or_the_pin_that_it_is_of(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend, receipt, forged, pin = known(ledger)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("check", "Check")
        assert await check(seen_by, receipt, pin) == "VALID"
        await choose(seen_by, forged.encode())
        assert await verdicts(seen_by) == 0
        assert await pressed(seen_by) == "FORGED"
        await choose(seen_by, receipt.encode())
        assert await pressed(seen_by) == "VALID"
        await seen_by.page.get_by_label("Pin of the service").fill("sr1-" + "a" * 52)
        assert await verdicts(seen_by) == 0
        assert await pressed(seen_by) == "FORGED"
        await seen_by.page.get_by_label("Pin of the service").fill(f"\u00a0{pin}")
        assert await pressed(seen_by) == "CANNOT CHECK"
        await seen_by.page.get_by_label("Pin of the service").fill(f" {pin}\t")
        assert await pressed(seen_by) == "VALID"
        await seen_by.page.get_by_label("Receipt", exact=True).fill(receipt + " ")
        assert await verdicts(seen_by) == 0
        assert seen_by.complaints == []


async def test_T31_files_too_long_empty_or_unreadable_are_judged_as_the_command_line_does(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend, receipt, _, pin = known(ledger)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("check", "Check")
        assert await check(seen_by, receipt, pin) == "VALID"
        named: Any = {"name": "big.json", "mimeType": "", "buffer": b" " * (16 * 1024**2 + 1)}
        await seen_by.page.set_input_files("#file", named)
        assert await verdicts(seen_by) == 0
        assert await pressed(seen_by) == "FORGED"
        assert "longer than" in await seen_by.text(".result")
        await choose(seen_by, b"")
        assert await pressed(seen_by) == "INCOMPLETE"
        assert await check(seen_by, receipt, pin) == "VALID"
        await drop(seen_by.page, "label.drop", "gone.json", receipt.encode(), "fails")
        assert await verdicts(seen_by) == 0
        assert await pressed(seen_by) == "CANNOT CHECK"
        assert "could not be read" in await seen_by.text(".result")
        assert seen_by.complaints == []


async def test_T31_a_check_that_ends_late_says_nothing_of_the_file_chosen_since(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend, receipt, forged, pin = known(ledger)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("check", "Check")
        await seen_by.page.get_by_label("Pin of the service").fill(pin)
        await drop(seen_by.page, "label.drop", "slow.json", receipt.encode(), "later")
        await seen_by.page.get_by_role("button", name="Check", exact=True).click()
        await choose(seen_by, forged.encode())
        await release(seen_by.page)
        assert await verdicts(seen_by) == 0
        assert await pressed(seen_by) == "FORGED"
        assert seen_by.complaints == []
