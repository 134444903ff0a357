"""Privileged access under a rule of regions: who begins must stand there, by a token."""

from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.programs.people.world import PeopleChain
from tests.openid.provider import HOUR

from strongroom.consensus import codec
from strongroom.enclave.governance import public
from strongroom.enclave.governance.grant_records import parameters_digest

ROLE = "role:payments:auditor"


class AccessChain(PeopleChain):
    """`alice` asks for operator0, the one member acts for operator1."""

    def __init__(self) -> None:
        super().__init__()
        self.choose()
        key = key_named("alice").public
        assert not self.vote("set_affiliation", key=key, operator="operator0")
        member = key_named("member0").public
        assert not self.vote("set_affiliation", key=member, operator="operator1")
        assert not self.vote("set_limit", name="grant_approvals", value=1)
        assert not self.vote("set_access_regions", regions=("europe",))

    def word(self, who: str, action: str, *fields: Any) -> tuple[bool, Any]:
        key = key_named(who)
        sign = public.sign_public
        outcome = self.commit(sign(key.public, key.sign, self.genesis.chain, action, fields))
        ok, value = codec.decode(outcome.result_at(0))
        return ok, value if ok else value[0]

    def approved(self) -> str:
        ask = ((ROLE,), (), "a complaint about an account", self.tip.time_ms + 36_000_000)
        fields = (self.tip.height.to_bytes(16, "big"), *ask, 3_600_000, "planned")
        ok, value = self.word("alice", public.ASK, *fields)
        assert ok, value
        digest = self.executor.governance.document().access.grants[-1].digest
        assert self.word("member0", public.APPROVE, value[0], digest)[0]
        return str(value[0])

    def begin(self, id: str) -> tuple[bool, Any]:
        return self.word("alice", public.BEGIN, id, ROLE, "", parameters_digest(ROLE, "", ()))


@pytest.fixture
def chain() -> AccessChain:
    return AccessChain()


def test_who_is_nowhere_begins_nothing(chain: AccessChain) -> None:
    assert chain.begin(chain.approved()) == (False, "wrong-region")


def test_who_stands_in_the_region_begins(chain: AccessChain) -> None:
    assert chain.present("alice", chain.token()).ok
    assert chain.begin(chain.approved())[0]


def test_a_token_that_ended_is_none(chain: AccessChain) -> None:
    assert chain.present("alice", chain.token()).ok
    chain.pass_s(HOUR)
    assert chain.begin(chain.approved()) == (False, "wrong-region")


def test_who_moved_away_begins_nothing(chain: AccessChain) -> None:
    assert chain.present("alice", chain.token()).ok
    id = chain.approved()
    chain.provider.people["alice"]["ctry"] = "US"
    chain.pass_s(1)
    assert chain.present("alice", chain.token()).ok
    assert chain.begin(id) == (False, "wrong-region")
