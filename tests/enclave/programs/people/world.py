"""A service whose members chose an issuer, without consensus: votes, tokens, who is where."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.enclave.chain import Chain, codes, person
from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis
from tests.openid.provider import AUDIENCE, HOUR, Key, Provider, canonical

from strongroom.consensus import codec
from strongroom.enclave.governance import public
from strongroom.enclave.programs.people.checking import nonce_of

REGIONS = (("DE", "europe"), ("US", "america"))
GUESTS = ("acct", 1, 0, "")
DAY_MS = 86_400_000


@cache
def founded(delay_ms: int = 0) -> FoundedCluster:
    return make_cluster_genesis(
        4,
        members={"member0": key_named("member0")},
        auditor=key_named("auditor").public,
        programs=("payments", "people", "system"),
        limits={"activation_delay_ms": delay_ms},
    )


@dataclass(frozen=True)
class Said:
    """What became of a call."""

    ok: bool
    value: Any
    code: str


class PeopleChain(Chain):
    """`member0` decides alone; the provider's clock is block time."""

    def __init__(self) -> None:
        super().__init__(founded())
        self.provider = Provider(people={"alice": {"ctry": "DE", "acct": 0}})
        self.provider.rotate("ES256")
        self._votes = 0

    def vote(self, change: str, **arguments: Any) -> str:
        """A decision of the one member; gives the code of its refusal, or nothing."""
        self._votes += 1
        fields = (self._votes.to_bytes(16, "big"), change, tuple(arguments.items()))
        key = key_named("member0")
        sign = public.sign_public
        outcome = self.commit(
            sign(key.public, key.sign, self.genesis.chain, public.PROPOSE, fields)
        )
        ok, value = codec.decode(outcome.result_at(0))
        assert codes(outcome) == ["executed" if ok else "refused"]
        return "" if ok else str(value[0])

    def choose(self, url: str = "", **changed: Any) -> None:
        """Members choose an issuer, and pin its keys."""
        self.choose_issuer(url, **changed)
        for key in self.provider.keys:
            assert not self.pin(key, url)

    def choose_issuer(self, url: str = "", **changed: Any) -> None:
        said = self.issuer_said(issuer=url or self.provider.url)
        assert not self.vote("add_issuer", **(said | changed))

    def issuer_said(self, **changed: Any) -> dict[str, Any]:
        """Arguments of add_issuer and set_issuer."""
        said = {
            "issuer": self.provider.url,
            "audience": AUDIENCE,
            "claim": "ctry",
            "regions": REGIONS,
            "guests": GUESTS,
            "life_ms": 24 * HOUR * 1000,
            "observed": True,
        }
        return said | changed

    def pin(self, key: Key, url: str = "") -> str:
        return self.vote(
            "add_issuer_key",
            issuer=url or self.provider.url,
            kid=str(key.kid),
            algorithm=str(key.as_dict()["alg"]),
            key=canonical(key),
        )

    def nonce(self, who: str) -> str:
        return nonce_of(self.genesis.chain, person(who).id)

    def token(self, who: str = "alice", subject: str = "alice", **changed: Any) -> str:
        """A token for an identity, as the provider makes it now."""
        return self.provider.token(subject, changed.pop("nonce", self.nonce(who)), **changed)

    def present(self, who: str, token: str, *, url: str = "") -> Said:
        return self.said(who, "people.present", issuer=url or self.provider.url, token=token)

    def said(self, who: str, name: str, /, **arguments: Any) -> Said:
        result = self.once(who, name, **arguments)
        return Said(result.ok, result.value, result.code)

    def region(self, who: str) -> str | None:
        found: str | None = self.ask(who, "people.standing")["region"]
        return found

    def pass_s(self, seconds: int) -> None:
        """Block time, and the provider's clock, go on."""
        self.provider.now_s += seconds
        self.step_ms, before = seconds * 1000, self.step_ms
        self.commit()
        self.step_ms = before
