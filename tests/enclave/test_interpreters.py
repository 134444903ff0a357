"""The same blocks come to the same bytes under every interpreter, hash seed, stack, locale and time
zone (T27).

Owns one hostile recording, made here, and its execution in processes of their own. Other
interpreters are taken from the path, from pyenv, and from what ./scripts/interpreters made; one
that is not here, or that lacks the libraries in the versions of this environment, is skipped by
name.
"""

import os
import random
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from json import loads
from pathlib import Path

import pytest
from tests.enclave.chain import Chain, person
from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis
from tests.enclave.same_blocks import Recording
from tests.hang import HANG_SECONDS
from tests.openid.provider import AUDIENCE, Provider, canonical

from strongroom.consensus import codec
from strongroom.consensus.types import Height
from strongroom.enclave.formats.envelope import Call
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.governance import public
from strongroom.enclave.keys.sealing import SealedState
from strongroom.enclave.platform.measuring import AGREEING
from strongroom.enclave.programs.people.checking import nonce_of
from strongroom.enclave.tokens.jose import encode_base64url

ROOT = Path(__file__).parents[2]
CHILD = ROOT / "tests" / "enclave" / "same_blocks.py"
VERSIONS = (*(name.removeprefix("CPython ") for name in AGREEING), "3.14")
"""All that the measurement names as agreeing, and the next one."""
LIBRARIES = ("cryptography", "msgpack", "sortedcontainers")
NEWER = ("\U0001fae8", "\u2c2f", "\U0002ebf0", "\U000323b0", "\u0378")
"""Printable from Python 3.12, 3.11, 3.13, 3.15 on; not assigned at all."""
ODD = (
    *NEWER,
    *(
        "savings",
        "é",
        "e\u0301",
        "ß",
        "ı",
        "ǅ",
        "Ω",
        "\u2126",
        "口座",
        "계좌",
        "счёт",
        "عربي",
        "ﬁ",
        "Ａ",
        "٣",
        "²",
    ),
    *(
        "\u00a0",
        "a b",
        " a",
        "a\u2028b",
        "\x1b[2J",
        "\x9b",
        "\u202e",
        "\ufeff",
        "\U000e0041",
        "\U0010ffff",
        "x" * 64,
    ),
    *("y" * 65, "a/b", "", "\n", "\x1c", "\u0085", "\u180e", "'", '"', "\\"),
)


def _deep(depth: int) -> tuple[object, ...]:
    value: tuple[object, ...] = ()
    for _ in range(depth):
        value = (value,)
    return value


def _calls(chain: Chain) -> Iterator[Call]:
    """Calls that have come to different results somewhere, or might."""
    letters = random.Random(9)
    sampled = ["".join(chr(letters.randrange(0x20, 0xD800)) for _ in range(3)) for _ in range(150)]
    for text in (*ODD, *sampled):
        yield chain.call("payments.open", account=text)
        yield chain.call("payments.transfer", to="bob", amount=1, memo=text)
        yield chain.call("payments.transfer", to=f"/{text}", amount=1, source=text)
        yield chain.call("records.append", collection=text, contents=text)
        yield chain.call("records.append", collection="log", contents="entry", tags=[text, "tag"])
    code = chain.measurement
    for depth in (1, 29, 30, 31, 32, 33, 200, 500, 800, 950, 1000):
        yield Call("payments", code, "open", _deep(depth))
        yield Call("records", code, "append", ("log", "entry", _deep(depth)))
    for value in (2**64 - 1, -(2**63), 1.5, float("inf"), True, None, "9" * 4301, b"", ("٣",)):
        yield Call("payments", code, "transfer", ((b"", ""), value, "", ""))
        yield Call("payments", code, "open", (value,))
    yield Call("payments", code, "nothing", ())
    yield Call("\U0001fae8", code, "open", ())


def _public(chain: Chain, cluster: FoundedCluster) -> Iterator[bytes]:
    """Governance with odd texts, and evidence whose every part was touched."""
    member, node = cluster.members["member0"], cluster.keys[0].node
    for number, text in enumerate(ODD):
        for change, arguments in (
            ("allow_region", (("region", text),)),
            ("add_member", (("name", text), ("key", key_named(text).public))),
            ("remove_node", (("node", text),)),
            (text, ()),
        ):
            fields = (number.to_bytes(16, "big"), change, arguments)
            yield public.sign_public(
                member.public, member.sign, chain.genesis.chain, public.PROPOSE, fields
            )
        said = (cluster.evidence[0], text, text)
        yield public.sign_public(node.public, node.sign, chain.genesis.chain, public.ATTEST, said)
    chance = random.Random(27)
    for _ in range(120):
        touched = bytearray(cluster.evidence[0])
        touched[chance.randrange(len(touched))] ^= 1 << chance.randrange(8)
        said = (bytes(touched), "https://a:1", "a:2")
        yield public.sign_public(node.public, node.sign, chain.genesis.chain, public.ATTEST, said)


