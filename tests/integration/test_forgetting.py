"""P10 on real processes: all of today's keys, files and memory open nothing that was sealed to an
ended epoch."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.test_epochs import all_until, decide, running, votes_in
from tests.waiting import so

from strongroom.consensus import labels
from strongroom.consensus.types import Epoch
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.keys.keys import _HYBRID, _SESSIONS, EpochSecrets, ServiceSecret
from strongroom.enclave.keys.sealing import SealedState, unseal_state
from strongroom.enclave.outside.client_sessions import ClientSession, Identity
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.primitives import DoesNotOpen, Secret, SigningKey
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.proofs.genesis import verify_genesis
from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.layout import SEALED_STATE

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.geteuid() != 0, reason="reads other processes' memory"),
]

LIMITS = (("activation_delay_ms", 0), ("grace_ms", 1_000))
RANGE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw")


async def test_P10_T13_after_its_grace_no_file_and_no_memory_opens_what_was_sealed_to_an_epoch(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "cluster"
    async with running(folder, limits=LIMITS) as cluster:
        async with Client.connect(folder, identity="member0") as client:
            done = await client.call("payments.issue", to="alice", amount=7)
        yesterday = sealed_states(cluster)["n0"]
        old = next(one for one in yesterday.secrets if one.opens)
        sealed, info = harvested(cluster)
        assert old.hybrid.open(sealed, info), (
            "the control: yesterday's key opens yesterday's envelope"
        )
        erased = keys_of(old)
        enclaves = pids(cluster)
        assert any(found_in(pid, erased) for pid in enclaves.values()), (
            "the control: it is in memory while it is used"
        )

        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        await replaced(cluster, enclaves)
        await all_until(cluster, votes_in(1))

        for name, state in sealed_states(cluster).items():
            assert [one.epoch for one in state.secrets if one.opens] == [1], name
            for secrets in state.secrets:
                if secrets.opens:
                    with pytest.raises(DoesNotOpen):
                        secrets.hybrid.open(sealed, info)
        for name, pid in pids(cluster).items():
            assert not found_in(pid, erased), f"{name}'s enclave still holds a key of epoch 0"
        for path in folder.rglob("*"):
            assert not any(key in contents(path) for key in erased), path
        async with Client.connect(folder, identity="member0") as client:
            assert (await client.call("payments.issue", to="alice", amount=1)).height > done.height


def sealed_states(cluster: Cluster) -> dict[str, SealedState]:
    """What each node's sealed file holds, for whoever has broken its chip."""
    measurement = measure(PROGRAM_NAMES).digest
    states = {}
    for node in cluster.nodes:
        chip = SimulatedChip.load(node.layout.chip)
        sealed = (node.layout.sealed / SEALED_STATE).read_bytes()
        states[node.name] = unseal_state(chip.sealing_secret(measurement), sealed)
    return states


def keys_of(secrets: EpochSecrets) -> list[bytes]:
    """The input secret, and the keys that derive from it."""
    assert secrets.input is not None
    derived = [secrets._derive(secrets.input, purpose).reveal() for purpose in (_HYBRID, _SESSIONS)]
    return [secrets.input.reveal(), *derived]


def harvested(cluster: Cluster) -> tuple[bytes, bytes]:
    """What somebody kept of yesterday: an opening sealed to epoch 0, its hybrid message and what
    that is bound to."""
    genesis = verify_genesis(cluster.layout.genesis.read_bytes())
    who = Identity(SigningKey(Secret.fresh()))
    _, envelope = ClientSession.open(
        genesis.public_key, genesis.chain, Epoch(0), who, None, close=False
    )
    message = read_envelope(envelope)[3]
    return message, labels.bound(labels.SESSION_OPENING, genesis.chain, envelope[: -len(message)])


def contents(path: Path) -> bytes:
    """Nothing of a folder, and of a draft that its node has put in place meanwhile."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""


def pids(cluster: Cluster) -> dict[str, int]:
    found = {}
    for node in cluster.nodes:
        enclave = node.enclave()
        assert enclave is not None, node.name
        found[node.name] = enclave.pid
    return found


async def replaced(cluster: Cluster, before: dict[str, int]) -> None:
    """Wait until every enclave lives in another process."""

    def replaced() -> bool:
        try:
            now = pids(cluster)
        except AssertionError:
            return False
        return all(now[name] != pid for name, pid in before.items())

    await so(replaced, f"every enclave but these: {before}")


def found_in(pid: int, keys: list[bytes]) -> bool:
    """Does any writable memory of a process hold one of these keys?"""
    return any(key in memory for memory in memories(pid) for key in keys)


def memories(pid: int) -> Iterator[bytes]:
    """Each readable and writable range of a process' memory; what the kernel hides even from root
    is left out."""
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if (match := RANGE.match(line)) is None:
                continue
            start, end = (int(text, 16) for text in match.groups())
            try:
                yield os.pread(descriptor, end - start, start)
            except OSError:
                continue
    finally:
        os.close(descriptor)


def test_the_keys_of_one_epoch_are_not_those_of_another() -> None:
    """The hunt would be worth nothing if it looked for bytes that every epoch has."""
    service = ServiceSecret.fresh()
    assert not set(keys_of(service.split(Epoch(0)))) & set(keys_of(service.split(Epoch(1))))
