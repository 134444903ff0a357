"""docs/interfaces.md is what the code says."""

from scripts import reference


def test_the_page_of_interfaces_is_what_the_code_says() -> None:
    """`./scripts/reference` writes it anew."""
    assert reference.PAGE.read_text() == reference.page()
