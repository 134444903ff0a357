"""Receipts of a forger's own services: each layer may be changed before the layers above it are
signed, so that one thing is wrong and everything else is right.

Owns the layers and their order; what is changed, the caller's hook says. The forger owns the
manufacturer, the chips, the operators, the members and every vote key.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA384
from tests.enclave.attestation.forging import PSS_384
from tests.enclave.fixtures import (
    CREATED_MS,
    MEASUREMENT,
    REGION,
    Applicant,
    key_named,
    make_applicants,
    make_constitution,
    make_policy,
    manufacturer,
)

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import genesis_header
from strongroom.consensus.types import FIRST_EPOCH, NO_DIGEST, ChainId, Digest
from strongroom.enclave.attestation.deployment import deployment_bytes, host_data
from strongroom.enclave.attestation.report import COORDINATE_SIZE, REPORT_SIZE, SIGNED_SIZE
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.history import HistoryLeaf, genesis_leaf
from strongroom.enclave.formats.outcome import Code, Leaf, outcome_root
from strongroom.enclave.member.founding import genesis_claims
from strongroom.enclave.primitives import HybridKey, Secret, SigningKey
from strongroom.enclave.proofs.genesis import pin_of

Change = Callable[[str, Any], Any]
"""(layer, what it would be) → what it is."""
SIGNERS_MAX = 1000
MEMBERS = ("member0", "member1", "member2")


def unchanged(_layer: str, value: Any) -> Any:
    """No change at any layer."""
    return value


@dataclass(frozen=True, slots=True)
class Forged:
    """A receipt's text, and a pin."""

    text: bytes
    pin: str


@cache
def applicants(count: int) -> list[Applicant]:
    """Validators of a forger's service."""
    return make_applicants(count)


@cache
def hybrid_key(name: str) -> bytes:
    """An epoch's public key."""
    return HybridKey(Secret(sha256(name.encode()).digest())).public


def vote_key(index: int, epoch: int) -> SigningKey:
    """Of a validator of an epoch after the first."""
    return key_named(f"forger's vote key {index} of epoch {epoch}")


