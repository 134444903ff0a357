"""docs/privileged-access.md: fields and bounds are those of the code."""

import re
from pathlib import Path

from strongroom.enclave.governance import grant_records, grants_asked
from strongroom.enclave.governance.rules import LIMITS
from strongroom.enclave.member.diagnostics import DIAGNOSTICS_FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "privileged-access.md").read_text()
HOUR_MS = 3_600_000


def test_every_field_of_diagnostics_is_told_in_order() -> None:
    section = PAGE.split("## What diagnostics tell")[1].split("## Commands")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == DIAGNOSTICS_FIELDS


def test_the_bounds_that_are_told_are_those_of_the_code() -> None:
    page = " ".join(PAGE.split())
    days, hours = (
        grant_records.CLAIM_MS_MAX // (24 * HOUR_MS),
        grant_records.GRANT_MS_MAX // HOUR_MS,
    )
    assert f"at most {days} days ahead" in page
    assert f"first `begin`; at most {hours} hours" in page
    assert f"reason ({grant_records.REASON_CHARACTERS_MIN} characters or more)" in page
    assert f"within {grant_records.REVIEW_MS // HOUR_MS} hours" in page
    assert f"At most {grants_asked.GRANTS_OF_ASKER_MAX} grants of one asker" in page
    assert f"{grants_asked.GRANTS_MAX} are known in all" in page
    assert f"`grant_approvals` ({LIMITS['grant_approvals'].default} at first)" in page
    assert grant_records.EMERGENCY_MS_MAX == HOUR_MS == grant_records.REPORT_MS
