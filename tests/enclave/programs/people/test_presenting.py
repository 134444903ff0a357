"""people.present: a token judged inside the enclave at block time (T57)."""

import hmac
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.enclave.chain import person
from tests.enclave.programs.people.world import DAY_MS, GUESTS, PeopleChain
from tests.openid.provider import ALGORITHMS, AUDIENCE, HOUR, Provider, canonical, make_key

from strongroom.consensus import codec
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.programs.people.checking import nonce_of
from strongroom.enclave.tokens.jose import encode_base64url, thumbprint


@pytest.fixture
def chain() -> PeopleChain:
    chain = PeopleChain()
    chain.choose()
    return chain


def refused(chain: PeopleChain, token: str, who: str = "alice", **options: Any) -> str:
    """The code; and nobody stands anywhere but where he stood."""
    before = chain.region(who)
    said = chain.present(who, token, **options)
    assert not said.ok
    assert chain.region(who) == before
    return said.code


@pytest.fixture(scope="module")
def shared() -> PeopleChain:
    """One for tests that change nothing."""
    chain = PeopleChain()
    chain.choose()
    return chain


# --- what is taken ---


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_puts_its_person_into_a_region_until_it_ends(algorithm: str) -> None:
    chain = PeopleChain()
    chain.provider.rotate(algorithm, drop=True)
    chain.choose()
    assert chain.region("alice") is None
    said = chain.present("alice", chain.token())
    assert said.value["region"] == chain.region("alice") == "europe"
    assert chain.region("bob") is None
    chain.pass_s(HOUR - 1)
    assert chain.region("alice") == "europe"
    chain.pass_s(1)
    assert chain.region("alice") is None


def test_one_audience_in_a_list_is_one(chain: PeopleChain) -> None:
    assert chain.present("alice", chain.token(aud=[AUDIENCE], azp=AUDIENCE)).ok


def test_neither_subject_nor_token_stands_in_state_or_answer(chain: PeopleChain) -> None:
    token = chain.token(subject="alice", name="Alice Smith")
    said = chain.present("alice", token)
    held = codec.encode(
        tuple((name, tuple(rows.items())) for *_, name, rows in chain.executor._runner.state.copy())
    )
    answers = json.dumps([said.value, chain.ask("alice", "people.standing")])
    for part in (b"Alice Smith", *token.encode().split(b".")):
        assert part not in held
        assert part.decode() not in answers
    rows = dict(
        ((program, name), rows) for program, name, rows in chain.executor._runner.state.copy()
    )
    told = codec.encode(
        tuple(tuple(rows["people", name].items()) for name in ("standings", "subjects"))
    )
    assert told.count(b"europe") == 1
    assert b"alice" not in told


# --- whose ---


def test_T57_a_stolen_token_serves_nobody_else(chain: PeopleChain) -> None:
    token = chain.token("alice")
    assert refused(chain, token, "mallory") == "nonce"
    assert chain.present("alice", token).ok
    assert refused(chain, token, "mallory") == "nonce"


def test_T57_a_token_for_the_same_person_at_another_ledger_is_refused(chain: PeopleChain) -> None:
    other = nonce_of(ChainId(bytes(32)), person("alice").id)
    assert refused(chain, chain.token(nonce=other)) == "nonce"


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"nonce": "x"}, "nonce"),
    ({"nonce": 7}, "nonce"),
    ({"iss": "https://id.example/"}, "issuer"),
    ({"iss": ["https://id.example"]}, "issuer"),
    ({"iss": None}, "issuer"),
    ({"aud": "another"}, "audience"),
    ({"aud": None}, "audience"),
    ({"aud": []}, "audience"),
    ({"aud": [AUDIENCE, "another"]}, "audience"),
    ({"aud": [AUDIENCE, AUDIENCE]}, "audience"),
    ({"aud": [[AUDIENCE]]}, "audience"),
    ({"aud": {AUDIENCE: 1}}, "audience"),
    ({"azp": "another"}, "authorized-party"),
    ({"sub": 7}, "subject"),
    ({"sub": "x" * 256}, "subject"),
    ({"sub": "alice\x7f"}, "malformed"),
    ({"sub": "älice"}, "subject"),
    ({"exp": None}, "claims"),
    ({"iat": None}, "claims"),
    ({"iat": True}, "claims"),
    ({"exp": "1800003600"}, "claims"),
    ({"exp": 1 << 50}, "claims"),
    ({"exp": -1}, "claims"),
    ({"nbf": "0"}, "claims"),
    ({"ctry": "FR"}, "claim-unknown"),
    ({"ctry": "de"}, "claim-unknown"),
    ({"ctry": ["DE"]}, "claim-missing"),
    ({"ctry": None}, "claim-missing"),
    ({"acct": 1}, "guest"),
    ({"acct": None}, "guest-unknown"),
    ({"acct": 2}, "guest-unknown"),
    ({"acct": "0"}, "guest-unknown"),
    ({"acct": False}, "guest-unknown"),
    ({"acct": True}, "guest-unknown"),
]


