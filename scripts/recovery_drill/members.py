"""The members of a drill, each in a folder of its own, and shares that must not count.

Owns those folders: what a member needs to give is the service, its key, its recovery key, and what
it has seen. Spoilt shares are made by the library that members' clients use, from the keys of those
members; the commands refuse to make them.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom.consensus.recovery import Agreement
from strongroom.enclave.formats.recovery_plan import GivenShare, handed_info, statement_digest
from strongroom.enclave.formats.recovery_share import Share
from strongroom.enclave.governance.recovering import one_time_key
from strongroom.enclave.keys.recovery import open_share
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.recovery_giving import JudgedOffer, judge_offer
from strongroom.enclave.primitives import Secret, hybrid_seal
from strongroom.node.client.recovery_keys import RecoveryKeyFolder
from strongroom.node.client.trust.service import Service, load_service
from strongroom.node.layout import ClusterLayout

SERVICE_FILES = ("service.json", "ca.pem", "genesis.bin", "credential")


@dataclass(frozen=True)
class MemberFolder:
    """One member's folder."""

    name: str
    directory: Path

    @property
    def service(self) -> Service:
        return load_service(self.directory)

    @property
    def identity(self) -> Identity:
        return self.service.keys.load(self.name)

    @property
    def recovery(self) -> RecoveryKeyFolder:
        service = self.service
        return RecoveryKeyFolder(
            ClusterLayout(self.directory).recovery(self.name),
            service.chain,
            self.identity.public,
        )


def set_apart(directory: Path, into: Path) -> list[MemberFolder]:
    """Every member of a cluster's folder in a folder of its own: what each took along when they
    parted."""
    layout = ClusterLayout(directory)
    found = []
    for kept in sorted(layout.keys.glob("*.recovery")):
        name = kept.name.removesuffix(".recovery")
        folder = into / name
        (folder / "keys").mkdir(parents=True)
        for file in SERVICE_FILES:
            if (directory / file).exists():
                shutil.copy2(directory / file, folder / file)
        shutil.copy2(layout.keys / f"{name}.json", folder / "keys")
        shutil.copytree(kept, folder / "keys" / kept.name)
        found.append(MemberFolder(name, folder))
    return found


def find_members(folders: Sequence[Path]) -> list[MemberFolder]:
    """Members in folders that were named: whoever has a recovery key there."""
    return [
        MemberFolder(kept.name.removesuffix(".recovery"), folder)
        for folder in folders
        for kept in sorted(ClusterLayout(folder).keys.glob("*.recovery"))
    ]


def spoilt_shares(
    offer: bytes, first: MemberFolder, second: MemberFolder, into: Path
) -> dict[str, Path]:
    """Shares of `second` that must not count while that of `first` does, by the name of the
    refusal."""
    judged = judge_offer(offer, first.service.pin)
    own = _share(judged, second)
    good = _given(judged, second, own)
    unsigned = replace(good, agreement=Agreement(good.agreement.member, bytes(64)))  # type: ignore[arg-type]
    made = {
        "share-malformed": b"no share at all",
        "share-does-not-open": replace(good, sealed=good.sealed[:-1] + b"\0").encode(),
        "share-forged": _given(judged, second, replace(own, value=Secret(bytes(32)))).encode(),
        "share-of-another-chain": _given(
            judged,
            second,
            replace(own, chain=judged.plan.head.header.digest),  # type: ignore[arg-type]
        ).encode(),
        "share-of-an-older-generation": _given(
            judged, second, replace(own, number=own.number - 1)
        ).encode(),
        "share-of-another-member": _given(judged, second, _share(judged, first)).encode(),
        "agreement-forged": unsigned.encode(),
        "agreed-to-another-plan": replace(good, statement=judged.plan.head.header.digest).encode(),
    }
    paths = {}
    for reason, data in made.items():
        paths[reason] = into / f"{reason}.share"
        paths[reason].write_bytes(data)
    return paths


def _share(judged: JudgedOffer, member: MemberFolder) -> Share:
    public = member.identity.public
    at = judged.generation.coordinate(public)
    if at is None:
        raise ValueError(f"{member.name} holds no share")
    key = member.recovery.load(judged.generation.holders[at - 1].recovery_key)
    return open_share(judged.generation, public, key)


def _given(judged: JudgedOffer, member: MemberFolder, share: Share) -> GivenShare:
    plan, chain, identity = judged.plan, judged.genesis.chain, member.identity
    name = statement_digest(chain, plan.statement)
    agreement = Agreement(identity.public, identity.key.sign(plan.statement.signed_bytes(chain)))
    info = handed_info(chain, name, identity.public)
    sealed = hybrid_seal(one_time_key(plan.evidence[0]), share.encode(), info)
    return GivenShare(name, agreement, sealed)
