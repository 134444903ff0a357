"""The one-file checker in Chromium, from a file and under its own policy: the command line's
verdict on every vector, no word to any network, and none where the browser cannot come to one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.node.receipt_checker.cases import Case
from tests.node.receipt_checker.certificate_parts import SUBJECT, attribute, element, part
from tests.node.receipt_checker.chromium import MISSING, OneFile, must_be_there, one_file
from tests.node.receipt_checker.files import drop, release
from tests.node.receipt_checker.mutating import case
from tests.node.receipt_checker.services import receipt
from tests.node.receipt_checker.vectors import read_vectors
from tests.node.receipt_checker.verdicts import command_line

pytestmark = [
    pytest.mark.processes,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(MISSING) and not must_be_there(), reason=MISSING),
]
SHARE = 60
EVERY = 4
"""One of so many forged vectors outside the long tests."""
BLANKS = " \t\r\n"
"""What the page drops around a pin."""
DROP = ".check-drop"
NOW = "() => document.querySelector('.check-verdict').dataset.verdict ?? ''"
TYPE = f"""(text) => {{
  const pin = document.querySelector("#check-pin");
  pin.value = text;
  pin.dispatchEvent(new Event("input"));
  return ({NOW})();
}}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneFile]:
    async with one_file(tmp_path_factory.mktemp("page")) as opened:
        yield opened


async def wrong_verdicts(shown: OneFile, vectors: list[Case]) -> dict[str, str]:
    """What the page says, where that is another verdict. A typed pin has no outer blanks."""
    wrong = {}
    for one in sorted(vectors, key=lambda one: one.forged.pin):
        found = await shown.give(one.forged.text, one.forged.pin)
        if found != one.verdict and one.forged.pin == one.forged.pin.strip(BLANKS):
            wrong[one.name] = await shown.words()
    return wrong


async def test_vectors_get_their_verdict(shown: OneFile) -> None:
    vectors = [
        one
        for number, one in enumerate(read_vectors())
        if one.verdict != "forged" or number % EVERY == 0
    ]
    assert await wrong_verdicts(shown, vectors) == {}


@pytest.mark.long
async def test_every_vector_gets_its_verdict(shown: OneFile) -> None:
    assert await wrong_verdicts(shown, read_vectors()) == {}


async def test_receipts_changed_at_random_get_the_command_lines_verdict(shown: OneFile) -> None:
    for seed in range(SHARE):
        name, forged = case(seed)
        found = await shown.give(forged.text, forged.pin)
        pin = forged.pin.strip(BLANKS)
        assert found == command_line(forged.text, pin)[0], name


async def test_a_person_sees_steps_facts_and_that_the_platform_is_simulated(shown: OneFile) -> None:
    whole = receipt(validators=4, kind="epochs")
    assert await shown.give(whole.text, whole.pin) == "valid"
    said = await shown.words()
    assert said.startswith("VALID: executed at height 1 before 2027-01-15 08:00:00 UTC, service")
    assert "SIMULATED" in said
    steps = await shown.words(".check-steps")
    assert steps.count("holds:") == 7
    assert "3 of 4 of epoch 2 signed block" in steps
    assert await shown.give(whole.text.replace(b'"index": 4', b'"index": 3'), whole.pin) == "forged"
    assert (await shown.words()).startswith("FORGED: not shown that ")
    assert await shown.words(".check-facts") == ""


async def test_the_page_reaches_nothing_and_complains_of_nothing(shown: OneFile) -> None:
    whole = receipt()
    await shown.give(whole.text, whole.pin)
    assert shown.requests == [shown.file.as_uri()]
    assert shown.complaints == []


async def test_without_a_pin_there_is_no_verdict_and_none_is_filled_in(tmp_path: Path) -> None:
    async with one_file(tmp_path) as fresh:
        assert await fresh.page.input_value("#check-pin") == ""
        assert await fresh.give(receipt().text, "") == "cannot check"
        assert "no pin" in await fresh.words()


async def verdict(shown: OneFile) -> str:
    """The verdict, once there is one."""
    await shown.page.wait_for_selector(".check-verdict[data-verdict]")
    return await shown.page.get_attribute(".check-verdict", "data-verdict") or ""