@pytest.mark.parametrize(("changed", "code"), CLAIMS, ids=lambda value: str(value)[:40])
def test_T57_a_claim_that_is_not_as_it_must_be(
    shared: PeopleChain, changed: dict[str, Any], code: str
) -> None:
    assert refused(shared, shared.token(**changed)) == code


def test_T57_an_empty_subject_is_none(chain: PeopleChain) -> None:
    chain.provider.people[""] = {"ctry": "DE", "acct": 0}
    assert refused(chain, chain.token(subject="")) == "subject"


# --- when ---


def test_T57_times_are_judged_by_block_time(chain: PeopleChain) -> None:
    now = chain.provider.now_s
    life: dict[str, Any] = {"iat": now - 7_200, "exp": now - 3_600}
    assert refused(chain, chain.token(**life)) == "expired"
    assert refused(chain, chain.token(exp=now)) == "claims", "it ends when it begins"
    assert refused(chain, chain.token(iat=now + 120)) == "not-yet-valid"
    assert refused(chain, chain.token(nbf=now + 120)) == "not-yet-valid"
    assert refused(chain, chain.token(exp=now + DAY_MS // 1000 + 1)) == "too-long"
    assert chain.present("alice", chain.token(iat=now + 30, nbf=now + 30)).ok, "clocks differ"


def test_T57_the_governed_life_is_shorter_than_a_day() -> None:
    chain = PeopleChain()
    chain.choose(life_ms=600_000)
    assert refused(chain, chain.token()) == "too-long"
    assert chain.present("alice", chain.token(exp=chain.provider.now_s + 600)).ok


def test_T57_tokens_of_a_subject_only_go_forward(chain: PeopleChain) -> None:
    older, first = chain.token(iat=chain.provider.now_s - 60), chain.token()
    assert chain.present("alice", first).ok
    assert refused(chain, first) == "not-newer"
    assert refused(chain, older) == "not-newer"
    chain.provider.people["alice"]["ctry"] = "US"
    assert refused(chain, chain.token()) == "not-newer", "of the same second"
    chain.pass_s(1)
    assert chain.present("alice", chain.token()).value["region"] == "america"
    assert refused(chain, older) == "not-newer"
    assert chain.region("alice") == "america"


def test_T57_a_withdrawn_standing_does_not_come_back_with_its_token(chain: PeopleChain) -> None:
    token = chain.token()
    assert chain.present("alice", token).ok
    assert chain.said("alice", "people.withdraw").ok
    assert chain.region("alice") is None
    assert refused(chain, token) == "not-newer"
    assert chain.said("alice", "people.withdraw").code == "no-standing"


def test_one_subject_stands_for_one_identity_its_newest_token(chain: PeopleChain) -> None:
    assert chain.present("alice", chain.token("alice", "alice")).ok
    chain.pass_s(1)
    assert chain.present("phone", chain.token("phone", "alice")).ok
    assert (chain.region("alice"), chain.region("phone")) == (None, "europe")


def test_an_identity_that_went_over_to_another_subject_keeps_it(chain: PeopleChain) -> None:
    chain.provider.people["work"] = {"ctry": "US", "acct": 0}
    assert chain.present("alice", chain.token("alice", "alice")).ok
    assert chain.present("alice", chain.token("alice", "work")).ok
    chain.pass_s(1)
    assert chain.present("phone", chain.token("phone", "alice")).ok
    assert (chain.region("alice"), chain.region("phone")) == ("america", "europe")


# --- guests ---


def test_guests_are_mapped_apart_when_members_say_where() -> None:
    chain = PeopleChain()
    chain.choose(guests=(*GUESTS[:3], "outside"))
    assert chain.present("alice", chain.token(acct=1, ctry="DE")).value["region"] == "outside"


# --- keys ---


def test_T57_a_key_is_pinned_by_name(chain: PeopleChain) -> None:
    other = make_key("ES256", "k0-ES256")
    assert refused(chain, chain.token(key=other)) == "signature"
    stranger = make_key("ES256", "stranger")
    assert refused(chain, chain.token(key=stranger)) == "key-unknown"
    assert refused(chain, _forged({"alg": "ES256"}, chain)) == "key-unknown"
    assert refused(chain, _forged({"alg": "ES256", "kid": ["k0-ES256"]}, chain)) == "key-unknown"


def test_T57_an_unknown_issuer_and_another_ones_token() -> None:
    chain = PeopleChain()
    chain.choose()
    second = Provider(url="https://other.example")
    second.people["alice"] = {"ctry": "US", "acct": 0}
    second.rotate("EdDSA")
    token = second.token("alice", chain.nonce("alice"))
    assert refused(chain, token, url=second.url) == "issuer-unknown"
    first, chain.provider = chain.provider, second
    chain.choose()
    chain.provider = first
    assert refused(chain, token) == "key-unknown", "named for the first one"
    assert refused(chain, chain.token(), url=second.url) == "key-unknown"
    assert chain.present("alice", token, url=second.url).value["region"] == "america"
    assert chain.present("phone", chain.token("phone", "alice")).ok, "another one's alice"
    assert (chain.region("alice"), chain.region("phone")) == ("america", "europe")


def test_T57_a_key_that_two_issuers_share_does_not_mix_them(chain: PeopleChain) -> None:
    other = "https://id.example/tenant"
    chain.choose(other)
    assert refused(chain, chain.token(), url=other) == "issuer"


def test_T57_standings_end_with_the_key_and_with_the_issuer(chain: PeopleChain) -> None:

    first, url = chain.provider.keys[0], chain.provider.url
    second = chain.provider.rotate("RS256")
    assert not chain.pin(second)
    assert chain.present("alice", chain.token(key=first)).ok
    chain.provider.people["bob"] = {"ctry": "US", "acct": 0}
    assert chain.present("bob", chain.token("bob", "bob", key=second)).ok
    assert not chain.vote("remove_issuer_key", issuer=url, key=thumbprint(canonical(first)))
    assert (chain.region("alice"), chain.region("bob")) == (None, "america")
    assert refused(chain, chain.token(key=first)) == "key-unknown"
    assert not chain.pin(first)
    assert chain.region("alice") is None, "pinned anew, it vouches for what it signs from now on"
    chain.pass_s(1)
    assert chain.present("alice", chain.token(key=first)).ok
    assert not chain.vote("remove_issuer", issuer=url)
    assert (chain.region("alice"), chain.region("bob")) == (None, None)
    chain.choose()
    assert (chain.region("alice"), chain.region("bob")) == (None, None)


def test_T57_standings_end_when_members_change_what_an_issuers_claims_mean(
    chain: PeopleChain,
) -> None:
    assert chain.present("alice", chain.token()).ok
    moved = chain.issuer_said(regions=(("DE", "africa"),))
    assert not chain.vote("set_issuer", **moved)
    assert chain.region("alice") is None
    assert chain.vote("set_issuer", **moved) == "no-change"
    chain.pass_s(1)
    assert chain.present("alice", chain.token()).value["region"] == "africa"
    other = chain.issuer_said(issuer="https://other.example")
    assert chain.vote("set_issuer", **other) == "arguments"


def test_every_replica_comes_to_the_same(chain: PeopleChain) -> None:
    """By executing, and by applying what others executed."""
    twin, follower = chain.new_executor(1), chain.new_executor(2)
    assert chain.present("alice", chain.token()).ok
    assert chain.present("mallory", chain.token("alice")).code == "nonce"
    chain.pass_s(1)
    assert chain.present("phone", chain.token("phone")).ok
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        (again,) = twin.execute(chain.run_of(made, parent=twin.header), [made.batches])
        assert again.encode() == outcome.encode()
        follower.apply(made.header, Outcome.decode(outcome.encode()))
    assert twin.state_digest() == follower.state_digest() == chain.executor.state_digest()


# --- the form ---


def _forged(header: dict[str, Any], chain: PeopleChain, signature: bytes = bytes(64)) -> str:
    return _joined(json.dumps(header), json.dumps(chain.provider.claims("alice", "x")), signature)


def _joined(header: str, claims: str, signature: bytes = bytes(64)) -> str:
    return ".".join(map(encode_base64url, (header.encode(), claims.encode(), signature)))


def test_T57_games_with_the_algorithm(chain: PeopleChain) -> None:
    """`none`; HS256 with the public key as its secret; another curve; another padding."""
    kid, public = "k0-ES256", chain.provider.keys[0]
    claims = chain.provider.claims("alice", chain.nonce("alice"))
    for algorithm in ("none", "None", "HS256", "ES384", "ES512", "RS256", "PS256", "", "es256"):
        forged = _forged({"alg": algorithm, "kid": kid}, chain)
        assert refused(chain, forged) == "algorithm", algorithm
    assert refused(chain, _forged({"kid": kid}, chain)) == "algorithm"
    assert refused(chain, _forged({"alg": ["ES256"], "kid": kid}, chain)) == "algorithm"
    for secret in (public.as_pem(private=False), public.as_bytes(encoding="DER", private=False)):
        mixed = _joined(json.dumps({"alg": "HS256", "kid": kid}), json.dumps(claims), b"")
        mac = hmac.digest(secret, mixed.rstrip(".").encode(), "sha256")
        assert refused(chain, mixed + encode_base64url(mac)) == "algorithm"
    rsa = chain.provider.rotate("RS256")
    assert not chain.pin(rsa)
    same = RSAKey.import_key({**rsa.as_dict(private=True), "alg": "PS256"})
    padded = jwt.encode({"alg": "PS256", "kid": rsa.kid}, claims, same, algorithms=["PS256"])
    assert refused(chain, padded) == "algorithm", "the pinned key says which, not the token"
    assert refused(chain, _forged({"alg": "ES256", "kid": kid}, chain, b"")) == "signature"
    assert refused(chain, _forged({"alg": "ES256", "kid": kid}, chain)) == "signature", "r = s = 0"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"crit": ["exp"]}, "critical-header"),
        ({"crit": []}, "critical-header"),
        ({"b64": False}, "header"),
        ({"jwk": {"kty": "EC"}}, "header"),
        ({"jku": "https://id.example/jwks"}, "header"),
        ({"x5c": []}, "header"),
        ({"x5u": "https://id.example"}, "header"),
        ({"zip": "DEF"}, "header"),
        ({"cty": "JWT"}, "header"),
        ({"typ": "at+jwt"}, "header"),
        ({"typ": None}, "malformed"),
    ],
    ids=str,
)
def test_T57_headers(shared: PeopleChain, header: dict[str, Any], code: str) -> None:
    forged = _forged({"alg": "ES256", "kid": "k0-ES256"} | header, shared)
    assert refused(shared, forged) == code


