"""The checker as one file: what it is made of, what it may do, and the command that writes it."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strongroom.node.cli.main import make_app
from strongroom.node.web import one_file
from strongroom.node.web.one_file import PageBroken, bundle, page, page_hash

TEXT = page().decode()
POLICY = dict(
    part.strip().split(" ", 1)
    for part in re.findall(r'Content-Security-Policy" content="([^"]*)"', TEXT)[0].split(";")
)


def test_the_page_runs_its_own_script_and_style_and_nothing_else() -> None:
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inside,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", TEXT, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert POLICY[directive] == f"'sha256-{digest}'"
    for directive in ("default-src", "base-uri", "form-action", "trusted-types"):
        assert POLICY[directive] == "'none'"
    assert "connect-src" not in POLICY, "none, by default-src"


def test_the_policy_stands_before_whatever_it_governs() -> None:
    assert TEXT.index("Content-Security-Policy") < TEXT.index("<style>") < TEXT.index("<script")
    assert not re.search(r"https?://", TEXT.split("<script")[0])
    assert " on" not in "".join(re.findall(r"<[a-z][^>]*>", TEXT.split("<script")[0]))


def test_the_page_brings_no_pin() -> None:
    assert not re.search(r"sr1-[a-z2-7]{52}", TEXT)
    assert 'placeholder: "sr1-…"' in TEXT


def test_one_source_gives_one_page() -> None:
    first = page()
    page.cache_clear()
    assert page() == first
    assert page_hash() == sha256(first).hexdigest()


def test_every_module_is_in_the_bundle_once() -> None:
    folder = Path(one_file.__file__).parent / "page" / "check"
    for file in folder.glob("*.js"):
        assert bundle().count(f"const module_{file.stem} = ") == 1, file.name


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('import { a } from "./broken.js";\n', "itself"),
        ('import a from "./bytes.js";\n', "another form"),
        ('import { a as b } from "./bytes.js";\n', "no other names"),
        ("export default 5;\n", "another form"),
        ('export * from "./bytes.js";\n', "another form"),
        ('const a = await import("./bytes.js");\n', "another form"),
        ('const a = "</script>";\n', "the end of a script"),
    ],
)
def test_a_module_in_a_form_that_is_not_known_makes_no_page(
    source: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_file, "_read", lambda name: source if name == "broken.js" else "")
    monkeypatch.setattr(one_file, "_FIRST", "broken.js")
    with pytest.raises(PageBroken, match=reason):
        bundle()


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(make_app("verify"), ["verify", "page", *arguments])
    return result.exit_code, result.output


def test_the_command_writes_the_page_and_prints_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "check.html"
    code, said = invoke("-o", str(file))
    assert code == 0
    assert file.read_bytes() == page()
    assert page_hash() in said


def test_the_command_replaces_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    file = tmp_path / "check.html"
    file.write_text("mine")
    code, said = invoke("-o", str(file))
    assert (code, file.read_text()) == (2, "mine")
    assert "--force" in said
    code, _ = invoke("-o", str(file), "--force")
    assert (code, file.read_bytes()) == (0, page())
    for arguments in (["-o", str(tmp_path)], ["-o", str(tmp_path), "--force"]):
        code, said = invoke(*arguments)
        assert code == 2
        assert "folder" in said


def test_the_command_says_the_same_as_a_document(tmp_path: Path) -> None:
    file = tmp_path / "check.html"
    code, said = invoke("-o", str(file), "--json")
    document = json.loads(said)
    assert code == 0
    assert document == {"file": str(file), "bytes": len(page()), "sha256": page_hash()}


def test_trust_prints_the_pages_hash() -> None:
    result = CliRunner().invoke(make_app("trust"), ["trust", "--json"])
    assert json.loads(result.output)["receipt_checker"]["sha256"] == page_hash()
    assert page_hash() in CliRunner().invoke(make_app("trust"), ["trust"]).output
