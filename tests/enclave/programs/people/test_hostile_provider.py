"""Tokens of a provider that means harm, each well signed by the pinned key (T57): what is taken,
and why the rest is not."""

from functools import cache
from typing import Any

import pytest
from tests.enclave.programs.people.world import PeopleChain
from tests.openid.forge import KID, Forger, base64url, header, written
from tests.openid.provider import HOUR

from strongroom.enclave.tokens.jose import decode_base64url

ISSUER = "https://id.example"


class Hostile(PeopleChain):
    """Members chose it, and pinned its key."""

    def __init__(self) -> None:
        super().__init__()
        self.forger = Forger()
        self.choose_issuer()
        assert not self.vote(
            "add_issuer_key", issuer=ISSUER, kid=KID, algorithm="ES256", key=self.forger.jwk
        )

    def claims(self, **changed: Any) -> dict[str, Any]:
        return self.provider.claims("alice", self.nonce("alice"), **changed)

    def comes_to(self, head: str, claims: str | bytes) -> str:
        """The region, or the code of the refusal."""
        said = self.present("alice", self.forger.token(head, claims))
        self.pass_s(1)  # a later one is newer
        return str(said.value["region"]) if said.ok else said.code


@cache
def hostile() -> Hostile:
    return Hostile()


MORE = {
    # More said than is asked: taken, when it is JSON as replicas read it.
    '"n":-5': "europe",
    '"n":9223372036854775807': "europe",
    '"n":-9223372036854775808': "europe",
    '"n":9223372036854775808': "malformed",
    '"n":' + "9" * 4_301: "malformed",
    '"n":1.0': "malformed",
    '"n":1e0': "malformed",
    '"n":-0.0': "malformed",
    '"n":+1': "malformed",
    '"n":01': "malformed",
    '"n":0x1': "malformed",
    '"n":\uff11': "malformed",
    '"n":\u00b2': "malformed",
    '"n":NaN': "malformed",
    '"n":-Infinity': "malformed",
    '"n":null': "malformed",
    '"n":True': "malformed",
    '"t":"\\u0000"': "malformed",
    '"t":"\\ud83d\\ude00"': "europe",
    '"t":"\\ud83d"': "malformed",
    '"t":"\\u202e"': "malformed",
    '"t":"a\\nb"': "malformed",
    '"t":"a\tb"': "malformed",
    "\"t\":'a'": "malformed",
    '"t":"' + "a" * 5_000 + '"': "europe",
    '"d":' + "[" * 31 + "]" * 31: "europe",
    '"d":' + "[" * 32 + "]" * 32: "malformed",
    '"a":{"b":1,"c":{"d":1,"d":1}}': "malformed",
    '"iss":"https://id.example"': "malformed",
    '"\\u0069\\u0073\\u0073":"https://id.example"': "malformed",
    '"a":1,': "malformed",
    '"a":1//comment': "malformed",
    # Standard claims that say more than they may.
    '"nbf":"0"': "claims",
    '"nbf":[0]': "claims",
    '"nbf":true': "claims",
    '"nbf":-1': "claims",
    '"nbf":0': "europe",
    '"azp":"ledger-client"': "europe",
    '"azp":["ledger-client"]': "authorized-party",
    '"azp":""': "authorized-party",
    '"_claim_names":{"ctry":"src1"}': "europe",
}


@pytest.mark.parametrize(("more", "expected"), MORE.items(), ids=lambda text: ascii(text)[:32])
def test_T57_what_more_a_token_says(more: str, expected: str) -> None:
    assert hostile().comes_to(header(), written(hostile().claims(), more)) == expected


RAW = {
    ("iat", "-0"): "too-long",
    ("iat", "-1"): "claims",
    ("iat", "true"): "claims",
    ("iat", '"1800000000"'): "claims",
    ("iat", "1800000000.0"): "malformed",
    ("exp", "9223372036854775807"): "claims",
    ("exp", "[]"): "claims",
    ("sub", '"\\u0000"'): "malformed",
    ("sub", '" "'): "europe",
    ("sub", '""'): "subject",
    ("sub", "{}"): "subject",
    ("sub", '"al\\u0131ce"'): "subject",
    ("aud", '["ledger-client"]'): "europe",
    ("aud", '["ledger-client","ledger-client"]'): "audience",
    ("aud", '{"ledger-client":1}'): "audience",
    ("aud", "true"): "audience",
    ("aud", '"ledger-client "'): "audience",
    ("iss", '"https://id.example/"'): "issuer",
    ("iss", '"https://id.example#"'): "issuer",
    ("iss", '"https://ID.example"'): "issuer",
    ("iss", '"https://u@id.example"'): "issuer",
    ("iss", '"https://id.example:443"'): "issuer",
    ("iss", '"https://id.\\u0435xample"'): "issuer",
    ("iss", '["https://id.example"]'): "issuer",
    ("nonce", "[]"): "nonce",
    ("nonce", '""'): "nonce",
    ("ctry", '["DE"]'): "claim-missing",
    ("ctry", '{"country":"DE"}'): "claim-missing",
    ("ctry", "true"): "claim-missing",
    ("ctry", '"DE "'): "claim-unknown",
    ("ctry", '"\\uff24\\uff25"'): "claim-unknown",
    ("ctry", '"\\u0044E"'): "europe",
    ("acct", "-0"): "europe",
    ("acct", "false"): "guest-unknown",
    ("acct", "[0]"): "guest-unknown",
    ("acct", "1"): "guest",
}


