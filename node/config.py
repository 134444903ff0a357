"""One node's configuration: NodeConfig ↔ TOML.

Owns the keys of `node.toml`, their types and defaults. It starts nothing, and touches no file but
the one it reads. Relative paths in the file are relative to the file's folder, so that a folder can
be moved or mounted elsewhere.
"""

import json
import os
import re
import tomllib
from dataclasses import dataclass, fields
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import KEY_SIZE
from strongroom.node.archive_settings import ArchiveSettings, archive_lines, read_archive
from strongroom.node.issuer_sources import (
    SOURCES_MAX,
    IssuerSource,
    read_sources,
    source_lines,
)
from strongroom.node.layout import NodeLayout
from strongroom.node.organisations import (
    NOBODY,
    ORGANISATIONS_MAX,
    DoorPolicy,
    door_lines,
    read_door,
)
from strongroom.node.toml_reader import TableReader, line_numbers, resolve_path
from strongroom.node.tracing.settings import TracingSettings, read_tracing, tracing_lines

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "human", "json")
"""`auto`: for people where standard output is a terminal, else JSON."""
PORT_MAX = 65_535
PEERS_MAX = 127
"""Other members of one validator set."""

_MIB = 2**20
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""A last label that resolvers read as part of an IPv4 address, whatever was meant: `0x0` is
0.0.0.0."""
_BROADCAST = IPv4Address("255.255.255.255")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")


class ConfigInvalid(OperatorFault):
    """A configuration file cannot be used.

    Attributes:
        path: The file.
        problems: Every problem found, each naming its field.
    """

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(
            f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}{lines}"
        )
        self.path = path
        self.problems = problems


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Address:
    """Where a socket listens or is dialled."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT`, an IPv6 host in brackets.

        Raises:
            ValueError: says what is wrong with it.
        """
        host, separator, port = text.rpartition(":")
        if not separator or not host:
            raise ValueError(f"{text!r} is not HOST:PORT")
        if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
            raise ValueError(f"{text!r}: an IPv6 host stands in brackets, as in [::1]:7400")
        if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= PORT_MAX:
            raise ValueError(f"{text!r}: the port is a number from 1 to {PORT_MAX}")
        return cls(host.strip("[]"), int(port))

    @property
    def is_wildcard(self) -> bool:
        """Does it mean every address of its machine? One listens there; nobody can dial it."""
        if not _is_ip(self.host):
            return False
        return self._ip().is_unspecified

    def check_announced(self) -> None:
        """Check that others can dial it.

        Raises:
            ValueError: it means every address of whatever machine reads it, or is neither an
                address nor a name.
        """
        if not _is_ip(self.host):
            last = self.host.rpartition(".")[2]
            if not _HOST.fullmatch(self.host) or _NUMBER.fullmatch(last):
                raise ValueError(f"{self}: {self.host!r} is neither an IP address nor a DNS name")
            return
        if self.is_wildcard:
            raise ValueError(
                f"{self} is no address that others could dial: one listens there; "
                "announce a name or an address of this machine"
            )
        address = self._ip()
        nobodys = address == _BROADCAST or address in _THIS_NETWORK
        if address.is_multicast or nobodys:
            raise ValueError(
                f"{self} is no address that others could dial: it is no single machine's; "
                "announce a name or an address of this machine"
            )

    @property
    def is_loopback(self) -> bool:
        """Does it mean whichever machine reads it?"""
        return self._ip().is_loopback if _is_ip(self.host) else self.host.lower() == "localhost"

    @property
    def is_on_one_link(self) -> bool:
        """Does it mean something on one network card alone, as fe80::1%eth0 does?"""
        return _is_ip(self.host) and self._ip().version == 6 and self._ip().is_link_local

    @property
    def plain(self) -> str:
        """One text for every way to write it, as far as that can be told without asking DNS."""
        host = str(self._ip()) if _is_ip(self.host) else self.host.lower()
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def _ip(self) -> IPv4Address | IPv6Address:
        address = ip_address(self.host)
        return getattr(address, "ipv4_mapped", None) or address

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node of the service."""

    name: str
    address: Address
    node_key: bytes | None = None
    """32 bytes; when absent, genesis or the ledger names it."""
    rpc: Address | None = None
    """Where it serves clients: a node that is to join introduces itself there."""
    pinned: bool = False
    """Reach it here, whatever it says of itself on the ledger: behind a relay, or on a network of
    one's own."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one host; each has a default."""

    connections_max: int = 2048
    """Open client connections; the next one takes an idle one's place, or gets 503."""
    request_bytes_max: int = 8 * _MIB
    """One HTTP body or WebSocket frame; a longer one gets 413."""
    mempool_envelopes_max: int = 65_536
    """Waiting envelopes; the next submission is refused as overloaded."""
    mempool_bytes_max: int = 64 * _MIB
    """Their total size."""
    segment_bytes_max: int = 64 * _MIB
    """A ledger segment is closed beyond it."""
    wal_bytes_max: int = 64 * _MIB
    """The consensus log is rotated beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Everything that the host of one node is told from outside."""

    name: str
    directory: Path
    """The node's folder (see layout.NodeLayout), absolute."""
    genesis: Path
    """Genesis bytes of the chain, absolute."""
    rpc: Address
    """Where clients connect."""
    peer: Address
    """Where other nodes connect."""
    peers: tuple[Peer, ...] = ()
    """The other members, not this node."""
    log_level: str = "info"
    log_format: str = "auto"
    limits: Limits = Limits()
    health: Address | None = None
    """Where health and metrics are also served, without TLS, on a socket that clients cannot
    fill."""
    metrics: Address | None = None
    """Where metrics alone are also served, without TLS."""
    tracing: TracingSettings | None = None
    """Where sampled traces go; nowhere without it."""
    hosts: tuple[str, ...] = ()
    """Names under which clients reach `rpc`, beside IP addresses, `localhost` and the name in `rpc`
    itself."""
    web: bool = False
    """Does `rpc` also serve the web page, at `/`?"""
    door: DoorPolicy = NOBODY
    """Who may submit here; nobody, when it names nobody."""
    issuers: tuple[IssuerSource, ...] = ()
    """Where this node looks for new keys of people's issuers; nowhere, when it names none."""
    archive: ArchiveSettings | None = None
    """Nothing is archived without it; what was, is found all the same."""
    announce_rpc: Address | None = None
    """What clients are told, where it differs from what is listened on."""
    announce_peer: Address | None = None
    """What other nodes are told, where it differs from what is listened on."""

    @property
    def told_rpc(self) -> Address:
        """Where clients are told to connect."""
        return self.announce_rpc or self.rpc

    @property
    def told_peer(self) -> Address:
        """Where other nodes are told to connect."""
        return self.announce_peer or self.peer

    @property
    def layout(self) -> NodeLayout:
        """The names of the files in its folder."""
        return NodeLayout(self.directory)


