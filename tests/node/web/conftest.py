"""One ledger and one browser for all tests of a file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.node.browser import QUIET
from tests.node.web.world import browser_or_skip, make_ledger

from strongroom.node.explorer.ledger_replay import FileLedger

if TYPE_CHECKING:
    from playwright.async_api import Browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ledger(tmp_path_factory: pytest.TempPathFactory) -> FileLedger:
    """A real one, read from its files."""
    folder: Path = tmp_path_factory.mktemp("ledger")
    return await make_ledger(folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> "AsyncIterator[Browser]":
    """Chromium; where there is none the test is skipped with its reason."""
    path = browser_or_skip()
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield opened
        await opened.close()