class Service:
    """One service, one receipt: `kind` is ``plain``, ``epochs`` (two more) or ``recovered``."""

    def __init__(
        self, change: Change = unchanged, *, validators: int = 1, kind: str = "plain"
    ) -> None:
        self.change, self.kind = change, kind
        self.nodes = applicants(validators)
        self.genesis = self._genesis()
        self.chain = ChainId(sha256(self.genesis).digest())
        self.voters: list[SigningKey] = [one.keys.vote(FIRST_EPOCH) for one in self.nodes]
        pairs = tuple(
            (one.keys.node.public, one.keys.vote(FIRST_EPOCH).public) for one in self.nodes
        )
        self.description = self._description(0, pairs, sha256(hybrid_key("epoch 0")).digest())
        self.opened = genesis_header(
            chain=self.chain, description=self._digest_of(self.description), time_ms=CREATED_MS
        )
        self.height, self.head_digest = 0, self.opened.digest
        self.leaves = [genesis_leaf(self.opened).hash]
        self.epoch, self.entries = 0, list[Any]()

    # --- genesis ---

    def _genesis(self) -> bytes:
        policy = make_policy(self.nodes)
        members = {name: key_named(name) for name in MEMBERS}
        self.constitution = make_constitution(
            policy, members, roles=(("payments", "issuer", Digest(sha256(b"x").digest())),)
        )
        wire = codec.decode(self.constitution.encode())
        written = self.change("constitution bytes", codec.encode(self.change("constitution", wire)))
        evidence = tuple(self._evidence(one, written) for one in self.nodes)
        evidence = self.change("pieces of evidence", evidence)
        body = self.change("founded", (written, evidence, hybrid_key("epoch 0")))
        signed = labels.bound(
            labels.FOUNDING, ChainId(NO_DIGEST), sha256(codec.encode(body)).digest()
        )
        signature = self.nodes[0].keys.node.sign(signed)
        genesis = self.change("genesis", (labels.GENESIS, *body, signature))
        return bytes(self.change("genesis bytes", codec.encode(genesis)))

    def _evidence(self, node: Applicant, constitution: bytes) -> bytes:
        own = genesis_claims(
            node.keys,
            self.constitution,
            node=node.name,
            operator=node.operator,
            region=REGION,
            tls_key=Digest(sha256(node.name.encode()).digest()),
        )
        wire = list(codec.decode(own.encode()))
        wire[8] = sha256(constitution).digest()
        claims = self.change("claims bytes", codec.encode(self.change("claims", tuple(wire))))
        stated = (node.name, node.operator, node.chip.chip_id, MEASUREMENT, REGION)
        statement = self.change("statement bytes", codec.encode(self.change("statement", stated)))
        signature = node.operator_key.sign(deployment_bytes(statement))
        report_data = labels.labelled_digest(labels.CLAIMS, claims).ljust(64, b"\x00")
        report = self._report(node, report_data, statement)
        chain = node.chip.endorsements
        issuer, root = manufacturer()._intermediate._key, manufacturer()._root._key
        certificates = (
            self._certificate("vek", chain.vek, issuer),
            self._certificate("ask", chain.ask, root),
            self._certificate("ark", chain.ark, root),
        )
        made = (labels.EVIDENCE, "sev-snp", report, *certificates, claims, statement, signature)
        return bytes(self.change("evidence bytes", codec.encode(self.change("evidence", made))))

    def _report(self, node: Applicant, report_data: bytes, statement: bytes) -> bytes:
        body = node.chip.attest(
            report_data, measurement=MEASUREMENT, host_data=host_data(statement)
        )[:SIGNED_SIZE]
        body = bytes(self.change("report", body))
        r, s = self.change("report's signature", node.chip._key.sign(body))
        signature = r.to_bytes(COORDINATE_SIZE, "little") + s.to_bytes(COORDINATE_SIZE, "little")
        return bytes(self.change("report bytes", (body + signature).ljust(REPORT_SIZE, b"\x00")))

    def _certificate(self, name: str, der: bytes, key: rsa.RSAPrivateKey) -> bytes:
        """The certificate, signed anew if what is signed was changed."""
        read = x509.load_der_x509_certificate(der)
        tbs = read.tbs_certificate_bytes
        changed = bytes(self.change(name, tbs))
        if changed != tbs:
            algorithm = der[4 + len(tbs) : -len(read.signature) - 5]
            signature = key.sign(changed, PSS_384, SHA384())
            body = changed + algorithm + b"\x03\x82\x02\x01\x00" + signature
            der = b"\x30\x82" + len(body).to_bytes(2, "big") + body
        return bytes(self.change(f"{name} bytes", der))

    # --- blocks ---

    def _description(self, epoch: int, pairs: Sequence[Any], key_digest: bytes) -> bytes:
        return bytes(codec.encode((epoch, tuple(pairs), key_digest)))

    @staticmethod
    def _digest_of(description: bytes) -> Digest:
        return labels.labelled_digest(labels.EPOCH, description)

    def header(self, layer: str, *, following: Digest | None = None, **changes: Any) -> bytes:
        """The next header, encoded; it anchors everything that was executed."""
        cut = ((0, self.head_digest),) * len(self.voters)
        own = {
            "version": 1,
            "chain": self.chain,
            "epoch": self.epoch,
            "view": self.height + 1,
            "height": self.height + 1,
            "parent": self.head_digest,
            "proposer": 0,
            "time_ms": CREATED_MS + 10 * (self.height + 1),
            "cut": cut,
            "batch_count": 0,
            "batch_bytes": 0,
            "anchor": len(self.leaves) - 1,
            "root": merkle.root_of(self.leaves),
            "following": following or self._digest_of(self.description),
        }
        wire = self.change(layer, tuple((own | changes).values()))
        header = bytes(self.change(f"{layer} bytes", codec.encode(wire)))
        self.height, self.head_digest = (
            self.height + 1,
            labels.labelled_digest(labels.HEADER, header),
        )
        return header

    def certify(self, layer: str, view: int | None = None) -> tuple[Any, ...]:
        """A FINALIZE certificate of the newest header by a quorum, as fields."""
        size = len(self.voters)
        quorum = (size + (size - 1) // 3) // 2 + 1
        said = self.change(
            f"{layer}'s statement", (3, self.epoch, view or self.height, self.head_digest)
        )
        signers = self.change(f"{layer}'s signers", tuple(range(quorum)))
        if max(signers, default=0) > SIGNERS_MAX:
            raise ValueError("more bits than a bitmap of these tests has")
        kind, epoch, at, digest = said
        tail = bytes((kind,)) + epoch.to_bytes(8, "big") + at.to_bytes(8, "big") + digest
        message = labels.bound(labels.CONSENSUS, self.chain, tail)
        joined = b"".join(self.voters[one % size].sign(message) for one in signers)
        bits = sum(1 << one for one in set(signers))
        bitmap = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
        return tuple(self.change(layer, (*said, bitmap, joined)))

    def execute(self, leaf: HistoryLeaf) -> None:
        """One more height in the history."""
        self.leaves.append(leaf.hash)

    def end_epoch(self) -> None:
        """The next epoch, of the same nodes with new vote keys."""
        description, key = self._following()
        header = self.header("terminal", following=self._digest_of(description))
        certificate = self.certify("terminal certificate")
        self._open(header, certificate, description, key)

    def recover(self) -> None:
        """The epoch's enclaves are lost; two of three members open the next."""
        members = tuple(sorted((name, key_named(name).public) for name in MEMBERS))
        rules = self.change("rules", (1, 2, members, bytes(32), bytes(32)))
        digest = labels.labelled_digest(labels.RECOVERY_RULES, codec.encode(rules))
        bound = labels.labelled_digest(labels.RECOVERY_RULES_AT, NO_DIGEST + digest)
        at = len(self.leaves)
        parts = (Digest(b"b" * 32), Digest(b"o" * 32), bound, NO_DIGEST)
        self.execute(HistoryLeaf(at, *parts))  # type: ignore[arg-type]
        shown = HistoryLeaf(at, parts[0], parts[1], NO_DIGEST, NO_DIGEST)  # type: ignore[arg-type]
        tree = merkle.Tree(self.leaves)
        self.height = max(self.height, at)
        head = self.header("head")
        certificate = self.certify("head certificate")
        leaf = self.change("head leaf", shown.encode())
        path = tuple(tree.path(at, len(self.leaves)))
        lost_head = self.change("lost head", (head, certificate, leaf, path))
        description, key = self._following()
        cut = codec.decode(head)[8] if head else ()
        opening = self.header("opening", following=self._digest_of(description), cut=cut)
        evidence = tuple(sha256(b"evidence %d" % at).digest() for at in range(len(self.voters)))
        evidence = self.change("evidence of recovery", evidence)
        agreed = (1, digest, self.height - 1, labels.labelled_digest(labels.HEADER, head))
        agreed += (*codec.decode(opening)[11:13], self.head_digest, evidence)
        message = labels.bound(
            labels.RECOVERY_AGREEMENT,
            self.chain,
            codec.encode(self.change("agreed", agreed)),
        )
        keys = sorted((key_named(name) for name in MEMBERS[:2]), key=lambda one: one.public)
        agreements = tuple((one.public, one.sign(message)) for one in keys)
        agreements = self.change("agreements", agreements)
        made = (4, opening, lost_head, rules, evidence, description, key, agreements)
        self._open(opening, self.change("recovery", made), description, key)

    def _following(self) -> tuple[bytes, bytes]:
        epoch = self.epoch + 1
        key = hybrid_key(f"epoch {epoch}")
        pairs = tuple(
            (one.keys.node.public, vote_key(at, epoch).public) for at, one in enumerate(self.nodes)
        )
        wire = self.change("description", (epoch, pairs, sha256(key).digest()))
        return bytes(self.change("description bytes", codec.encode(wire))), key

    def _open(self, header: bytes, certificate: Any, description: bytes, key: bytes) -> None:
        self.entries.append(self.change("entry", (header, certificate, description, key)))
        self.description, self.epoch = description, self.epoch + 1
        self.voters = [vote_key(at, self.epoch) for at in range(len(self.nodes))]

    # --- the receipt ---

    def forged(self) -> Forged:
        """Run the service, and write its receipt."""
        while self.kind == "epochs" and self.epoch < 2:
            self.end_epoch()
        if self.kind == "recovered":
            self.recover()
        height = len(self.leaves)
        leaf = Leaf(sha256(b"t").digest(), Code.EXECUTED, Digest(b"r" * 32), NO_DIGEST)  # type: ignore[arg-type]
        others = [merkle.leaf_hash(bytes((at,))) for at in range(4)]
        tree = merkle.Tree([*others, leaf.hash])
        parts = (Digest(b"b" * 32), outcome_root(5, tree.root()), Digest(b"w" * 32), NO_DIGEST)
        self.execute(HistoryLeaf(height, *parts))  # type: ignore[arg-type]
        history = merkle.Tree(self.leaves)
        self.height = max(self.height, height)
        anchor = self.header("anchor")
        document = {
            "format": "strongroom-receipt",
            "version": 2 if self.entries else 1,
            "id": leaf.id.hex(),
            "height": height,
            "index": 4,
            "count": 5,
            "code": 0,
            "status": "executed",
            "result_digest": leaf.result_digest.hex(),
            "claim_digest": leaf.claim_digest.hex(),
            "outcome_path": [one.hex() for one in tree.path(4)],
            "block": parts[0].hex(),
            "write_set_digest": parts[2].hex(),
            "snapshot_root": parts[3].hex(),
            "history_path": [one.hex() for one in history.path(height)],
            "anchor": _base64(anchor),
            "certificate": _base64(codec.encode(self.certify("certificate"))),
            "genesis": _base64(self.genesis),
        }
        entries = self.change("entries", tuple(self.entries))
        if entries:
            document["epochs"] = [_base64(codec.encode(one)) for one in entries]
        document = self.change("document", document)
        text = json.dumps(document, indent=1).encode()
        pin = self.change("pin", pin_of(self.chain))
        return Forged(self.change("text", text), pin)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def receipt(change: Change = unchanged, *, validators: int = 1, kind: str = "plain") -> Forged:
    """The receipt of one service."""
    return Service(change, validators=validators, kind=kind).forged()
