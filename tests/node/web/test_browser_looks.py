"""Every view at every width, light and dark: nothing wider than the window, nothing that keeps
somebody out, no foreign text that becomes more than text, no script but the page's own."""

from typing import TYPE_CHECKING, Any

import pytest
from tests.node.rpc.fake import FakeBackend
from tests.node.web.window import Scheme, window
from tests.node.web.world import Live, site
from tests.waiting import seen

from strongroom.node.explorer.ledger_replay import FileLedger

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.files]
MARKUP = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
HOSTILE = ("‮evil" + MARKUP, "W" * 64, "a​b\x00\x1b[31m", "ẅ" + "̈" * 40, "\ud83d" + "x" * 63)


def views(backend: Live) -> list[tuple[str, str]]:
    """Each view's way and heading."""
    return [
        ("live", "Live"),
        ("block/2", "Block 2"),
        ("block/3", "Block 3"),
        (f"tx/{backend.transaction_ids()[-1]}", "Transaction"),
        (f"tx/{'00' * 32}", "Transaction"),
        ("nodes", "Nodes"),
        ("govern", "Govern"),
        ("check", "Check"),
        ("search/n", "Search"),
        ("search/nobody", "Search"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1600])
async def test_no_view_overflows_or_keeps_anybody_out(
    browser: "Browser", ledger: FileLedger, width: int, scheme: Scheme
) -> None:
    from axe_playwright_python.async_playwright import Axe

    backend, axe = Live(ledger), Axe()
    still = {"bypass_csp": True, "reduced_motion": "reduce"}  # for axe's own script, in any moment
    async with (
        site(backend) as served,
        window(browser, served, width=width, scheme=scheme, **still) as seen_by,
    ):
        for way, heading in views(backend):
            await seen_by.go(way, heading)
            assert await seen_by.overflow() == [], (way, width)
            found = (await axe.run(seen_by.page)).response["violations"]
            grave = [
                (one["id"], [(node["target"], node["any"][:1]) for node in one["nodes"]][:3])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert grave == [], (way, width, scheme)
        assert seen_by.complaints == []
        assert seen_by.foreign == []


def hostile(ledger: FileLedger) -> Live:
    """A node that gives everything names of an attacker's."""
    backend = Live(ledger)
    real = backend.service_nodes()
    names = [HOSTILE[at % len(HOSTILE)] for at in range(len(real))]
    evil = dict.fromkeys(("operator", "region", "verdict", "rpc", "peer", "offence"), HOSTILE[0])
    backend.nodes = [
        {**one, **evil, "name": name, "alarm": HOSTILE[1]}
        for one, name in zip(real, names, strict=True)
    ]
    validators = backend.service_info()["validators"]
    backend.info = {
        "name": HOSTILE[0],
        "validators": [{**one, "name": names[at]} for at, one in enumerate(validators)],
    }
    change = {"change": HOSTILE[0], "arguments": {HOSTILE[1]: HOSTILE[0], "x": [HOSTILE[2]]}}
    proposals = backend.proposals()
    backend.proposals = lambda: [
        {**one, **change, "changes": [change, change], "proposer": HOSTILE[1], "note": HOSTILE[0]}
        for one in proposals
    ]
    members = backend.service_members()
    backend.service_members = lambda: [{**one, "name": HOSTILE[1]} for one in members]
    head = backend.head_reading
    backend.head_reading = lambda height: (
        lambda: {**head(height)(), "proposer": HOSTILE[0], "signers": list(HOSTILE[:3])}
    )
    return backend


async def test_names_of_an_attacker_are_text_and_break_no_layout(
    browser: "Browser", ledger: FileLedger
) -> None:
    backend = hostile(ledger)
    async with site(backend) as served, window(browser, served, width=360) as seen_by:
        for way, heading in [("live", "Live"), ("nodes", "Nodes"), ("govern", "Govern")]:
            await seen_by.go(way, heading)
            assert await seen_by.overflow() == [], way
            assert await seen_by.run("() => window.hit") is None
            assert await seen_by.page.locator("#view img, #view script, header img").count() == 0
            text = await seen_by.run("() => document.body.innerText + document.title")
            assert not {"‮", "​", "\x00", "\x1b"} & set(text)
        await seen(lambda: seen_by.text("#name"), lambda found: "\\u{202e}evil" in found)
        assert seen_by.complaints == []


async def test_only_the_pages_own_scripts_run(browser: "Browser", ledger: FileLedger) -> None:
    from playwright.async_api import Error

    async with site(Live(ledger)) as served, window(browser, served) as seen_by:
        await seen_by.go("live", "Live")
        evil = "http://127.0.0.2:1/evil.js"
        await seen_by.page.route(evil, lambda route: route.fulfill(body="window.hit = 1"))
        with pytest.raises(Error):
            await seen_by.page.add_script_tag(url=evil)
        with pytest.raises(Error):
            await seen_by.page.add_script_tag(content="window.hit = 1")
        for script in (
            "() => { document.body.innerHTML = '<b>x</b>'; }",
            "() => document.write('<b>x</b>')",
            "() => fetch('http://127.0.0.2:1/')",
        ):
            with pytest.raises(Error):
                await seen_by.run(script)
        assert await seen_by.run("() => window.hit") is None


class Endless(FakeBackend):
    """A node of as many blocks as one likes."""

    def node_status(self) -> dict[str, Any]:
        return {**super().node_status(), "node": "n0", "height": self.height}


async def test_the_page_keeps_a_bounded_number_of_blocks(browser: "Browser") -> None:
    backend = Endless()
    backend.height = 50
    async with site(backend) as served, window(browser, served) as seen_by:
        await seen_by.go("live", "Live")
        kept = await seen_by.run(
            """async () => {
              const { Feed, HEADS_MAX } = await import("/ui/feed.js");
              const feed = new Feed(Object.assign(new EventTarget(), { state: "open" }));
              for (let height = 1; height < 3000; height++)
                feed.take({ topic: "heads", height, time_ms: height, count: 1 });
              return [feed.heads.length, HEADS_MAX, feed.newest];
            }"""
        )
        assert kept == [240, 240, 2999]
        for _ in range(30):
            backend.grow(10)
        height = "() => document.querySelector('.tile strong').textContent"
        await seen(lambda: seen_by.run(height), lambda found: found == "350")
        assert await seen_by.page.locator(".rows tbody tr").count() == 40
        assert await seen_by.page.locator(".ribbon a").count() == 60
