"""docs/regions.md says what `strongroom trust` says, and names what the code has."""

from pathlib import Path

from strongroom.enclave.programs import PROGRAMS, regions
from strongroom.node.cli.region_worth import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "regions.md").read_text()


def test_the_page_says_what_trust_prints() -> None:
    for rule in RULES:
        said = (
            f"**{rule.name}**: asked {rule.asked}. Enforced by {rule.enforced}. Left: {rule.left}."
        )
        assert said in " ".join(PAGE.split())


def test_the_page_names_every_operation_that_no_rule_binds_or_that_all_do() -> None:
    for program, operation in regions.UNRULED | regions.BOUND_BY_ALL:
        assert f"`{program}.{operation}`" in PAGE
        known = PROGRAMS[program]
        assert operation in known.transactions or operation in known.queries


def test_no_word_of_the_page_says_that_a_region_is_proven() -> None:
    assert PAGE.count("proven") == 1, "but where it says that none is"
    assert not any("prove" in text for rule in RULES for text in (rule.enforced, rule.asked))
