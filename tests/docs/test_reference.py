"""docs/interfaces.md, metrics.md and logs.md are what the code says."""

import re
from pathlib import Path

import pytest
from scripts import reference, reference_operations


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: str(page.name))
def test_a_page_of_reference_is_what_the_code_says(page: Path) -> None:
    """`./scripts/reference` writes it anew."""
    assert page.read_text() == reference.PAGES[page]()


def test_every_event_of_the_log_has_a_name_of_one_form() -> None:
    """Words and points alone: what a tool matches is no sentence, and nothing that was made up."""
    names = {name for name, *_ in reference_operations.events()}
    assert len(names) > 60
    assert all(re.fullmatch(r"[a-z]+(\.[a-z_]+)?", name) for name in names), names
