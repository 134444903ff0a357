"""Region → country, as members say it is: what a key's policy is asked, and an open lease again."""

from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.programs.vault.world import PRINTERS, Room, VaultChain, beats, policy_of

from strongroom.consensus import codec
from strongroom.enclave.governance import public

HOUR_MS = 3_600_000
IN_NORWAY = {"claim": "grc.jurisdiction-country", "equals": "NO"}
NOT_IN_RUSSIA = {"claim": "grc.jurisdiction-country", "notEquals": "RU"}
BY_ENDORSEMENT = {"claim": "grc.basis", "equals": 2}
PLANT = Room(operator="operator0", region="oslo")
"""Its operator is one whom members know."""


class GovernedVault(VaultChain):
    """Members decide, three of four."""

    def decide(self, change: str, **arguments: Any) -> None:
        given = tuple(arguments.items())
        fields = (self.tip.digest[:16], change, given)
        key = key_named("member0")
        id = public.proposal_id(key.public, codec.encode(fields))
        said: list[tuple[str, str, tuple[Any, ...]]] = [("member0", public.PROPOSE, fields)]
        cast = (id, public.proposal_digest(change, given), True)
        said += [(name, public.BALLOT, cast) for name in ("member1", "member2")]
        self.commit(*(self._signed(*one) for one in said))

    def _signed(self, who: str, action: str, fields: tuple[Any, ...]) -> bytes:
        key = key_named(who)
        return public.sign_public(key.public, key.sign, self.genesis.chain, action, fields)

    def pass_delay(self) -> None:
        """What was decided and waits is in force from the next block on."""
        self.wait(HOUR_MS)
        self.commit()
        self.sessions.clear()


@pytest.fixture
def chain() -> GovernedVault:
    return GovernedVault()


def put_in(chain: GovernedVault, region: str, country: str) -> None:
    chain.decide("set_country", region=region, country=country)
    chain.pass_delay()


def test_T50_a_country_is_what_members_say_of_a_region_and_only_once_it_is_in_force(
    chain: GovernedVault,
) -> None:
    key = chain.key("toy", policy=policy_of(PRINTERS, IN_NORWAY, BY_ENDORSEMENT))
    assert chain.denied(PLANT, key) == "region"
    assert "grc.jurisdiction-country equals NO: is missing" in chain.why(PLANT, key)
    chain.decide("set_country", region="oslo", country="NO")
    assert chain.denied(PLANT, key) == "region", "it loosens, and waits"
    chain.pass_delay()
    granted = chain.lease(PLANT, key)
    shown = chain.look(PLANT.who, "lease", lease=granted["lease"])
    assert (shown["region"], shown["country"]) == ("oslo", "NO")
    elsewhere = Room(operator="operator0", region="bergen", who="elsewhere")
    assert chain.denied(elsewhere, key) == "region"


def test_T50_an_operator_whom_members_do_not_know_stands_in_no_country(
    chain: GovernedVault,
) -> None:
    """Anybody may name himself an operator, and any region."""
    put_in(chain, "oslo", "NO")
    key = chain.key("toy", policy=policy_of(PRINTERS, IN_NORWAY))
    assert chain.denied(PLANT.again(operator="nobody"), key) == "region"
    assert chain.lease(PLANT, key)


def test_T51_an_open_lease_is_judged_by_the_table_of_now(chain: GovernedVault) -> None:
    """What tightens holds at once: the same evidence goes nowhere, nor does fresh one."""
    put_in(chain, "oslo", "NO")
    key = chain.key("toy", policy=policy_of(PRINTERS, IN_NORWAY), lease_ms=24 * HOUR_MS)
    beat = beats(chain, PLANT, chain.lease(PLANT, key)["lease"])
    assert beat().ok
    chain.decide("remove_country", region="oslo")
    assert beat().code == "evidence"
    assert beat(evidence=chain.shown(PLANT)).code == "region"


def test_without_a_country_no_operator_holds_of_it(chain: GovernedVault) -> None:
    """So that taking a region out of the table never lets anybody in."""
    key = chain.key("toy", policy=policy_of(PRINTERS, NOT_IN_RUSSIA))
    assert chain.denied(PLANT, key) == "region"
    put_in(chain, "oslo", "RU")
    assert chain.denied(PLANT, key) == "region"
    put_in(chain, "oslo", "NO")
    assert chain.lease(PLANT, key)
