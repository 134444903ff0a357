"""The page in a real browser: what it shows as blocks come, when its node is gone, and what it
never does."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from tests.node.client.ledger import running
from tests.node.web.window import window
from tests.node.web.world import Live, Site, site
from tests.waiting import seen

from strongroom.enclave.outside.receipts import Receipt, verify_receipt
from strongroom.node.client.trust.service import load_service
from strongroom.node.explorer.ledger_replay import FileLedger
from strongroom.node.web.reader import reading_nodes

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.files]


HEIGHTS = "() => [...document.querySelectorAll('.rows tbody a')].map((one) => Number(one.text))"


def begins(heading: str, found: str) -> bool:
    return found.startswith(heading)


async def test_blocks_appear_as_they_come(browser: "Browser", ledger: FileLedger) -> None:
    backend = Live(ledger, shown=6)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("live", "Live")
        await seen(lambda: seen_by.run(HEIGHTS), lambda found: found == [6, 5, 4, 3, 2, 1])
        backend.grow(3)
        await seen(lambda: seen_by.run(HEIGHTS), lambda found: found[:3] == [9, 8, 7])
        assert await seen_by.text(".tile strong") == "9"
        await seen(lambda: seen_by.text("#state"), lambda found: found == "live, n0")
        assert await seen_by.text("#simulated") == "SIMULATED"
        assert seen_by.complaints == []
        assert seen_by.foreign == []


async def test_rows_wait_while_the_reader_points_at_them(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend = Live(ledger, shown=6)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("live", "Live")
        await seen(lambda: seen_by.run(HEIGHTS), lambda found: found[:1] == [6])
        await seen_by.page.locator(".rows tbody tr").first.hover()
        backend.grow(2)
        await seen(lambda: seen_by.text(".tile strong"), lambda found: found == "8")
        await seen(lambda: seen_by.text(".later"), lambda found: found == "2 new blocks: show")
        assert (await seen_by.run(HEIGHTS))[0] == 6
        await seen_by.page.locator(".later").click()
        await seen(lambda: seen_by.run(HEIGHTS), lambda found: found[:2] == [8, 7])


async def test_a_page_whose_node_is_gone_greys_out_and_goes_on_where_it_ended(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend = Live(ledger, shown=5)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("live", "Live")
        await seen(lambda: seen_by.run(HEIGHTS), lambda found: found[:1] == [5])
        await served.stop()
        await seen(lambda: seen_by.run("() => document.body.className"), lambda one: "lost" in one)
        assert "no connection" in await seen_by.text("#state")
        assert await seen_by.run("() => getComputedStyle(document.querySelector('main')).filter")
        backend.grow(4)
        await served.start()
        await seen(lambda: seen_by.run(HEIGHTS), lambda found: found == [9, 8, 7, 6, 5, 4, 3, 2, 1])
        await seen(lambda: seen_by.run("() => document.body.className"), lambda one: one == "")


@pytest.mark.parametrize(("waiting", "words"), [(0, "quiet, n0"), (7, "stalled: 7 wait, n0")])
async def test_an_old_newest_block_greys_the_page_and_is_told_from_a_stall(
    browser: "Browser", ledger: FileLedger, waiting: int, words: str
) -> None:
    backend = Live(ledger)
    backend.late_ms, backend.waiting = 600_000, waiting
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("live", "Live")
        await seen(lambda: seen_by.text("#state"), lambda found: found == words)
        await seen(lambda: seen_by.text(".tile small"), lambda found: "newest 10 min ago" in found)
        assert "old" in await seen_by.run("() => document.body.className")


async def test_a_search_by_keyboard_opens_what_it_names(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend = Live(ledger)
    transaction = backend.transaction_ids()[-1]
    async with site(backend) as served, window(browser, served) as seen_by:
        keyboard = seen_by.page.keyboard
        await seen_by.go("live", "Live")
        await seen(lambda: seen_by.run(HEIGHTS), len)
        for text, heading in [(transaction, "Transaction"), ("2", "Block 2"), ("2/0", "Transac")]:
            await keyboard.press("/")
            await keyboard.type(text)
            await keyboard.press("Enter")
            await seen(lambda: seen_by.text("#view h1"), partial(begins, heading))
        await keyboard.press("/")
        await keyboard.type("nobody here")
        await keyboard.press("Enter")
        await seen(lambda: seen_by.text("#view .card"), lambda found: "Nothing here" in found)
        await keyboard.press("1")
        await seen(lambda: seen_by.run(HEIGHTS), len)
        focused = "() => document.activeElement.textContent"
        first = backend.shown
        for key, height in [("j", first), ("j", first - 1), ("k", first)]:
            await keyboard.press(key)
            assert await seen_by.run(focused) == str(height)
        await keyboard.press("Enter")
        await seen(lambda: seen_by.text("#view h1"), lambda found: found == f"Block {first}")
        assert seen_by.complaints == []


async def test_an_answer_that_comes_as_one_asks_for_something_else_takes_nobody_back(
    browser: "Browser", ledger: FileLedger
) -> None:
    """The address changes at once and its event comes later: the answer is read between them."""
    transaction = Live(ledger).transaction_ids()[-1]
    async with site(Live(ledger)) as served, window(browser, served) as seen_by:
        await seen_by.go("live", "Live")
        await seen_by.run(
            """text => {
              const parse = JSON.parse;
              JSON.parse = (...given) => {
                const read = parse(...given);
                if (read?.result?.[0]?.id === text) location.hash = "#/search/nobody";
                return read;
              };
              location.hash = `#/search/${text}`;
            }""",
            transaction,
        )
        await seen(lambda: seen_by.text("#view .card"), lambda found: "Nothing here" in found)
        assert await seen_by.run("() => location.hash") == "#/search/nobody"


async def test_a_copy_button_copies_all_64_digits(browser: "Browser", ledger: FileLedger) -> None:
    backend = Live(ledger)
    granted = ["clipboard-read", "clipboard-write"]
    async with (
        site(backend) as served,
        window(browser, served, permissions=granted) as seen_by,
    ):
        await seen_by.go("block/3", "Block 3")
        await seen_by.page.locator(".facts .copy").first.click()
        block = backend.block_reading(3, transactions=False)()
        read = "() => navigator.clipboard.readText()"
        await seen(lambda: seen_by.run(read), lambda found: found == block["hash"].hex())
        await seen_by.page.locator("#pin .copy").click()
        pin = backend.service_info()["pin"]
        await seen(lambda: seen_by.run(read), lambda found: found == pin)


async def test_receipt_evidence_and_envelope_are_saved_as_the_node_gave_them(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend = Live(ledger)
    transaction = backend.transaction_ids()[1]
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go(f"tx/{transaction}", "Transaction")
        async with seen_by.page.expect_download() as saving:
            await seen_by.page.get_by_role("button", name="receipt.json").click()
        saved = await (await saving.value).path()
        receipt = Receipt.from_json(json.loads(saved.read_bytes()))
        verified = verify_receipt(receipt, backend.service_info()["pin"])
        assert verified.id.hex() == transaction
        async with seen_by.page.expect_download() as saving:
            await seen_by.page.get_by_role("button", name="Save the envelope").click()
        envelope = (await (await saving.value).path()).read_bytes()
        told = backend.transaction_reading(verified.id)()["envelope"]
        assert envelope == bytes(told["sealed"])
        await seen_by.go("nodes", "Nodes")
        async with seen_by.page.expect_download() as saving:
            await seen_by.page.get_by_role("button", name="Save fresh evidence").click()
        assert (await (await saving.value).path()).read_bytes().startswith(b"evidence over ")
        assert seen_by.complaints == []


async def test_the_reader_of_a_screen_is_told_at_most_once_in_five_seconds(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend = Live(ledger, shown=4)
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.page.clock.install()
        await seen_by.go("live", "Live")
        await seen_by.run(
            """() => {
              window.told = 0;
              new MutationObserver(() => window.told++)
                .observe(document.getElementById("said"), { childList: true, characterData: true });
            }"""
        )
        for _ in range(8):
            backend.grow()
            await seen_by.page.clock.run_for(2500)
        told = await seen_by.run("() => window.told")
        assert 1 <= told <= 4 + 1
        assert await seen_by.run("() => document.getElementById('said').ariaLive") == "polite"


async def test_T71_a_page_of_the_local_reader_asks_for_everything_with_its_key(
    browser: "Browser", tmp_path: Path
) -> None:
    async with (
        running(tmp_path) as service,
        reading_nodes(load_service(service.directory), 0, lambda _: None) as reading,
    ):
        served = cast(Site, SimpleNamespace(url=reading.url.rstrip("/")))
        async with window(browser, served) as seen_by:
            await seen_by.go("live", "Live")
            await seen(lambda: seen_by.text("#foot"), lambda text: "your own reader" in text)
            await seen(lambda: seen_by.text("#state"), lambda text: "n0" in text)
            assert seen_by.complaints == []
            assert seen_by.foreign == []
