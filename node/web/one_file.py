"""The checker of receipts as one HTML file: what `strongroom verify page` writes.

Owns how its modules (page/check/*.js) become one inline script, and the policy that lets the page
run exactly this script and this style, and reach no network. Knows nothing of receipts. The same
sources give the same bytes, so that a hash says which page one has.
"""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib import resources

PAGE_BYTES_MAX = 256 * 1024
_FOLDER = "page/check"
_FIRST = "one_file.js"
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z0-9_]+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:const|function|async function|class) ([A-Za-z0-9_]+))", re.MULTILINE
)
_LEFT = re.compile(r"^\s*(?:import|export)\b|\bimport\(|</", re.MULTILINE)
_DIRECTIVES = (
    "default-src 'none'",
    "script-src '{script}'",
    "style-src '{style}'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Strongroom: check a receipt</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header>
<h1>Strongroom: check a receipt</h1>
<p>This page checks in your browser, offline, what <code>strongroom verify receipt</code> checks:
that a transaction was executed, at which place, by a quorum of the service whose pin you give. It
has no connection to any network, and keeps nothing.</p>
</header>
<main id="checker">
<noscript><p>CANNOT CHECK: scripts are off in this browser. Without this page:
<code>strongroom verify receipt FILE --service PIN</code></p></noscript>
</main>
<footer>
<p>A checker is worth what you know of where it came from. Get this file, and the pin, from somebody
you trust, or make it yourself (<code>strongroom verify page -o check.html</code>), and compare
SHA-256 of the file (<code>sha256sum check.html</code>) with the one that
<code>strongroom trust</code> prints.</p>
</footer>
<script type="module">{script}</script>
</body>
</html>
"""


class PageBroken(AssertionError):
    """The sources do not make one page: a bug of ours."""


@cache
def page() -> bytes:
    """The page, UTF-8: the same for the same sources."""
    script, style = bundle(), f"\n{_read('check.css')}{_read('one_file.css')}"
    policy = "; ".join(_DIRECTIVES).format(script=_hash_source(script), style=_hash_source(style))
    whole = _HTML.format(policy=policy, style=style, script=script).encode()
    if len(whole) > PAGE_BYTES_MAX:
        raise PageBroken(f"{len(whole)} bytes, at most {PAGE_BYTES_MAX} are meant")
    return whole


def page_hash() -> str:
    """SHA-256 of the page, hex: what `sha256sum check.html` prints."""
    return sha256(page()).hexdigest()


def bundle() -> str:
    """All modules as one script: each in a scope of its own, after those that it imports.

    Raises:
        PageBroken: a module imports or exports in a form that is not known here, or in a circle.
    """
    done: dict[str, str] = {}
    _add(_FIRST, done, ())
    return "\n" + "\n".join(done.values()) + "\n"


def _add(name: str, done: dict[str, str], above: tuple[str, ...]) -> None:
    if name in done:
        return
    if name in above:
        raise PageBroken(f"{name} imports itself, through {', '.join(above)}")
    source = _read(name)
    for one in _IMPORT.finditer(source):
        _add(one[2], done, (*above, name))
    exported = _EXPORT.findall(source)
    body = _EXPORT.sub("", _IMPORT.sub(_binding, source))
    if _LEFT.search(body):
        raise PageBroken(f"{name}: an import or export in another form, or the end of a script")
    returned = f"return {{ {', '.join(exported)} }};" if exported else ""
    done[name] = f"const {_variable(name)} = (() => {{\n{body}{returned}\n}})();"


def _binding(found: re.Match[str]) -> str:
    names = " ".join(found[1].split()).rstrip(",")
    if " as " in names:
        raise PageBroken(f"{found[0]}: no other names")
    return f"const {{ {names} }} = {_variable(found[2])};"


def _variable(name: str) -> str:
    return f"module_{name.removesuffix('.js')}"


def _hash_source(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    return resources.files("strongroom.node.web").joinpath(f"{_FOLDER}/{name}").read_text("utf-8")