def _issuer(chain: Chain, cluster: FoundedCluster, provider: Provider) -> Iterator[bytes]:
    """Members choose an issuer, and pin its key."""
    key = provider.keys[0]
    issuer: dict[str, object] = {"issuer": provider.url, "audience": AUDIENCE, "claim": "ctry"}
    issuer |= {"regions": (("DE", "europe"),), "guests": (), "life_ms": 86_400_000}
    pin = {"issuer": provider.url, "kid": str(key.kid), "algorithm": "ES256"}
    for change, arguments in (
        ("add_issuer", issuer | {"observed": True}),
        ("add_issuer_key", pin | {"key": canonical(key)}),
    ):
        given = tuple(arguments.items())
        fields = (change.encode().ljust(16)[:16], change, given)
        id = public.proposal_id(cluster.members["member0"].public, codec.encode(fields))
        cast = (id, public.proposal_digest(change, given), True)
        for name in ("member0", "member1", "member2"):
            member, action = cluster.members[name], public.BALLOT
            said: tuple[object, ...] = cast
            if name == "member0":
                action, said = public.PROPOSE, fields
            chain_id = chain.genesis.chain
            yield public.sign_public(member.public, member.sign, chain_id, action, said)


def _tokens(chain: Chain, provider: Provider) -> Iterator[Call]:
    """Tokens, genuine ones with odd texts too, that libraries might read differently."""
    nonce = nonce_of(chain.genesis.chain, person("alice").id)
    header = '{"alg":"ES256","kid":"k0-ES256"}'
    numbers = ("NaN", "1e9", "1.0", "9" * 4_301, "-0", "01", "٣")
    claims = ['{"exp":' + text + "}" for text in numbers]
    for depth in (1, 30, 31, 32, 33, 200, 990, 1_000, 5_000):
        claims.append('{"a":' + "[" * depth + "]" * depth + "}")
    escapes = ("\\ud800", "\\ud83d\\ude00", "\\u0000", "\\u0661")
    claims += ['{"a":"' + text + '"}' for text in (*ODD[:-6], *escapes)]
    texts = [".".join(map(_part, (header, one, "x" * 64))) for one in claims]
    for number, text in enumerate(ODD):
        provider.now_s += 1
        texts.append(provider.token("alice", nonce, name=text))
        texts.append(provider.token(text, nonce, ctry=text, place=number))
    for token in (*texts, *ODD):
        yield chain.call("people.present", issuer=provider.url, token=token)


def _part(text: str) -> str:
    return encode_base64url(text.encode())


@cache
def recorded() -> tuple[Recording, tuple[tuple[object, ...], ...]]:
    """The recording, and what it comes to in this process."""
    programs = ("payments", "people", "records", "system")
    cluster = make_cluster_genesis(
        4,
        auditor=key_named("auditor").public,
        programs=programs,
        limits={"activation_delay_ms": 0},
    )
    chain, provider = Chain(cluster), Provider(people={"alice": {"ctry": "DE"}})
    provider.rotate("ES256")
    chain.commit(*_issuer(chain, cluster, provider))
    alice, opening = chain.open("alice")
    chain.commit(opening)
    chain.once("member0", "payments.issue", to="alice", amount=1_000_000)
    sealed = [alice.seal_call(call)[1] for call in (*_calls(chain), *_tokens(chain, provider))]
    for start in range(0, len(sealed), 200):
        chain.commit(*sealed[start : start + 200])
    said = list(_public(chain, cluster))
    for start in range(0, len(said), 100):
        chain.commit(*said[start : start + 100])
    chance = random.Random(3)
    assert chain.ask("alice", "people.standing")["region"] == "europe"
    never_sent = alice.seal_call(chain.call("payments.open", account="late"))[1]
    touched = never_sent[:-1] + bytes((never_sent[-1] ^ 1,))
    chain.commit(
        *[chance.randbytes(chance.randrange(1, 300)) for _ in range(50)],
        sealed[-1],
        touched,
        sealed[1][:-1],
    )
    state = SealedState(
        chain=chain.genesis.chain,
        keys=cluster.keys[0],
        secrets=(cluster.secrets[0],),
        boot=1,
        mark=(Height(0), chain.genesis.header.digest),
    )
    blocks = tuple(
        (
            codec.encode(made.header.to_wire()),
            tuple(batch.to_wire() for batch in made.batches),
            chain.certificate(made.header).to_wire(),
        )
        for made in chain.blocks
    )
    recording = Recording(cluster.genesis, state.encode(), blocks)
    return recording, tuple(map(tuple, recording.execute()))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blocks") / "recording"
    path.write_bytes(recorded()[0].encode())
    return path


