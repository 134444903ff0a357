"""node.toml: what is taken, and how each mistake is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.node.archive_settings import (
    AFTER_BYTES,
    ArchiveSettings,
    archive_lines,
    given_archive,
    own_archive,
    read_size,
)
from strongroom.node.config import (
    Address,
    ConfigInvalid,
    Limits,
    NodeConfig,
    Peer,
    dumps,
    load,
    loads,
)
from strongroom.node.issuer_sources import IssuerSource
from strongroom.node.organisations import DoorPolicy, Organisation, Quota
from strongroom.node.tracing.settings import TracingSettings


def make_config(folder: Path) -> NodeConfig:
    return NodeConfig(
        name="n0",
        directory=folder,
        genesis=folder.parent / "genesis.bin",
        rpc=Address("127.0.0.1", 7400),
        peer=Address("::1", 7410),
        peers=(
            Peer("n1", Address("10.0.0.2", 7411), bytes(range(32))),
            Peer("n2", Address("node2.example", 7412)),
        ),
        log_level="debug",
        limits=Limits(connections_max=7),
        door=DoorPolicy(
            organisations=(
                Organisation(name="bank", digest=bytes(range(32)), quota=Quota(weight=3)),
            ),
            reading=True,
            credential=folder.parent / "credential",
        ),
        archive=ArchiveSettings(Path("/mnt/archive/n0"), 2**31),
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "n0"
    folder.mkdir()
    path = folder / "node.toml"
    path.write_text(dumps(make_config(folder), base=folder))
    return path


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigInvalid) as caught:
        load(path)
    return caught.value.problems


def test_what_is_written_is_read_again(written: Path) -> None:
    assert load(written) == make_config(written.parent)


def test_a_moved_folder_keeps_its_configuration(written: Path, tmp_path: Path) -> None:
    moved = written.parent.rename(tmp_path / "elsewhere")
    assert load(moved / "node.toml").directory == moved
    assert load(moved / "node.toml").genesis == tmp_path / "genesis.bin"


def test_log_level_limits_and_peers_have_defaults(written: Path) -> None:
    written.write_text(
        'name = "n0"\n'
        'directory = "."\n'
        'genesis = "../g"\n'
        'rpc = "127.0.0.1:7400"\n'
        'peer = "127.0.0.1:7410"\n'
    )
    config = load(written)
    assert (config.log_level, config.limits, config.peers) == ("info", Limits(), ())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('rpc = "127.0.0.1:7400"', "rpc = 7400", "line 4: rpc: is a string, got 7400"),
        (
            "127.0.0.1:7400",
            "127.0.0.1:74000",
            "line 4: rpc: '127.0.0.1:74000': the port is a number from 1 to 65535",
        ),
        ("127.0.0.1:7400", "7400", "line 4: rpc: '7400' is not HOST:PORT"),
        (
            "[::1]:7410",
            "::1:7410",
            "line 5: peer: '::1:7410': an IPv6 host stands in brackets, as in [::1]:7400",
        ),
        ('name = "n0"', 'name = "n0"\ncolour = "red"', "line 2: colour: is not a known key"),
        ('genesis = "../genesis.bin"\n', "", "genesis: is missing"),
        (
            'log_level = "debug"',
            'log_level = "loud"',
            "line 6: log_level: 'loud' is none of debug, info, warning, error",
        ),
        (
            "connections_max = 7",
            "connections_max = 0",
            "line 9: limits.connections_max: is at least 1, got 0",
        ),
        (
            "connections_max = 7",
            "connections_max = true",
            "line 9: limits.connections_max: is a whole number, got True",
        ),
        ("connections_max", "conections_max", "line 9: limits.conections_max: is not a known key"),
        ('name = "n2"', 'name = "n1"', "peers: name n1 twice"),
        (
            'directory = "/mnt/archive/n0"\n',
            "",
            "archive.directory: is missing: name the folder to which segments go",
        ),
        (
            'name = "n2"',
            'name = "n0"',
            "peers: contain this node itself (n0); list the others only",
        ),
        ('name = "n2"', 'nom = "n2"', "line 22: peers[1].nom: is not a known key"),
        ('name = "n1"', 'name = ""', "line 17: peers[0].name: is empty"),
        (
            "[::1]:7410",
            "127.0.0.1:7400",
            "line 5: peer: is the same address as rpc: clients and nodes use two ports",
        ),
    ],
)
def test_each_mistake_is_told_with_its_line_and_field(
    written: Path, old: str, new: str, problem: str
) -> None:
    assert problem in problems_of(changed(written, old, new))


def test_a_node_key_of_another_length_is_refused(written: Path) -> None:
    assert any(
        "is 64 hex digits" in problem for problem in problems_of(changed(written, "000102", "0102"))
    )


def test_all_mistakes_are_told_at_once(written: Path) -> None:
    changed(written, "127.0.0.1:7400", "nowhere")
    changed(written, "connections_max = 7", 'connections_max = "many"')
    assert len(problems_of(written)) == 2


def test_a_text_that_is_not_toml_names_the_line(written: Path) -> None:
    changed(written, 'name = "n0"', "name = n0")
    assert "line 1" in problems_of(written)[0]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_an_operators_fault(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "node.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OperatorFault, match=r"node\.toml: 1 problem"):
        load(path)


@pytest.mark.parametrize("text", ["127.0.0.1:7400", "[::1]:1", "node.example:65535"])
def test_an_address_prints_as_it_was_read(text: str) -> None:
    assert str(Address.parse(text)) == text


def test_health_and_hosts_are_read_as_written_and_their_mistakes_are_told(written: Path) -> None:
    config = replace(
        make_config(written.parent),
        health=Address("127.0.0.1", 7420),
        hosts=("ledger.example.org",),
    )
    written.write_text(dumps(config, base=written.parent))
    assert load(written) == config
    changed(written, "127.0.0.1:7420", "127.0.0.1:7400")
    changed(written, '"ledger.example.org"', '"https://ledger.example.org", 7')
    problems = " ".join(problems_of(written))
    assert "health: is the same address as rpc or peer" in problems
    assert "hosts: are DNS names without a port" in problems


def test_where_a_node_looks_for_issuers_keys(written: Path) -> None:
    folder = written.parent
    sources = (
        IssuerSource(issuer="https://id.example"),
        IssuerSource(issuer="https://b.example", jwks="https://k.example/k", ca=folder / "ca.pem"),
        IssuerSource(issuer="https://c.example", every=60),
    )
    config = replace(make_config(folder), issuers=sources)
    written.write_text(dumps(config, base=folder))
    assert load(written) == config
    for wrong in ("http://id.example", "https://", "https://a:b@id.example", "https://b.example"):
        changed(written, '"https://id.example"', f'"{wrong}"')
        (problem,) = problems_of(written)
        assert "issuer" in problem
        written.write_text(dumps(config, base=folder))
    for wrong in ("59", "3601", '"60"'):
        changed(written, "every = 60", f"every = {wrong}")
        assert any("every" in problem for problem in problems_of(written)), wrong
        written.write_text(dumps(config, base=folder))


# --- what is listened on, and what others are told ------------------------------------------------


def test_what_is_announced_may_differ_from_what_is_listened_on(written: Path) -> None:
    config = replace(
        load(written),
        rpc=Address("0.0.0.0", 7400),
        announce_rpc=Address("ledger.bank.example", 443),
        peer=Address("::", 7410),
        announce_peer=Address("2001:db8::7", 7410),
    )
    written.write_text(dumps(config, base=written.parent))
    assert load(written) == config
    assert (config.told_rpc, config.told_peer) == (config.announce_rpc, config.announce_peer)
    plain = make_config(written.parent)
    assert (plain.told_rpc, plain.told_peer) == (plain.rpc, plain.peer)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "0:0::0", "::ffff:0.0.0.0", "0", "00.0.0.0", "a b", "-x", "x..1"]
)
def test_what_nobody_could_dial_is_not_announced(written: Path, host: str) -> None:
    address = Address(host, 7400)
    with pytest.raises(ValueError, match=r"could dial|neither an IP address nor a DNS name"):
        address.check_announced()
    written.write_text(f'announce_rpc = "{address}"\n' + written.read_text())
    assert [problem.split(": ")[1] for problem in problems_of(written)] == ["announce_rpc"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0", "node-1.bank.example", "n1"])
def test_names_and_addresses_of_one_machine_are_announced(host: str) -> None:
    Address(host, 7400).check_announced()


@pytest.mark.parametrize("listens", ["0.0.0.0:7400", "[::]:7400"])
def test_whoever_listens_everywhere_says_where_it_is_found(written: Path, listens: str) -> None:
    changed(written, "127.0.0.1:7400", listens)
    (problem,) = problems_of(written)
    assert "announce_rpc: is missing" in problem
    assert "name the address under which others reach this node" in problem


def test_what_operations_ask_for_is_written_and_read_again(tmp_path: Path) -> None:
    config = replace(
        make_config(tmp_path / "n0"),
        log_format="human",
        health=Address("127.0.0.1", 7430),
        metrics=Address("127.0.0.1", 7420),
        tracing=TracingSettings(endpoint="http://127.0.0.1:4318/v1/traces", one_in=50),
    )
    text = dumps(config, base=tmp_path / "n0")
    assert loads(text, tmp_path / "n0" / "node.toml") == config


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ('log_format = "xml"', "log_format: 'xml' is none of auto, human, json"),
        ('metrics = "127.0.0.1:7400"', "metrics: is the same address as rpc or peer"),
        (
            'health = "127.0.0.1:7420"\nmetrics = "127.0.0.1:7420"',
            "metrics: is the same address as health",
        ),
        ('[tracing]\nendpoint = "127.0.0.1:4318"', "tracing.endpoint: '127.0.0.1:4318' is no http"),
        ('[tracing]\nendpoint = "http://a:b@c/"', "without a name or password"),
        ('[tracing]\nendpoint = "http://c/"\none_in = 0', "tracing.one_in: is at least 1"),
        ("[tracing]\none_in = 5", "tracing.endpoint: is missing"),
        ('[tracing]\nto = "x"', "tracing.to: is not a known key"),
    ],
)
def test_a_mistake_in_what_operations_ask_for_is_told(
    tmp_path: Path, added: str, problem: str
) -> None:
    base = tmp_path / "n0"
    text = dumps(replace(make_config(base), peers=(), door=DoorPolicy()), base=base)
    place = text.index("\n[limits]") if not added.startswith("[") else len(text)
    with pytest.raises(ConfigInvalid) as caught:
        loads(f"{text[:place]}\n{added}\n{text[place:]}", base / "node.toml")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("512MiB", 2**29), ("2 GiB", 2**31), ("3KiB", 3072), ("1TiB", 2**40)],
)
def test_a_size_is_written_as_people_write_it(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0GiB", "-1", "2GB", "1.5GiB", "9" * 19 + "TiB", "much"])
def test_what_is_no_size_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no size: write bytes, or 512MiB"):
        read_size(text)


def test_nodes_of_one_machine_have_an_archive_each(tmp_path: Path) -> None:
    around = given_archive(tmp_path / "archives", None)
    assert around is not None
    assert around.after_bytes == AFTER_BYTES
    own = own_archive(around, "n0")
    assert own.directory.is_dir()
    assert own.directory != own_archive(around, "n1").directory
    assert archive_lines(None, tmp_path) == []
    (tmp_path / "file").write_text("")
    broken = ArchiveSettings(tmp_path / "file", 1)
    with pytest.raises(OperatorFault, match="cannot make a folder"):
        own_archive(broken, "n0")
