"""The page's files, read once, and the routes that serve them: `/` and `/ui/NAME`.

Owns what a browser is given: these files and no others (a name is looked up, never opened), their
types, and the headers that keep foreign scripts out. What the page shows comes over the JSON-RPC
routes beside it, and the guard of Host and Origin stands before all of them (rpc/guard.py).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from aiohttp import ETag, hdrs, web

from strongroom.node.rpc.getting import spend

ABOUT = "about.json"
INDEX = "index.html"
FOLDERS = ("", "check/")
"""Of the package's data: the page, and the checker of receipts."""
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
}
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Only own scripts, no markup from text, nothing from or to anywhere else."""
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent."""

    data: bytes
    type: str
    digest: str
    """SHA-256 of the data, 64 hex digits."""

    @classmethod
    def of(cls, data: bytes, type: str) -> "PageFile":
        """Hashed once, here."""
        return cls(data, type, sha256(data).hexdigest())


@cache
def page_files() -> Mapping[str, PageFile]:
    """The files of the installed package by name, `check/receipt.js` among them."""
    page = files("strongroom.node.web") / "page"
    found: dict[str, PageFile] = {}
    for folder in FOLDERS:
        for entry in _entries(page / folder if folder else page):
            kind = entry.name.rpartition(".")[2]
            if kind in _TYPES:
                found[folder + entry.name] = PageFile.of(entry.read_bytes(), _TYPES[kind])
    return dict(sorted(found.items()))


def _entries(folder: Traversable) -> list[Traversable]:
    return [entry for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []


def page_digest() -> str:
    """One SHA-256 over the names and digests of all files: what `strongroom trust` and the page's
    foot show."""
    lines = [f"{one.digest}  {name}\n" for name, one in page_files().items()]
    return sha256("".join(lines).encode()).hexdigest()


def about(served: Mapping[str, Any]) -> PageFile:
    """Who serves the page, and the digests of its files.

    Args:
        served: `from` ("node", "reader" or "files"), and what else the page shall say of that.
    """
    digests = {name: one.digest for name, one in page_files().items()}
    document = {**served, "sha256": page_digest(), "files": digests}
    return PageFile.of(json.dumps(document).encode(), _TYPES["json"])


class _Told:
    """What is said of who serves the page: made anew only where that has changed."""

    def __init__(self, served: Callable[[], Mapping[str, Any]]) -> None:
        self._served = served
        self._of: Mapping[str, Any] | None = None
        self._made: PageFile | None = None

    def now(self) -> PageFile:
        """As it is now."""
        of = self._served()
        if self._made is None or of != self._of:
            self._of, self._made = of, about(of)
        return self._made


def mount(app: web.Application, served: Callable[[], Mapping[str, Any]], prefix: str = "") -> None:
    """Add the two routes.

    Args:
        app: a front door, or a local reader's; its middlewares guard Host and Origin.
        served: says who serves it now, as for `about`.
        prefix: of the paths; the page asks for everything relative to where it stands.
    """
    sent, told = page_files(), _Told(served)

    async def index(request: web.Request) -> web.Response:
        return _answer(request, sent[INDEX])

    async def named(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = told.now() if name == ABOUT else sent.get(name)
        if found is None:
            return web.Response(status=404, text="the page has no such file\n", headers=HEADERS)
        return _answer(request, found)

    app.router.add_get(f"{prefix}/", index)
    app.router.add_get(f"{prefix}/ui/{{name:.+}}", named)


def _answer(request: web.Request, found: PageFile) -> web.Response:
    """The file; or that the browser has it already (RFC 9110 §13.1.2, weak comparison)."""
    headers = {**HEADERS, hdrs.ETAG: f'"{found.digest[:32]}"'}
    known: tuple[ETag, ...] = request.if_none_match or ()
    had = any(one.value in (found.digest[:32], "*") for one in known)
    spend(request, 0 if had else len(found.data))
    if had:
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.data, headers={**headers, hdrs.CONTENT_TYPE: found.type})
