"""What the page's routes give: these files, these headers, and nothing else."""

import asyncio
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.node.rpc.fake import FakeBackend

from strongroom.node.config import loads
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.web import pages

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "node" / "web" / "page"
SERVED = {"from": "node", "node": "n0"}


class Answer:
    """Of one request."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status, self.headers, self.body = response.status, response.headers, body


class Asker:
    """A client of one served page."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = url, http

    async def __call__(self, path: str, method: str = "GET", **headers: str) -> Answer:
        from yarl import URL

        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self._url + path, encoded=True)
        async with self._http.request(method, url, headers=named) as response:
            return Answer(response, await response.read())


@asynccontextmanager
async def served(web: bool = True) -> AsyncIterator[Asker]:
    app = make_app(FakeBackend())
    if web:
        pages.mount(app, lambda: SERVED)
    runner = await serve(app, "127.0.0.1", 0, None)
    try:
        async with aiohttp.ClientSession() as http:
            yield Asker(f"http://127.0.0.1:{runner.addresses[0][1]}", http)
    finally:
        await runner.cleanup()


async def test_every_file_of_the_page_is_served_with_its_type() -> None:
    names = {str(path.relative_to(PAGE)) for path in PAGE.rglob("*.*") if path.suffix != ".md"}
    assert set(pages.page_files()) == names
    kinds = {"js": "text/javascript", "css": "text/css", "html": "text/html"}
    async with served() as ask:
        for name in names:
            answer = await ask("/" if name == "index.html" else f"/ui/{name}")
            assert answer.status == 200, name
            assert answer.body == (PAGE / name).read_bytes()
            kind = kinds[name.rpartition(".")[2]]
            assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/ui/style.css", "/ui/about.json", "/ui/nothing"])
async def test_T71_every_answer_keeps_foreign_scripts_frames_and_guesses_out(path: str) -> None:
    async with served() as ask:
        headers = (await ask(path)).headers
    rules = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-cache"


async def test_what_a_browser_has_is_not_sent_again() -> None:
    async with served() as ask:
        first = await ask("/ui/main.js")
        tag = first.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await ask("/ui/main.js", If_None_Match=known)
            assert (again.status, again.body) == (304, b""), known
            assert again.headers["ETag"] == tag
            assert "Content-Security-Policy" in again.headers
        assert (await ask("/ui/main.js", If_None_Match='"other"')).status == 200
        assert (await ask("/ui/dom.js")).headers["ETag"] != tag
        assert (await ask("/ui/main.js", "HEAD")).body == b""


@pytest.mark.parametrize(
    "name",
    [
        "../pages.py",
        "..%2Fpages.py",
        "%2e%2e/pages.py",
        "check/../../pages.py",
        "/etc/hostname",
        "%2fetc%2fhostname",
        "..\\pages.py",
        "main.js/",
        "main.js%00.css",
        "MAIN.JS",
        "check",
        "check/",
        "README.md",
        "index.html.bak",
    ],
)
async def test_a_name_is_looked_up_and_never_opened(name: str) -> None:
    async with served() as ask:
        answer = await ask(f"/ui/{name}")
        assert answer.status == 404
        assert b"import" not in answer.body


async def test_T71_a_page_elsewhere_and_a_rebound_name_get_nothing() -> None:
    async with served() as ask:
        for path in ("/", "/ui/main.js", "/ui/about.json"):
            assert (await ask(path, Host="rebound.example")).status == 403
            assert (await ask(path, Origin="http://evil.example")).status == 403
        assert (await ask("/", "POST")).status in (405, 415)


async def test_without_web_there_is_no_page() -> None:
    async with served(web=False) as ask:
        assert (await ask("/")).status == 404
        assert (await ask("/ui/main.js")).status == 404


@pytest.mark.parametrize(
    ("line", "shown"), [("", False), ("web = false", False), ("web = true", True)]
)
def test_an_operator_serves_the_page_only_when_asked(line: str, shown: bool) -> None:
    from strongroom.node.config import dumps

    text = f"""name = "n0"
directory = "."
genesis = "genesis.bin"
rpc = "127.0.0.1:7400"
peer = "127.0.0.1:7410"
{line}
"""
    config = loads(text, Path("/srv/n0/node.toml"))
    assert config.web is shown
    assert loads(dumps(config, base=Path("/srv/n0")), Path("/srv/n0/node.toml")) == config


async def test_the_page_tells_the_digests_of_its_files() -> None:
    async with served() as ask:
        about: dict[str, Any] = json.loads((await ask("/ui/about.json")).body)
    assert about["from"] == "node"
    assert about["sha256"] == pages.page_digest()
    assert about["files"] == {name: one.digest for name, one in pages.page_files().items()}


def test_the_digest_of_the_page_changes_with_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before, files = pages.page_digest(), dict(pages.page_files())
    for name, one in files.items():
        changed = {**files, name: pages.PageFile(one.data + b" ", one.type)}
        monkeypatch.setattr(pages, "page_files", lambda changed=changed: changed)
        assert pages.page_digest() != before, name


def test_the_page_names_no_other_site_and_reads_no_markup() -> None:
    for name, one in pages.page_files().items():
        text = one.data.decode()
        named = set(re.findall(r"https?://([^/\s\"'`]+)", text))
        assert named <= {"www.w3.org"}, name  # of SVG's namespace
        if name.endswith(".js"):
            for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
                assert sink not in text, (name, sink)


def test_no_line_of_the_page_is_wider_than_100_columns() -> None:
    for name, one in pages.page_files().items():
        if name.endswith((".js", ".css")) and not name.startswith("check/"):
            wide = [line for line in one.data.decode().splitlines() if len(line) > 100]
            assert wide == [], name


def test_the_package_has_each_file_of_the_page_as_its_data() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    globs = data["package-data"]["strongroom.node.web"]
    packed = {path for glob in globs for path in PAGE.parent.glob(glob) if path.is_file()}
    assert packed == {path for path in PAGE.rglob("*") if path.is_file()}
    assert "strongroom.node.web" in data["packages"]


@pytest.mark.long
async def test_the_wheel_holds_the_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), "."]
    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        for name, one in pages.page_files().items():
            assert packed.read(f"strongroom/node/web/page/{name}") == one.data