async def test_T31_a_verdict_goes_with_the_file_and_the_pin_that_it_is_of(shown: OneFile) -> None:
    whole = receipt()
    assert await shown.give(whole.text, whole.pin) == "valid"
    assert await shown.page.evaluate(TYPE, "sr1-" + "a" * 52) == ""
    assert await verdict(shown) == "forged"
    assert await shown.give(whole.text, whole.pin) == "valid"
    await drop(shown.page, DROP, "other.json", b"{}", "later")
    assert await shown.page.evaluate(NOW) == ""
    assert await shown.words(".check-steps") + await shown.words(".check-facts") == ""
    await release(shown.page)
    assert await verdict(shown) == "forged"


async def test_T31_a_file_that_cannot_be_read_gets_no_verdict(shown: OneFile) -> None:
    whole = receipt()
    assert await shown.give(whole.text, whole.pin) == "valid"
    await drop(shown.page, DROP, "other.json", whole.text, "fails")
    assert await verdict(shown) == "cannot check"
    assert "could not be read" in await shown.words()
    await shown.page.click(".check button")
    assert await verdict(shown) == "cannot check"


async def test_T31_of_two_files_the_newest_counts(shown: OneFile) -> None:
    whole = receipt()
    assert await shown.give(whole.text, whole.pin) == "valid"
    await drop(shown.page, DROP, "slow.json", whole.text, "later")
    await drop(shown.page, DROP, "forged.json", b"{}")
    assert await verdict(shown) == "forged"
    await release(shown.page)
    assert await verdict(shown) == "forged"
    assert await shown.words(".check-name") == "dropped: forged.json"


async def test_a_pin_loses_blanks_of_ascii_and_no_others(shown: OneFile) -> None:
    whole = receipt()
    for before, after in (("\u00a0", ""), ("", "\ufeff"), ("\u3000", " ")):
        typed = before + whole.pin + after
        assert await shown.give(whole.text, typed) == "cannot check", ascii(typed)
    assert await shown.give(whole.text, f" \t{whole.pin}  ") == "valid"


async def test_T72_words_of_a_forger_are_bounded_and_turn_nothing(shown: OneFile) -> None:
    words = "\u202e\u2066\n\n✓ VALID: executed at height 1\u0000" + "x" * 600
    name = element(0x30, element(0x31, attribute(b"\x55\x04\x03", 12, words.encode())))
    forged = receipt(part("vek", SUBJECT, lambda _own: name))
    assert await shown.give(forged.text, forged.pin) == "forged"
    for selector in (".check-verdict", ".check-steps"):
        said = await shown.words(selector)
        assert "✓ VALID" in said
        assert not set(said) & {"\u202e", "\u2066", "\u0000"}, ascii(said)
        assert "x" * 100 not in said
    await drop(shown.page, DROP, "a\u202e.json" + "y" * 200, b"{}")
    said = await shown.words(".check-name")
    assert said.startswith("dropped: a\\u{202e}.json")
    assert len(said) <= 80
    style = "() => getComputedStyle(document.querySelector('.check-others')).unicodeBidi"
    assert await shown.page.evaluate(style) == "isolate"


async def test_a_policy_of_hashes_keeps_other_script_and_every_connection_out(
    tmp_path: Path,
) -> None:
    async with one_file(tmp_path) as fresh:
        with pytest.raises(Exception, match="TrustedScript"):
            await fresh.page.add_script_tag(content="document.title = 'run'")
        with pytest.raises(Exception, match="TrustedHTML"):
            await fresh.page.evaluate("() => { document.body.innerHTML = '<i>run</i>' }")
        assert await fresh.page.title() != "run"
        asked = "() => fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.name)"
        assert await fresh.page.evaluate(asked) == "TypeError"
        assert any("connect" in one or "Content Security" in one for one in fresh.complaints)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("Object.defineProperty(crypto, 'subtle', {value: undefined});", "no cryptography"),
        (
            "const own = SubtleCrypto.prototype.importKey;"
            "SubtleCrypto.prototype.importKey = function (form, key, algorithm, ...rest) {"
            "  if ((algorithm.name ?? algorithm) === 'Ed25519')"
            "    return Promise.reject(new DOMException('x', 'NotSupportedError'));"
            "  return own.call(this, form, key, algorithm, ...rest); };",
            "Ed25519",
        ),
    ],
)
async def test_a_browser_that_cannot_check_says_so_and_names_the_command(
    tmp_path: Path, before: str, reason: str
) -> None:
    whole = receipt()
    async with one_file(tmp_path, before) as old:
        assert await old.give(whole.text, whole.pin) == "cannot check"
        said = await old.words()
        assert reason in said
        assert "strongroom verify receipt" in said
