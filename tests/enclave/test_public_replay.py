"""A ledger is followed without keys, also where public words rest on what is sealed (VAULT §7)."""

from functools import cache
from typing import Any

import pytest
from tests.enclave.chain import Chain
from tests.enclave.dead_service import THRESHOLD, Mortal
from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis

from strongroom.consensus import codec
from strongroom.consensus.types import Digest
from strongroom.enclave.execution.public_replay import PublicReplay
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.governance import grant_rules, public
from strongroom.enclave.governance.grant_records import parameters_digest
from strongroom.enclave.governance.public import proposal_digest, proposal_id
from strongroom.enclave.primitives import SigningKey

HOUR_MS = 3_600_000
USERS = (Digest(bytes(31) + b"u"), Digest(bytes(31) + b"v"))
PARAMETERS = parameters_digest("diagnostics", "n1", (b"key",))


@cache
def founded() -> FoundedCluster:
    return make_cluster_genesis(
        4,
        programs=("payments", "people", "probe", "records", "rooms", "system", "vault"),
        limits={"recovery_threshold": THRESHOLD, "activation_delay_ms": 0},
    )


class Governed(Mortal):
    """A chain on which members also vote and grant."""

    def __init__(self) -> None:
        Chain.__init__(self, founded())
        self.members_keys = dict(self.cluster.members)
        self.names = sorted(self.members_keys)
        self._nonce = 0

    def nonce(self) -> bytes:
        self._nonce += 1
        return self._nonce.to_bytes(16, "big")

    def told(self, key: SigningKey, action: str, *fields: Any) -> tuple[bool, Any]:
        """What one public word came to."""
        outcome: Outcome = self.commit(self.say(key, action, fields))
        ok, value = codec.decode(outcome.results[0])
        return ok, value

    def decide(self, change: str, **arguments: Any) -> None:
        """Three of four members agree, and it is in force."""
        member, given = self.members_keys["member0"], tuple(arguments.items())
        fields = (self.nonce(), change, given)
        id = proposal_id(member.public, codec.encode(fields))
        assert self.told(member, public.PROPOSE, *fields)[0]
        digest = proposal_digest(change, given)
        for name in ("member1", "member2"):
            ok, value = self.told(self.members_keys[name], public.BALLOT, id, digest, True)
        assert (ok, value[1]) == (True, "active")

    def granted(self) -> str:
        """Operator 0 may ask a node for diagnostics."""
        fields = (self.nonce(), ("diagnostics",), ("n1",), "it swaps since yesterday's load")
        until = (int(self.tip.time_ms) + HOUR_MS, HOUR_MS, "planned")
        ok, (id, _) = self.told(key_named("operator0"), public.ASK, *fields, *until)
        assert ok
        (grant,) = self.executor.governance.document().access.grants
        for name in ("member1", "member2"):
            assert self.told(self.members_keys[name], public.APPROVE, id, grant.digest)[0]
        return str(id)

    def begin(self, id: str) -> tuple[bool, Any]:
        return self.told(key_named("operator0"), public.BEGIN, id, "diagnostics", "n1", PARAMETERS)


def replayed(chain: Governed) -> PublicReplay:
    replay = PublicReplay(chain.genesis)
    for (header, batches, certificate, _), outcome in zip(
        chain.records(), chain.outcomes, strict=True
    ):
        replay.follow(header, batches, certificate, outcome)
    return replay


@pytest.fixture(scope="module")
def chain() -> Governed:
    """Users by vote, and an operation that is begun only once its asker is in a region."""
    chain = Governed()
    chain.share()
    chain.decide("add_users", users=USERS)
    chain.decide("remove_users", users=USERS[1:])
    for index in (1, 2):
        key = chain.members_keys[f"member{index}"].public
        chain.decide("set_affiliation", key=key, operator=f"operator{index}")
    chain.decide("set_access_regions", regions=("europe",))
    id = chain.granted()
    ok, (code, _) = chain.begin(id)
    assert (ok, code) == (False, "wrong-region")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grant_rules, "region_of_person", lambda *_: "europe")
        assert chain.begin(id)[0]
    chain.commit()
    return chain


def test_T45_what_rests_on_sealed_state_is_taken_as_it_was_recorded(chain: Governed) -> None:
    replay = replayed(chain)
    here, there = replay.governance.document(), chain.executor.governance.document()
    assert here == there
    assert here.voted_users == 1
    assert replay.head().executed.height == chain.executor.height