def executed(
    file: Path,
    python: str = sys.executable,
    *options: str,
    recursion: int | None = None,
    **environment: str,
) -> tuple[tuple[object, ...], ...]:
    """What the blocks come to in another process."""
    limit = [] if recursion is None else [str(recursion)]
    child = subprocess.run(
        [python, "-B", *options, str(CHILD), str(file), *limit],
        env={"PYTHONPATH": str(ROOT / ".src"), "PATH": os.environ.get("PATH", ""), **environment},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return tuple(map(tuple, loads(child.stdout)))


def test_the_recording_holds_what_it_should(file: Path) -> None:
    """Every kind of end of an envelope is in it, and names of both kinds; else the rest would prove
    little."""
    recording, expected = recorded()
    codes = {Code(code) for _, text, _, _ in expected for code in bytes.fromhex(str(text))}
    assert {
        Code.EXECUTED,
        Code.REFUSED,
        Code.MALFORMED,
        Code.DOES_NOT_OPEN,
        Code.DUPLICATE,
    } <= codes
    assert len(recording.blocks) > 10
    assert any(unicodedata.category(letter) == "Cn" for letter in NEWER)


@cache
def interpreters(wanted: str) -> tuple[str, ...]:
    """Interpreters of a version that are here, those first that ./scripts/interpreters made."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [
        ROOT / f".venv-{wanted}" / "bin" / "python",
        *sorted(pyenv.glob(f"{wanted}.*/bin/python")),
    ]
    on_path = shutil.which(f"python{wanted}")
    candidates = [str(path) for path in found if path.exists()] + ([on_path] if on_path else [])
    return (
        (sys.executable, *candidates)
        if wanted == ".".join(map(str, sys.version_info[:2]))
        else tuple(candidates)
    )


def usable(wanted: str) -> str:
    """An interpreter of a version with the libraries of this environment; skips the test when there
    is none."""
    asked = f"from importlib.metadata import version as v; print(*map(v, {LIBRARIES}))"
    own = " ".join(map(version, LIBRARIES))
    for python in interpreters(wanted):
        told = subprocess.run(
            [python, "-I", "-c", asked], capture_output=True, text=True, check=False
        )
        if told.returncode == 0 and told.stdout.strip() == own:
            return python
    pytest.skip(
        f"no Python {wanted} here with {', '.join(LIBRARIES)} of these versions: run "
        "./scripts/interpreters"
    )


@pytest.mark.parametrize("wanted", VERSIONS)
def test_T27_every_interpreter_comes_to_the_same(file: Path, wanted: str) -> None:
    assert executed(file, usable(wanted)) == recorded()[1]


@pytest.mark.parametrize("wanted", VERSIONS)
def test_T27_without_assertions_and_docstrings(file: Path, wanted: str) -> None:
    assert executed(file, usable(wanted), "-OO") == recorded()[1]


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_T27_whatever_the_hash_seed(file: Path, seed: str) -> None:
    assert executed(file, PYTHONHASHSEED=seed) == recorded()[1]


@pytest.mark.parametrize("limit", [150, 400, 100_000])
def test_T27_however_deep_the_stack_may_be(file: Path, limit: int) -> None:
    assert executed(file, recursion=limit) == recorded()[1]


@pytest.mark.parametrize("name", ["C", "POSIX", "C.UTF-8", "tr_TR.UTF-8", "de_DE.ISO-8859-1"])
def test_T27_whatever_the_locale(file: Path, name: str) -> None:
    """One that is not installed is asked for all the same: then the interpreter falls back, which
    must not matter."""
    outcome = executed(
        file, LC_ALL=name, LANG=name, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", TZ="Asia/Kathmandu"
    )
    assert outcome == recorded()[1]


def test_T27_with_the_librarys_slow_twin_and_strict_warnings(file: Path) -> None:
    """msgpack without its C extension, as its environment variable asks for; an enclave's
    environment is empty."""
    assert executed(file, MSGPACK_PUREPYTHON="1") == recorded()[1]
    assert (
        executed(file, sys.executable, "-W", "error", "-X", "int_max_str_digits=640")
        == recorded()[1]
    )