@pytest.mark.parametrize(("raw", "expected"), RAW.items(), ids=ascii)
def test_T57_what_a_claim_is(raw: tuple[str, str], expected: str) -> None:
    claims = written(hostile().claims(), **dict([raw]))
    assert hostile().comes_to(header(), claims) == expected


HEADERS = {
    header(): "europe",
    header(typ=None): "europe",
    header(x5t="a"): "europe",
    header(typ="jwt"): "header",
    header(typ="JOSE"): "header",
    header(typ=["JWT"]): "header",
    header(cty="JWT"): "header",
    header(zip="DEF"): "header",
    header(b64=False): "header",
    header(b64=False, crit=["b64"]): "critical-header",
    header(crit="exp"): "critical-header",
    header(jku=ISSUER + "/jwks"): "header",
    header(jwk={"kty": "EC"}): "header",
    header(x5u=ISSUER): "header",
    header(x5c=["MA=="]): "header",
    header(kid=None): "key-unknown",
    header(kid=""): "key-unknown",
    header(kid=KID + "\u0000"): "malformed",
    header(kid=KID.upper()): "key-unknown",
    header(kid="../" + KID): "key-unknown",
    header(kid=0): "key-unknown",
    header(kid=[KID]): "key-unknown",
    header(alg="none"): "algorithm",
    header(alg="ES256K"): "algorithm",
    header(alg="HS256"): "algorithm",
    header(alg="es256"): "algorithm",
    header(alg=["ES256"]): "algorithm",
    header(alg=None): "algorithm",
    header()[:-1] + ',"alg":"none"}': "malformed",
    " " + header() + " ": "europe",
}


@pytest.mark.parametrize(("head", "expected"), HEADERS.items(), ids=ascii)
def test_T57_what_a_header_is(head: str, expected: str) -> None:
    assert hostile().comes_to(head, written(hostile().claims())) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (b"\xef\xbb\xbf{}", "malformed"),
        ('{"a":1}'.encode("utf-16"), "malformed"),
        (b'{"a":"\xc0\x80"}', "malformed"),
        (b"", "malformed"),
        (b"0", "malformed"),
        (b"[" * 6_000, "malformed"),
    ],
    ids=ascii,
)
def test_T57_what_claims_are_no_text(claims: bytes, expected: str) -> None:
    assert hostile().comes_to(header(), claims) == expected


def test_T57_a_token_in_a_token_and_an_encrypted_one_are_none() -> None:
    chain = hostile()
    inner = chain.forger.token(header(), written(chain.claims()))
    assert chain.comes_to(header(cty="JWT"), inner) == "malformed", "its claims are no JSON"
    assert chain.comes_to(header(), inner) == "malformed"
    assert chain.comes_to(header(), f'"{inner}"') == "malformed"
    parts = [base64url(b'{"alg":"dir","enc":"A256GCM"}'), "", *["AAAA"] * 3]
    assert chain.present("alice", ".".join(parts)).code == "malformed"


def test_T57_the_edges_of_time_are_exact() -> None:
    """By the time of the block that executes it: 10 ms after the one before."""
    for changed, expected in (
        ({"iat": -3_600, "exp": 1}, "europe"),
        ({"iat": -3_600, "exp": 0}, "expired"),
        ({"iat": 60}, "europe"),
        ({"iat": 61}, "not-yet-valid"),
        ({"nbf": 60}, "europe"),
        ({"nbf": 61}, "not-yet-valid"),
        ({"exp": 24 * HOUR}, "europe"),
        ({"exp": 24 * HOUR + 1}, "too-long"),
        ({"iat": 5, "exp": 5}, "claims"),
    ):
        chain = Hostile()
        now = (int(chain.tip.time_ms) + 10) // 1000
        claims = chain.claims(**{name: now + value for name, value in changed.items()})
        assert chain.comes_to(header(), written(claims)) == expected, changed


def test_T57_the_second_half_of_a_signature_may_be_turned_and_is_the_same_token() -> None:
    """(r, n − s) verifies too; it says nothing new, so it counts for nothing new."""
    chain = Hostile()
    token = chain.forger.token(header(), written(chain.claims()))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    message, _, signature = token.rpartition(".")
    both = decode_base64url(signature)
    turned = order - int.from_bytes(both[32:], "big")
    other = f"{message}.{base64url(both[:32] + turned.to_bytes(32, 'big'))}"
    assert chain.present("alice", token).ok
    assert chain.present("alice", other).code == "not-newer"


def test_T57_an_audience_is_compared_with_its_own_issuers() -> None:
    """Two issuers, one key name, one subject: each judged by its own rules."""
    chain = Hostile()
    other = "https://id.example/other"
    chain.choose_issuer(other, audience="another-client")
    assert not chain.vote(
        "add_issuer_key", issuer=other, kid=KID, algorithm="ES256", key=chain.forger.jwk
    )
    token = chain.forger.token(header(), written(chain.claims(iss=other)))
    assert chain.present("alice", token, url=other).code == "audience"
    said = chain.claims(iss=other, aud="another-client", ctry="US")
    assert chain.present("alice", chain.forger.token(header(), written(said))).code == "issuer"
    assert (
        chain.present("alice", chain.forger.token(header(), written(said)), url=other).value[
            "region"
        ]
        == "america"
    )
