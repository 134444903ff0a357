"""The command line and the page's checker agree on receipts that are changed at random, from a
seed: values, msgpack, DER, base64 and JSON."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from tests.node.receipt_checker.certificate_parts import NAMED_IN, renamed
from tests.node.receipt_checker.mutating import case, changed_der, changed_name
from tests.node.receipt_checker.services import Forged, receipt
from tests.node.receipt_checker.verdicts import NO_NODE, NODE, NodeChecker, command_line

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(NODE is None, reason=NO_NODE),
]
SHARE = 400
LONG_SHARE = 10_000
NOT_READ = "a certificate has the extension"
"""The one difference that is meant: extensions that the page does not read give no verdict."""


def judge(cases: Iterator[tuple[str, Forged]]) -> tuple[Counter[str], list[str]]:
    """How often each verdict came, and where the two differ."""
    counts, differ = Counter[str](), list[str]()
    with NodeChecker() as checker:
        for name, forged in cases:
            verdict, reason = command_line(forged.text, forged.pin)
            judged = checker.judge(forged.text, forged.pin)
            counts[verdict] += 1
            if judged.verdict != verdict and NOT_READ not in judged.sentence:
                differ.append(f"{name}: {verdict} ({reason}), but {judged.sentence}")
    return counts, differ


def certificates(seeds: range) -> Iterator[tuple[str, Forged]]:
    """Receipts whose chain has a certificate that its issuer signed, of another content."""
    for seed in seeds:
        random = Random(seed)
        chosen = random.choice(("vek", "vek", "ask", "ark"))
        made = receipt(
            lambda layer, value, random=random, chosen=chosen: (  # type: ignore[misc]
                changed_der(random, value) if layer == chosen else value
            )
        )
        yield f"{seed}: {chosen}", made


def names(seeds: range) -> Iterator[tuple[str, Forged]]:
    """Receipts in which one of the manufacturer's names is another, wherever it stands."""
    for seed in seeds:
        who = Random(seed).choice(tuple(NAMED_IN))
        turn = lambda name, seed=seed: changed_name(Random(seed), name)  # noqa: E731
        yield f"{seed}: {who}", receipt(renamed(who, turn))


def test_receipts_changed_at_random_get_one_verdict() -> None:
    counts, differ = judge(map(case, range(SHARE)))
    assert differ == []
    assert set(counts) == {"valid", "forged", "incomplete", "cannot check"}


def test_certificates_changed_at_random_get_one_verdict() -> None:
    counts, differ = judge(certificates(range(SHARE // 4)))
    assert differ == []
    assert counts["forged"] > counts["valid"] > 0


def test_names_changed_at_random_in_issuer_and_subject_get_one_verdict() -> None:
    counts, differ = judge(names(range(SHARE // 4)))
    assert differ == []
    assert counts["forged"] > 0
    assert counts["valid"] > 5


@pytest.mark.long
def test_many_receipts_changed_at_random_get_one_verdict() -> None:
    _, differ = judge(map(case, range(SHARE, LONG_SHARE)))
    assert differ == []
    _, differ = judge(certificates(range(SHARE, LONG_SHARE // 2)))
    assert differ == []
    _, differ = judge(names(range(SHARE, LONG_SHARE // 2)))
    assert differ == []
