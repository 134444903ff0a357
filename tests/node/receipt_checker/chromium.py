"""The one-file checker in a real Chromium: opened from a file, driven as a person would, watched
for whatever a page must not do."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.node.browser import QUIET

from strongroom.node.web.one_file import page

if TYPE_CHECKING:
    from playwright.async_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = (
    "no Chromium on this machine: apt-get install chromium"
    if CHROMIUM is None
    else "no Playwright in this environment: the extra 'browser'"
    if find_spec("playwright") is None
    else ""
)
"""Why it cannot be tried here; empty: it can."""


class OneFile:
    """The page, open."""

    def __init__(self, shown: "Page", file: Path) -> None:
        self.page, self.file = shown, file
        self.complaints: list[str] = []
        self.requests: list[str] = []
        shown.on("console", lambda message: self.complaints.append(message.text))
        shown.on("pageerror", lambda error: self.complaints.append(str(error)))
        shown.on("request", lambda request: self.requests.append(request.url))

    async def give(self, text: bytes, pin: str) -> str:
        """Choose a receipt, type a pin, and wait for the verdict."""
        forget = "() => document.querySelector('.check-verdict').removeAttribute('data-verdict')"
        if await self.page.input_value("#check-pin") != pin:
            asked = await self.page.evaluate("() => document.querySelector('#check-file').value")
            await self.page.evaluate(forget)
            await self.page.fill("#check-pin", pin)
            if asked:
                await self.page.wait_for_selector(".check-verdict[data-verdict]")
        await self.page.evaluate(forget)
        chosen: Any = {"name": "receipt.json", "mimeType": "application/json", "buffer": text}
        await self.page.set_input_files("#check-file", chosen)
        await self.page.wait_for_selector(".check-verdict[data-verdict]")
        return await self.page.get_attribute(".check-verdict", "data-verdict") or ""

    async def words(self, selector: str = ".check-verdict") -> str:
        """What stands somewhere."""
        return str(await self.page.inner_text(selector))


@asynccontextmanager
async def one_file(folder: Path, before: str = "") -> AsyncIterator[OneFile]:
    """The page in a browser of its own; `before` is script that runs before the page's."""
    from playwright.async_api import async_playwright

    file = folder / "check.html"
    file.write_bytes(page())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        try:
            context = await browser.new_context()
            if before:
                await context.add_init_script(before)
            opened = OneFile(await context.new_page(), file)
            await opened.page.goto(file.as_uri())
            yield opened
        finally:
            await browser.close()


def must_be_there() -> bool:
    """Is this CI, where nothing of it may be left out?"""
    return os.environ.get("STRONGROOM_BROWSER") == "required"