def load(path: Path) -> NodeConfig:
    """Read and check a configuration; the folder and genesis need not exist yet.

    Raises:
        ConfigInvalid: every problem at once: syntax with its line, unknown keys, missing keys,
            wrong types or values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigInvalid(path, (f"cannot be read: {fault.strerror}",)) from None
    except UnicodeDecodeError as fault:
        raise ConfigInvalid(path, (f"is not UTF-8 text: byte {fault.start}",)) from None
    return loads(text, path)


def loads(text: str, path: Path) -> NodeConfig:
    """The same of a text that is to stand in that file.

    Raises:
        ConfigInvalid: as `load`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ConfigInvalid(path, (f"is not TOML: {fault}",)) from None
    reader = TableReader(table, "", [], line_numbers(text))
    config = _read(reader, path.absolute().parent)
    if reader.problems or config is None:
        raise ConfigInvalid(path, tuple(reader.problems))
    return config


def dumps(config: NodeConfig, *, base: Path) -> str:
    """The TOML text of a configuration, for a file in folder `base`; `load` of it gives an equal
    one."""
    lines = [
        f"name = {_quoted(config.name)}",
        f"directory = {_quoted(os.path.relpath(config.directory, base))}",
        f"genesis = {_quoted(os.path.relpath(config.genesis, base))}",
        f"rpc = {_quoted(str(config.rpc))}",
        f"peer = {_quoted(str(config.peer))}",
        f"log_level = {_quoted(config.log_level)}",
        *([] if config.log_format == "auto" else [f"log_format = {_quoted(config.log_format)}"]),
        *_optional("health", config.health),
        *_optional("metrics", config.metrics),
        *_optional("announce_rpc", config.announce_rpc),
        *_optional("announce_peer", config.announce_peer),
        *([f"hosts = [{', '.join(map(_quoted, config.hosts))}]"] if config.hosts else []),
        *(["web = true"] if config.web else []),
        "",
        "[limits]",
        *(f"{entry.name} = {getattr(config.limits, entry.name)}" for entry in fields(Limits)),
    ]
    for peer in config.peers:
        lines += [
            "",
            "[[peers]]",
            f"name = {_quoted(peer.name)}",
            f"address = {_quoted(str(peer.address))}",
        ]
        if peer.node_key is not None:
            lines.append(f'node_key = "{peer.node_key.hex()}"')
        if peer.rpc is not None:
            lines.append(f"rpc = {_quoted(str(peer.rpc))}")
        if peer.pinned:
            lines.append("pinned = true")
    credential = config.door.credential
    lines += door_lines(
        config.door, None if credential is None else os.path.relpath(credential, base)
    )
    lines += source_lines(config.issuers, base)
    lines += archive_lines(config.archive, base)
    lines += tracing_lines(config.tracing)
    return "\n".join(lines) + "\n"