HEADER = '{"alg":"ES256","kid":"k0-ES256"}'


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "malformed"),
        ("a.b", "malformed"),
        ("a.b.c.d", "malformed"),
        ("ä.b.c", "malformed"),
        (_joined("[]", "{}"), "malformed"),
        (_joined(HEADER, "[]"), "malformed"),
        (_joined('{"alg":"ES256","alg":"ES256","kid":"k0-ES256"}', "{}"), "malformed"),
        (_joined('{"alg":"ES256","\\u0061lg":"none","kid":"k0-ES256"}', "{}"), "malformed"),
        (_joined(HEADER, '{"exp":1,"exp":2}'), "malformed"),
        (_joined(HEADER, '{"a":{"b":1,"b":1}}'), "malformed"),
        (_joined(HEADER, '{"exp":NaN}'), "malformed"),
        (_joined(HEADER, '{"exp":Infinity}'), "malformed"),
        (_joined(HEADER, '{"exp":1e9}'), "malformed"),
        (_joined(HEADER, '{"exp":1.5}'), "malformed"),
        (_joined(HEADER, '{"exp":' + "9" * 5_000 + "}"), "malformed"),
        (_joined(HEADER, '{"a":' + "[" * 2_000 + "]" * 2_000 + "}"), "malformed"),
        (_joined(HEADER, '{"sub":"\\ud800"}'), "malformed"),
        (_joined(HEADER, "{} {}"), "malformed"),
        (_joined(HEADER, "\ufeff{}"), "malformed"),
        (_joined(HEADER, "{}") + "=", "encoding"),
        (_joined(HEADER, "{}") + "\n", "encoding"),
        (_joined(HEADER, "{}")[:-1] + "B", "encoding"),
        ("+" + _joined(HEADER, "{}")[1:], "encoding"),
        ("." * 2 + "A" * 8_200, "too-large"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_T57_what_is_no_token(shared: PeopleChain, token: str, code: str) -> None:
    assert refused(shared, token) == code


def test_T57_bytes_that_are_not_utf8(shared: PeopleChain) -> None:
    parts = (HEADER.encode(), b'{"a":"\xff"}', bytes(64))
    token = ".".join(map(encode_base64url, parts))
    assert refused(shared, token) == "malformed"
