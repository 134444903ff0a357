"""`strongroom explorer region-rules`: each rule, whom it lets call, who speaks of them."""

from dataclasses import replace

from tests.enclave.governance.world import founded

from strongroom.enclave.governance.issuers import Issuers
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.programs.people.issuers import GuestRule, Issuer
from strongroom.node.cli.explorer_public import rule_documents
from strongroom.node.client.differences import rule_differences

URL, GUESTS = "https://id.example", "https://guests.example"


def issuer(url: str, *regions: str, guests: str = "") -> Issuer:
    rule = GuestRule("acct", 1, 0, guests) if guests else None
    named = tuple((region, region) for region in regions)
    return Issuer(url, "strongroom", "ctry", named, rule, 3_600_000, True)


def test_a_rule_is_shown_with_the_regions_that_it_stands_for_beside_the_services() -> None:
    rules = Rules.of(founded(4).constitution)
    assert rule_documents(rules) == []
    placed = replace(rules.policy, countries=(("oslo", "NO"), ("umea", "SE")))
    ruled = replace(
        rules,
        policy=placed,
        issuers=Issuers(entries=(issuer(GUESTS, "x", guests="umea"), issuer(URL, "oslo"))),
        program_regions=(
            ("records", ("NO", "SE")),
            ("service", ("oslo", "FR")),
            ("vault", ("SE",)),
        ),
    )
    documents = {one["program"]: one for one in rule_documents(ruled)}
    assert documents["records"]["regions"] == documents["service"]["regions"] == ["oslo"]
    assert documents["records"]["issuers"] == [URL]
    assert documents["vault"] == {
        "program": "vault",
        "places": ["SE"],
        "regions": [],
        "issuers": [],
    }
    alone = replace(ruled, program_regions=(("vault", ("SE",)),))
    assert rule_documents(alone)[0]["issuers"] == [GUESTS]


def test_a_simulation_says_from_where_calls_would_come() -> None:
    rules = Rules.of(founded(4).constitution)
    ruled = replace(rules, program_regions=(("records", ("NO", "SE")),))
    said, let_in = (found.to_json() for found in rule_differences(rules, ruled))
    assert said == {"thing": "calls of records from", "before": None, "after": ["NO", "SE"]}
    assert let_in == {"thing": "calls of records let in", "before": None, "after": []}
