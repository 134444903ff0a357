"""Whose word on people counts: votes on issuers and keys, and what operators observe (T57)."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.enclave.governance.world import NodeActor, World
from tests.openid.provider import ALGORITHMS, AUDIENCE, Key, canonical, make_key

from strongroom.consensus import codec
from strongroom.enclave.governance import issuers as bounds
from strongroom.enclave.governance import public
from strongroom.enclave.governance.changes import parse_change
from strongroom.enclave.governance.document import Document
from strongroom.enclave.governance.issuers import (
    ISSUER_KEYS_MAX,
    ISSUERS_MAX,
    PinnedKey,
    read_pin,
    with_key,
    without_key,
)
from strongroom.enclave.governance.observing import (
    OBSERVATION_MS,
    OBSERVE_AGAIN_MS,
    OBSERVED_KEYS_MAX,
)
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.tokens.jose import decode_base64url, thumbprint
from strongroom.enclave.tokens.signatures import _SMALL_ORDER

URL = "https://id.example"
KEYS = {name: make_key("ES256", name) for name in ("a", "b", "c")}
HOUR_MS = 3_600_000


def said(**changed: Any) -> dict[str, Any]:
    """Arguments of add_issuer."""
    return {
        "issuer": URL,
        "audience": AUDIENCE,
        "claim": "ctry",
        "regions": (("DE", "europe"), ("US", "america")),
        "guests": ("acct", 1, 0, ""),
        "life_ms": HOUR_MS,
        "observed": True,
    } | changed


def key_said(key: Key, /, **changed: Any) -> dict[str, Any]:
    """Arguments of add_issuer_key."""
    algorithm = str(key.as_dict()["alg"])
    said: dict[str, Any] = {
        "issuer": URL,
        "kid": str(key.kid),
        "algorithm": algorithm,
        "key": canonical(key),
    }
    return said | changed


class Issuing(World):
    """Four operators, one of whom may lie; an issuer that members chose."""

    def __init__(self, n: int = 4) -> None:
        super().__init__(n)
        self.decide("add_issuer", **said())
        self.pass_time(HOUR_MS)
        self.keep_attested()

    @property
    def pinned(self) -> tuple[str, ...]:
        return tuple(key.kid for key in self.governance.rules.issuers.keys)

    def seen(self, node: int | NodeActor, *names: str, url: str = URL) -> bytes:
        actor = self.nodes[node] if isinstance(node, int) else node
        keys = tuple((name, "ES256", canonical(KEYS[name])) for name in names)
        return self.say(actor, public.OBSERVE, (url, keys))


@pytest.fixture
def world() -> Issuing:
    return Issuing()


# --- votes ---


def test_members_choose_an_issuer_and_pin_keys_of_every_kind(world: Issuing) -> None:
    keys = [make_key(algorithm, algorithm) for algorithm in ALGORITHMS]
    for key in keys:
        world.decide("add_issuer_key", **key_said(key))
    assert not world.pinned, "it loosens, and waits"
    world.pass_time(HOUR_MS)
    document = Document.read(codec.decode(codec.encode(tuple(world.governance.document()))))
    found = document.member_rules().issuers
    assert found == world.governance.rules.issuers
    assert [entry.url for entry in found.entries] == [URL]
    assert {key.kid: key.thumbprint for key in found.keys} == {
        str(key.kid): _thumbprint(key) for key in keys
    }


def _thumbprint(key: Key) -> bytes:
    return decode_base64url(key.thumbprint())


def test_rules_without_issuers_have_the_bytes_that_they_had() -> None:
    rules = World().governance.rules
    assert len(rules.to_wire()) == 4
    assert Rules.from_wire(rules.to_wire()) == rules


def test_removing_is_at_once(world: Issuing) -> None:
    world.decide("add_issuer_key", **key_said(KEYS["a"]))
    world.pass_time(HOUR_MS)
    assert world.pinned
    world.decide("remove_issuer_key", issuer=URL, key=thumbprint(canonical(KEYS["a"])))
    assert not world.pinned
    world.decide("remove_issuer", issuer=URL)
    assert world.governance.rules.issuers.entries == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://id.example"},
        {"issuer": "https://"},
        {"issuer": "https://id.example?x"},
        {"issuer": "https://id.example#x"},
        {"issuer": "https://id example"},
        {"issuer": "https://" + "x" * 250},
        {"issuer": "https:///path"},
        {"issuer": "https://id.example@evil.example"},
        {"issuer": "https://id.example\\@evil.example"},
        {"issuer": "https://id.exämple"},
        {"issuer": "HTTPS://id.example"},
        {"audience": ""},
        {"audience": "ä"},
        {"claim": ""},
        {"claim": "a b"},
        {"regions": ()},
        {"regions": (("DE", "europe"), ("DE", "america"))},
        {"regions": (("US", "a"), ("DE", "b"))},
        {"regions": (("DE", ""),)},
        {"regions": (("DE", "a b"),)},
        {"regions": ((1, "a"),)},
        {"regions": tuple((f"{n:04}", "a") for n in range(257))},
        {"guests": ("acct", 1, 1, "")},
        {"guests": ("acct", 1, 0)},
        {"guests": ("acct", (), 0, "")},
        {"guests": ("", 1, 0, "")},
        {"life_ms": 86_400_001},
        {"life_ms": 1_000},
        {"observed": 1},
    ],
    ids=str,
)
def test_an_issuer_is_written_in_one_way(changed: dict[str, Any]) -> None:
    assert World().refused(World().proposal("add_issuer", **said(**changed))) == "arguments"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"issuer": "https://other.example"}, "arguments"),
        ({"algorithm": "ES384"}, "arguments"),
        ({"algorithm": "HS256"}, "arguments"),
        ({"algorithm": "none"}, "arguments"),
        ({"kid": ""}, "arguments"),
        ({"kid": "a b"}, "arguments"),
        ({"kid": "a" * 129}, "arguments"),
        ({"key": "{}"}, "arguments"),
        ({"key": "[]"}, "arguments"),
        ({"key": canonical(KEYS["a"]) + " "}, "arguments"),
        (
            {"key": canonical(KEYS["a"]).replace(',"x"', ',"use":"sig","x"')},
            "arguments",
        ),
        ({"key": canonical(make_key("ES512", "x")), "algorithm": "ES512"}, "arguments"),
        ({"key": '{"kty":"oct","k":"AAAA"}', "algorithm": "HS256"}, "arguments"),
        ({"key": '{"e":"AQAB","kty":"RSA","n":"AQAB"}', "algorithm": "RS256"}, "arguments"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_T57_a_key_is_a_public_one_that_signs_with_its_algorithm(
    world: Issuing, changed: dict[str, Any], code: str
) -> None:
    assert world.refused(world.proposal("add_issuer_key", **key_said(KEYS["a"], **changed))) == code


def test_T57_weak_rsa_keys_are_refused() -> None:
    """Short ones, and exponents: 1 signs everything, a huge one takes time."""

    def written(modulus: int, exponent: int) -> str:
        def text(number: int) -> str:
            data = number.to_bytes((number.bit_length() + 7) // 8, "big")
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        return f'{{"e":"{text(exponent)}","kty":"RSA","n":"{text(modulus)}"}}'

    good = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    short = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    read_pin(URL, "x", "RS256", written(good.n, 65537))
    for modulus, exponent in (
        (short.n, 65537),
        (good.n, 1),
        (good.n, 3),
        (good.n, good.n - 2),
        (good.n << 4_097, 65537),
    ):
        with pytest.raises(ProgramError) as refused:
            read_pin(URL, "x", "RS256", written(modulus, exponent))
        assert refused.value.code == "arguments"


def _point(encoded: bytes) -> str:
    x = base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()
    return f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'


@pytest.mark.parametrize("y", sorted(_SMALL_ORDER), ids=lambda y: f"{y:x}"[:8])
@pytest.mark.parametrize("sign", [0, 1])
def test_T57_a_point_under_which_anybody_signs_is_no_key(y: int, sign: int) -> None:
    """R = the neutral point, S = 0: a signature that needs no key, of one message of a few."""
    encoded = (y | sign << 255).to_bytes(32, "little")
    key = Ed25519PublicKey.from_public_bytes(encoded)
    forged = (1).to_bytes(32, "little") + bytes(32)

    def believes(message: bytes) -> bool:
        try:
            key.verify(forged, message)
        except InvalidSignature:
            return False
        return True

    assert any(believes(b"%d" % number) for number in range(400)), "the library takes it"
    for algorithm in ("EdDSA", "Ed25519"):
        with pytest.raises(ProgramError, match="malformed"):
            read_pin(URL, "x", algorithm, _point(encoded))


def test_names_and_keys_stand_once(world: Issuing) -> None:
    world.decide("add_issuer_key", **key_said(KEYS["a"]))
    world.pass_time(HOUR_MS)
    again = key_said(KEYS["a"], kid="other")
    assert world.refused(world.proposal("add_issuer_key", **again)) == "taken"
    same = key_said(KEYS["b"], kid="a")
    assert world.refused(world.proposal("add_issuer_key", **same)) == "taken"
    assert world.refused(world.proposal("add_issuer", **said())) == "taken"


def test_counts_are_bounded(world: Issuing, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, ISSUERS_MAX):
        world.decide("add_issuer", **said(issuer=f"{URL}/{number}"))
    world.pass_time(HOUR_MS)
    world.keep_attested()
    assert world.refused(world.proposal("add_issuer", **said(issuer=URL + "/x"))) == "full"
    held = world.governance.rules.issuers
    pin = read_pin(URL, "x", "ES256", canonical(KEYS["a"]))
    for number in range(ISSUER_KEYS_MAX):
        held = with_key(held, pin._replace(kid=f"{number}", thumbprint=b"%032d" % number))
    with pytest.raises(ProgramError, match="keys"):
        with_key(held, pin)
    monkeypatch.setattr(bounds, "ISSUERS_BYTES_MAX", 1_000)
    with pytest.raises(ProgramError, match="bytes"):
        held.check()


def test_what_was_removed_is_remembered_and_a_full_memory_closes_the_door(
    monkeypatch: pytest.MonkeyPatch, world: Issuing
) -> None:
    monkeypatch.setattr(bounds, "UNPINNED_MAX", 2)
    held = world.governance.rules.issuers
    pins = [read_pin(URL, name, "ES256", canonical(key)) for name, key in KEYS.items()]
    for pin in pins[:2]:
        held = without_key(with_key(held, pin), URL, pin.thumbprint)
    fresh = pins[2]._replace(observed=True)
    with pytest.raises(ProgramError) as refused:
        with_key(held, fresh)
    assert refused.value.code == "removed"
    by_vote = with_key(held, pins[0])
    assert by_vote.unpinned == held.unpinned, "no room is made for another to be forgotten"


def test_changes_are_written_as_text() -> None:
    texts = {
        "issuer": URL,
        "audience": AUDIENCE,
        "claim": "ctry",
        "regions": '{"US":"america","DE":"europe"}',
        "guests": '{"claim":"acct","guest":1,"member":0}',
        "life_ms": str(HOUR_MS),
        "observed": "true",
    }
    assert dict(parse_change("add_issuer", texts)) == said()
    assert dict(parse_change("add_issuer", texts | {"guests": "none"}))["guests"] == ()
    for wrong in (
        {"regions": "DE=europe"},
        {"regions": '{"DE":1}'},
        {"guests": "{}"},
        {"guests": '{"claim":"a","guest":1,"other":0}'},
    ):
        with pytest.raises(ProgramError) as refused:
            parse_change("add_issuer", texts | wrong)
        assert refused.value.code == "arguments"


# --- observations ---


def test_T57_a_key_is_pinned_once_two_operators_of_four_see_it(world: Issuing) -> None:
    assert world.ok(world.seen(0, "a")) == (("a", "seen"),)
    assert not world.pinned, "f of them are not enough"
    assert world.ok(world.seen(1, "a", "b")) == (("a", "pinned"), ("b", "seen"))
    assert world.pinned == ("a",)
    assert world.governance.rules.issuers.keys[0].observed
    assert world.ok(world.seen(2, "b")) == (("b", "pinned"),)


def test_T57_two_nodes_of_one_operator_count_once(world: Issuing) -> None:
    second = world.nodes[1]
    world.decide("allow_chip", operator="operator0", chip=second.applicant.chip.chip_id)
    world.pass_time(HOUR_MS)
    world.keep_attested()
    for replica in (world.executing, world.applying):
        node = replica.governance._view.tables.node(second.key)
        assert node is not None
        replica.governance._view.tables.write_node(replace(node, operator="operator0"))
        replica.state.commit()
        replica.state.take_changes()
        replica.governance.refresh()
    world.ok(world.seen(0, "a"))
    assert world.refused(world.seen(1, "a")) == "too-soon"
    world.block(gap_ms=OBSERVE_AGAIN_MS)
    assert world.ok(world.seen(1, "a")) == (("a", "seen"),)
    assert world.pinned == ()
    world.decide("remove_node", node=second.name)
    assert world.ok(world.seen(2, "a")) == (("a", "seen"),), "its operator's other node saw nothing"
    assert world.ok(world.seen(3, "a")) == (("a", "pinned"),)


@pytest.mark.parametrize("part", ["name", "algorithm", "key"])
def test_T57_only_equal_observations_are_counted(world: Issuing, part: str) -> None:
    key = make_key("RS256", "r")
    mine = ("r", "RS256", canonical(key))
    other = {
        "name": ("s", *mine[1:]),
        "algorithm": ("r", "PS256", mine[2]),
        "key": ("r", "RS256", canonical(make_key("RS256", "r"))),
    }[part]
    world.ok(world.say(world.nodes[0], public.OBSERVE, (URL, (mine,))))
    world.ok(world.say(world.nodes[1], public.OBSERVE, (URL, (other,))))
    assert world.pinned == ()


def test_T57_observations_expire(world: Issuing) -> None:
    world.ok(world.seen(0, "a"))
    world.block(gap_ms=OBSERVATION_MS)
    world.keep_attested()
    assert world.ok(world.seen(1, "a")) == (("a", "seen"),)
    world.block(gap_ms=OBSERVATION_MS - 20)
    assert world.ok(world.seen(0, "a")) == (("a", "pinned"),)


def test_T57_what_an_operator_sees_now_is_all_that_it_sees(world: Issuing) -> None:
    world.ok(world.seen(0, "a"))
    world.block(gap_ms=OBSERVE_AGAIN_MS)
    world.ok(world.seen(0, "b"))
    assert world.ok(world.seen(1, "a")) == (("a", "seen"),)


def test_T57_a_key_that_members_removed_does_not_come_back(world: Issuing) -> None:
    world.ok(world.seen(0, "a"), world.seen(1, "a"))
    world.decide("remove_issuer_key", issuer=URL, key=thumbprint(canonical(KEYS["a"])))
    world.block(gap_ms=OBSERVE_AGAIN_MS)
    assert world.ok(world.seen(0, "a", "b")) == (("a", "removed"), ("b", "seen"))
    assert world.ok(world.seen(1, "a", "b")) == (("a", "removed"), ("b", "pinned"))
    renamed = (("z", "ES256", canonical(KEYS["a"])),)
    assert world.ok(world.say(world.nodes[2], public.OBSERVE, (URL, renamed))) == (
        ("z", "removed"),
    )
    world.decide("add_issuer_key", **key_said(KEYS["a"]))
    world.pass_time(HOUR_MS)
    assert world.pinned == ("a", "b")


def test_T57_nor_does_it_with_an_issuer_that_was_removed_and_chosen_again(world: Issuing) -> None:
    world.ok(world.seen(0, "a"), world.seen(1, "a"))
    world.decide("remove_issuer", issuer=URL)
    world.decide("add_issuer", **said())
    world.pass_time(HOUR_MS)
    world.keep_attested()
    assert world.ok(world.seen(0, "a"), world.seen(1, "a")) == (("a", "removed"),)
    assert world.pinned == ()


def test_T57_nothing_that_is_pinned_is_replaced(world: Issuing) -> None:
    world.decide("add_issuer_key", **key_said(KEYS["a"]))
    world.pass_time(HOUR_MS)
    world.keep_attested()
    other = (("a", "ES256", canonical(KEYS["b"])),)
    for node in world.nodes:
        answer = world.ok(world.say(node, public.OBSERVE, (URL, other)))
        assert answer == (("a", "taken"),)
    assert world.governance.rules.issuers.keys[0].jwk == canonical(KEYS["a"])


def test_T57_who_may_not_observe(world: Issuing) -> None:
    joiner = world.admit("late")
    assert world.refused(world.seen(joiner, "a")) == "not-a-node"
    stranger = world.sign("member0", public.OBSERVE, (URL, ()))
    assert world.refused(stranger) == "not-a-node"
    assert world.refused(world.seen(0, "a", url="https://other.example")) == "arguments"


def test_T57_what_a_node_that_was_removed_had_seen_counts_no_more(world: Issuing) -> None:
    world.ok(world.seen(0, "a"))
    world.decide("remove_node", node=world.nodes[0].name)
    assert world.ok(world.seen(1, "a")) == (("a", "seen"),)
    assert world.ok(world.seen(2, "a")) == (("a", "pinned"),)


def test_T57_members_may_keep_an_issuers_keys_to_their_votes() -> None:
    world = Issuing()
    world.decide("add_issuer", **said(issuer=URL + "/x", observed=False))
    world.pass_time(HOUR_MS)
    world.keep_attested()
    assert world.refused(world.seen(0, "a", url=URL + "/x")) == "not-observed"


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (tuple((f"{n}", "ES256", "{}") for n in range(OBSERVED_KEYS_MAX + 1)), "malformed"),
        ((("a", "ES256"),), "malformed"),
        ((("a", 1, "{}"),), "malformed"),
        ((("a", "ES256", "{" + " " * 1_024 + "}"),), "malformed"),
        ((("a", "ES256", "{}"),), "arguments"),
        ((("a b", "ES256", canonical(KEYS["a"])),), "arguments"),
        ((("a", "ES256", canonical(KEYS["a"])),) * 2, "malformed"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_T57_an_observation_is_of_keys(world: Issuing, keys: Any, code: str) -> None:
    assert world.refused(world.say(world.nodes[0], public.OBSERVE, (URL, keys))) == code


def test_a_pins_digest_is_of_all_that_a_token_is_judged_by() -> None:
    pin = read_pin(URL, "a", "ES256", canonical(KEYS["a"]))
    others = (
        pin._replace(issuer="x"),
        pin._replace(kid="x"),
        pin._replace(algorithm="x"),
        pin._replace(jwk="x"),
    )
    assert len({one.digest for one in (pin, *others)}) == 1 + len(others)
    assert isinstance(pin, PinnedKey)
    assert pin.digest == pin._replace(serial=9, observed=True).digest
