"""One window of the browser: what it complained about, whom it asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from tests.hang import HANG_SECONDS
from tests.node.web.world import Site

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

Scheme = Literal["light", "dark"]


class Window:
    """A page that is open."""

    def __init__(self, page: "Page", site: Site) -> None:
        self.page, self.site = page, site
        self.complaints: list[str] = []
        """Errors and warnings of the console, and uncaught errors."""
        self.foreign: list[str] = []
        """Whom it asked beside its own origin."""
        page.on("console", lambda one: self._complain(one.type, one.text))
        page.on("pageerror", lambda one: self.complaints.append(f"uncaught: {one}"))
        page.on("request", lambda one: self._note(one.url))
        page.on("websocket", lambda one: self._note(one.url))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _note(self, url: str) -> None:
        own = (f"{self.site.url}/", self.site.url.replace("http", "ws") + "/", "data:", "blob:")
        if not url.startswith(own):
            self.foreign.append(url)

    async def go(self, view: str, heading: str) -> None:
        """Open a view, and wait for its heading."""
        await self.page.goto(f"{self.site.url}/#/{view}")
        await self.page.wait_for_function(
            "text => document.querySelector('#view h1')?.textContent.startsWith(text)",
            arg=heading,
        )

    async def text(self, selector: str) -> str:
        """What stands in the first element."""
        return str(await self.page.locator(selector).first.inner_text()).strip()

    async def run(self, script: str, argument: Any = None) -> Any:
        """The value of a script's function."""
        return await self.page.evaluate(script, argument)

    async def overflow(self) -> list[str]:
        """What is wider than the window, or than its card where that does not scroll."""
        found: list[str] = await self.run(
            """() => {
              const root = document.documentElement;
              const right = (one) => one.getBoundingClientRect().right;
              const isWide = (one) => {
                const card = one.parentElement?.closest(".card");
                const kept = one.closest(".frame, .spark, svg");
                const end = card && !kept ? right(card) : root.clientWidth;
                return right(one) > end + 1 && (root.scrollWidth > root.clientWidth || !kept);
              };
              return [...document.querySelectorAll("main *")]
                .filter((one) => getComputedStyle(one).position !== "absolute" && isWide(one))
                .map((one) => `${one.tagName}.${one.className}`);
            }"""
        )
        return found


@asynccontextmanager
async def window(
    browser: "Browser", site: Site, *, width: int = 1280, scheme: Scheme = "light", **more: Any
) -> AsyncIterator[Window]:
    """A window of its own, nothing kept from another one."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **more
    )
    context.set_default_timeout(HANG_SECONDS * 1000 / 5)
    try:
        yield Window(await context.new_page(), site)
    finally:
        await context.close()
