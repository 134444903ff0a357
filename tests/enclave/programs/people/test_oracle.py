"""Two judges of one token: ours inside the enclave, and joserfc with the checks of OpenID.

They must agree on well-formed tokens with any of these faults, alone and together. Where ours is
stricter on purpose stands in test_presenting.py.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.programs.people.world import PeopleChain
from tests.openid.provider import ALGORITHMS, AUDIENCE, Key, make_key

NOW = 1_800_000_000
FAULTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "another issuer": {"iss": "https://id.example.org"},
    "another audience": {"aud": "somebody"},
    "audience in a list": {"aud": [AUDIENCE]},
    "another nonce": {"nonce": "AAAA"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "ended": {"iat": NOW - 7_200, "exp": NOW - 3_600},
    "begins later": {"nbf": NOW + 3_600},
    "issued later": {"iat": NOW + 3_600, "exp": NOW + 7_200},
    "no end": {"exp": None},
    "not issued": {"iat": None},
    "end is a text": {"exp": "1"},
    "more said": {"name": "Alice", "groups": ["a", "b"], "address": {"country": "FR"}},
}
KEYS = ("pinned", "another of the same name", "unknown name", "older")


@pytest.fixture(scope="module", params=["RS256", "PS256", "ES256", "ES384", "Ed25519"])
def chain(request: pytest.FixtureRequest) -> PeopleChain:
    chain = PeopleChain()
    chain.provider.rotate(request.param, drop=True)
    chain.provider.rotate(request.param)
    chain.choose()
    chain.others = {  # type: ignore[attr-defined]
        name: make_key(request.param, kid)
        for name, kid in ((KEYS[1], str(chain.provider.keys[-1].kid)), (KEYS[2], "stranger"))
    }
    return chain


def key_of(chain: PeopleChain, which: str) -> Key:
    own: dict[str, Key] = {"pinned": chain.provider.keys[-1], "older": chain.provider.keys[0]}
    return (own | chain.others)[which]  # type: ignore[attr-defined, no-any-return]


@settings(max_examples=40)
@given(
    faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=2),
    which=st.sampled_from(KEYS),
    cut=st.sampled_from((0, 0, 0, 1, 2, 3)),
)
def test_T57_both_judges_agree(chain: PeopleChain, faults: list[str], which: str, cut: int) -> None:
    provider, nonce = chain.provider, chain.nonce("alice")
    changed: dict[str, Any] = {}
    for fault in faults:
        changed |= FAULTS[fault]
    provider.now_s = NOW
    signing, said_nonce = key_of(chain, which), changed.pop("nonce", nonce)
    token = provider.token("alice", said_nonce, key=signing, **changed)
    if cut:
        token = flipped(token, cut - 1)
    expected = provider.accepts(token, nonce)
    said = chain.present("alice", token)
    assert (said.ok or said.code == "not-newer") == expected, (faults, which, cut, said)


def flipped(token: str, part: int) -> str:
    """One bit of a part is another, and it is still base64url: the first character's lowest but
    one."""
    parts = token.split(".")
    first = parts[part][0]
    parts[part] = ("B" if first != "B" else "C") + parts[part][1:]
    return ".".join(parts)


def test_the_oracle_takes_good_ones_and_refuses_bad_ones(chain: PeopleChain) -> None:
    """A judge who always says no would agree with many."""
    nonce = chain.nonce("alice")
    provider = chain.provider
    provider.now_s = NOW
    assert provider.accepts(provider.token("alice", nonce), nonce)
    assert not provider.accepts(provider.token("alice", "other"), nonce)
    assert set(ALGORITHMS) >= {str(key.as_dict()["alg"]) for key in provider.keys}
