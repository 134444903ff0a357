"""The catalogue of planted bugs fits the source, and each bug is found (issue: planted bugs; STYLE
26)."""

import pytest
from tests.simulation.planted import BUGS, ROOT, Bug, try_bug

QUICKLY_FOUND = ("quorum off by one", "guard: F after X", "casts not logged")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_planted_bug_still_has_its_place_in_the_source(bug: Bug) -> None:
    assert bug.patches
    for patch in bug.patches:
        assert (ROOT / patch.file).read_text().count(patch.old) == 1


@pytest.mark.parametrize("name", QUICKLY_FOUND)
def test_a_sample_of_planted_bugs_is_found(name: str) -> None:
    (bug,) = [bug for bug in BUGS if bug.name == name]
    assert try_bug(bug).found


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_planted_bug_is_found(bug: Bug) -> None:
    assert try_bug(bug).found
