"""One suggestion, or none."""

import pytest

from strongroom.node.near_names import did_you_mean


@pytest.mark.parametrize(
    ("wrong", "known", "said"),
    [
        ("alise", ["alice", "bob", "member0"], "did you mean alice?"),
        ("ALICE", ["alice", "bob"], "did you mean alice?"),
        ("alice", ["Alice", "bob"], "did you mean Alice?"),
        ("transfr", ["transfer", "transfer_many"], "did you mean transfer?"),
        ("zoe", ["alice", "bob"], ""),
        ("alise", [], ""),
        ("", ["alice"], ""),
    ],
)
def test_the_nearest_name_is_suggested_and_no_far_one(
    wrong: str, known: list[str], said: str
) -> None:
    assert did_you_mean(wrong, known) == said