def _read(top: TableReader, base: Path) -> NodeConfig | None:
    """Take everything out of the reader; None if anything was missing or wrong."""
    name = top.text("name")
    directory = top.parsed("directory", partial(resolve_path, base))
    genesis = top.parsed("genesis", partial(resolve_path, base))
    rpc, address = top.parsed("rpc", Address.parse), top.parsed("peer", Address.parse)
    log_level = top.parsed("log_level", partial(_one_of, LOG_LEVELS), "info")
    log_format = top.parsed("log_format", partial(_one_of, LOG_FORMATS), "auto")
    health = top.parsed("health", _optional_address, "")
    metrics = top.parsed("metrics", _optional_address, "")
    tracing = read_tracing(top.table("tracing"))
    archive = read_archive(top.table("archive"), base)
    told_rpc = _read_announced(top, "announce_rpc", rpc)
    told_peer = _read_announced(top, "announce_peer", address)
    hosts = _read_hosts(top)
    shown = top.take("web", bool, "true or false", False)
    limits = _read_limits(top.table("limits"))
    peers = [_read_peer(table) for table in top.tables("peers", PEERS_MAX)]
    door = read_door(top.table("door"), top.tables("organisations", ORGANISATIONS_MAX), base)
    issuers = read_sources(top.tables("issuers", SOURCES_MAX), base)
    top.finish()
    known = [peer for peer in peers if peer is not None]
    _check_members(top, name, rpc, address, known)
    for key, plain in (("health", health), ("metrics", metrics)):
        if plain and plain in (str(rpc), str(address)):
            top.problem(key, "is the same address as rpc or peer: it needs a port of its own")
    if metrics and metrics == health:
        top.problem("metrics", "is the same address as health, which serves metrics too: leave one")
    if (
        top.problems
        or name is None
        or directory is None
        or genesis is None
        or rpc is None
        or address is None
    ):
        return None
    return NodeConfig(
        name=name,
        directory=directory,
        genesis=genesis,
        rpc=rpc,
        peer=address,
        peers=tuple(known),
        log_level=log_level or "info",
        log_format=log_format or "auto",
        limits=limits,
        health=Address.parse(health) if health else None,
        metrics=Address.parse(metrics) if metrics else None,
        tracing=tracing,
        hosts=hosts,
        web=bool(shown),
        door=door,
        announce_rpc=told_rpc,
        announce_peer=told_peer,
        issuers=issuers,
        archive=archive,
    )


def _read_announced(top: TableReader, name: str, listens: Address | None) -> Address | None:
    """What others are told; required where every address of the machine is listened on."""
    text = top.parsed(name, _announced_address, "")
    if not text and listens is not None and listens.is_wildcard:
        top.problem(
            name,
            f"is missing: {listens} is listened on, and nobody can dial it; "
            "name the address under which others reach this node",
        )
    return Address.parse(text) if text else None


def _read_hosts(top: TableReader) -> tuple[str, ...]:
    hosts = top.take("hosts", list, "a list of names", [])
    if not all(isinstance(host, str) and _HOST.fullmatch(host) for host in hosts or []):
        top.problem("hosts", 'are DNS names without a port, as in ["ledger.example.org"]')
        return ()
    return tuple(host.lower() for host in hosts or [])


def _read_limits(table: TableReader) -> Limits:
    defaults = {entry.name: int(getattr(Limits(), entry.name)) for entry in fields(Limits)}
    values = {name: table.positive(name, default) for name, default in defaults.items()}
    table.finish()
    return Limits(**values)


def _read_peer(table: TableReader) -> Peer | None:
    name = table.text("name")
    address = table.parsed("address", Address.parse)
    node_key = table.parsed("node_key", _node_key, b"")
    rpc = table.parsed("rpc", _optional_address, "")
    pinned = table.take("pinned", bool, "true or false", False)
    table.finish()
    if not name or not address:
        return None
    return Peer(
        name, address, node_key or None, Address.parse(rpc) if rpc else None, pinned=bool(pinned)
    )


def _check_members(
    top: TableReader,
    name: str | None,
    rpc: Address | None,
    address: Address | None,
    peers: list[Peer],
) -> None:
    if rpc is not None and rpc == address:
        top.problem("peer", "is the same address as rpc: clients and nodes use two ports")
    names = [peer.name for peer in peers]
    if name in names:
        top.problem("peers", f"contain this node itself ({name}); list the others only")
    for twice in sorted({other for other in names if names.count(other) > 1}):
        top.problem("peers", f"name {twice} twice")


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)


def _one_of(words: tuple[str, ...], text: str) -> str:
    if text not in words:
        raise ValueError(f"{text!r} is none of {', '.join(words)}")
    return text


def _optional_address(text: str) -> str:
    Address.parse(text)
    return text


def _announced_address(text: str) -> str:
    Address.parse(text).check_announced()
    return text


def _optional(name: str, address: Address | None) -> list[str]:
    return [] if address is None else [f"{name} = {_quoted(str(address))}"]


def _node_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise ValueError(f"is {2 * KEY_SIZE} hex digits, got {text!r}")
    return key
