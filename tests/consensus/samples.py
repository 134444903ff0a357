"""One fixed value of everything that has bytes; its encoding is frozen in golden.json."""

from hashlib import sha256

from strongroom.consensus.batches import Batch, BatchHeader, encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.equivocation import BatchEvidence, Proof, VoteEvidence, encode_evidence
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.history import HistoryLeaf
from strongroom.consensus.host_messages import (
    EpochMessage,
    EpochRequest,
    Keys,
    KeysChallenge,
    KeysProof,
    KeysRequest,
    OutcomeRequest,
    Outcomes,
    SnapshotChunk,
    SnapshotRequest,
    Submit,
)
from strongroom.consensus.justifications import Justification
from strongroom.consensus.messages import (
    BatchMessage,
    BatchRequest,
    BlockMessage,
    BlockRequest,
    CertificateMessage,
    CertificateRequest,
    Forward,
    HeadRequest,
    Justify,
    Message,
    Propose,
    Range,
    RangeRequest,
    Status,
    StatusBody,
    VoteMessage,
    encode_message,
)
from strongroom.consensus.recovery import Agreement, LostHead, RecoveryCertificate, RecoveryRules
from strongroom.consensus.replica.events import (
    CandidateRecord,
    CastRecord,
    CertificateRecord,
    FinalRecord,
    Record,
)
from strongroom.consensus.replica.records import encode_record
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import (
    NO_DIGEST,
    ChainId,
    Digest,
    Epoch,
    Height,
    Lane,
    Milliseconds,
    PublicKey,
    Sequence,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription, Validator


def digest(name: str) -> Digest:
    return Digest(sha256(name.encode()).digest())


def signature(number: int) -> Signature:
    return Signature(bytes([number]) * 64)


PAYLOAD = encode_payload([b"envelope one", b"envelope two"])
BATCH_HEADER = BatchHeader(
    epoch=Epoch(3),
    lane=Lane(2),
    sequence=Sequence(7),
    previous=digest("previous"),
    count=2,
    size=len(PAYLOAD),
    payload_digest=Digest(sha256(PAYLOAD).digest()),
)
BATCH = Batch(BATCH_HEADER, PAYLOAD, signature(1))
HEADER = Header(
    chain=ChainId(digest("chain")),
    epoch=Epoch(3),
    view=View(300),
    height=Height(70_000),
    parent=digest("parent"),
    proposer=SignerIndex(1),
    time_ms=Milliseconds(1_700_000_000_000),
    cut=(LaneTip(Sequence(0), digest("anchor")), LaneTip(Sequence(8), BATCH_HEADER.digest)),
    batch_count=1,
    batch_bytes=len(PAYLOAD),
    anchor=Anchor(Height(69_990), digest("root")),
    next_epoch=digest("epoch"),
)
STATEMENTS = {
    "notarize": Statement(Kind.NOTARIZE, Epoch(3), View(300), HEADER.digest),
    "nullify": Statement(Kind.NULLIFY, Epoch(3), View(299), NO_DIGEST),
    "finalize": Statement(Kind.FINALIZE, Epoch(3), View(300), HEADER.digest),
}
VOTE = Vote(STATEMENTS["notarize"], SignerIndex(2), signature(2))


def certificate(name: str) -> Certificate:
    signers = (SignerIndex(0), SignerIndex(2), SignerIndex(9))
    return Certificate(
        STATEMENTS[name], signers, tuple(signature(10 + signer) for signer in signers)
    )


JUSTIFICATION = Justification(certificate("notarize"), (certificate("nullify"),))
EPOCH = EpochDescription(
    epoch=Epoch(3),
    validators=tuple(
        Validator(node_key=PublicKey(bytes([i]) * 32), vote_key=PublicKey(bytes([i + 100]) * 32))
        for i in range(4)
    ),
    public_key_digest=digest("public key"),
)
EPOCH_ENTRY = EpochEntry(HEADER, certificate("finalize"), EPOCH, bytes(range(256)) * 4 + bytes(192))
RECOVERY = RecoveryCertificate(
    opening=HEADER,
    head=LostHead(
        header=HEADER,
        certificate=certificate("finalize"),
        leaf=HistoryLeaf(Height(7), *(digest(name) for name in ("b", "o", "w", "s"))),
        path=(digest("p"), digest("q")),
    ),
    rules=RecoveryRules(
        generation=2,
        threshold=2,
        members=(("a", PublicKey(bytes([1]) * 32)), ("b", PublicKey(bytes([2]) * 32))),
        shares=digest("shares"),
        policy=digest("policy"),
    ),
    evidence=(b"evidence " * 9, digest("evidence")),
    description=EPOCH,
    public_key=EPOCH_ENTRY.public_key,
    agreements=(Agreement(PublicKey(bytes([1]) * 32), signature(5)),),
)
HEAD_BODY = HeadBody(
    bytes(range(32)), Epoch(3), HEADER, certificate("finalize"), certificate("notarize"), (VOTE,)
)
STATUS_BODY = StatusBody(
    Epoch(3),
    View(301),
    View(300),
    Height(70_000),
    HEADER.digest,
    Height(69_999),
    (Sequence(0), Sequence(9)),
    Height(1),
)
MESSAGES: dict[str, Message] = {
    "PROPOSE": Propose(HEADER, View(300), JUSTIFICATION, VOTE),
    "PROPOSE on the anchor": Propose(HEADER, View(1), Justification(None, ()), VOTE),
    "BATCH": BatchMessage(BATCH),
    "FORWARD": Forward(BATCH, (SignerIndex(0), SignerIndex(3), SignerIndex(200))),
    "VOTE": VoteMessage(VOTE),
    "CERT": CertificateMessage(certificate("nullify")),
    "JUSTIFY": Justify(
        Epoch(3), View(301), (certificate("finalize"), certificate("nullify")), (VOTE,)
    ),
    "HEAD_REQ": HeadRequest(bytes(range(32))),
    "HEAD": Head(HEAD_BODY, PublicKey(bytes([7]) * 32), signature(3)),
    "STATUS": Status(STATUS_BODY, signature(4)),
    "CERT_REQ": CertificateRequest(Epoch(3), View(17)),
    "BATCH_REQ": BatchRequest((digest("a"), digest("b"))),
    "BLOCK_REQ": BlockRequest((digest("a"),)),
    "BLOCK": BlockMessage(HEADER),
    "RANGE_REQ": RangeRequest(Height(5)),
    "RANGE": Range(((HEADER, (BATCH,)), (HEADER, ())), certificate("finalize")),
    "EPOCH_REQ": EpochRequest(Epoch(2)),
    "EPOCH": EpochMessage((EPOCH_ENTRY,)),
    "EPOCH of none": EpochMessage(()),
    "OUTCOME_REQ": OutcomeRequest(Height(70_000)),
    "OUTCOMES": Outcomes(Height(70_000), (b"one outcome", b"another")),
    "SUBMIT": Submit(b"envelope"),
    "KEYS_REQ": KeysRequest(),
    "KEYS_CHALLENGE": KeysChallenge(bytes(range(32))),
    "KEYS_PROOF": KeysProof(b"evidence"),
    "KEYS": Keys(b"wrapped"),
    "SNAP_REQ": SnapshotRequest(Height(70_000), 3),
    "SNAP": SnapshotChunk(Height(70_000), 3, 4, b"chunk"),
}
EVIDENCE: dict[str, Proof] = {
    "votes": VoteEvidence(VOTE, Vote(STATEMENTS["nullify"], SignerIndex(2), signature(5))),
    "batches": BatchEvidence(BATCH_HEADER, signature(1), BATCH_HEADER, signature(6)),
}
RECORDS: dict[str, Record] = {
    "CAST": CastRecord(STATEMENTS["nullify"]),
    "CERTIFICATE": CertificateRecord(certificate("notarize")),
    "CANDIDATE": CandidateRecord(HEADER),
    "FINAL": FinalRecord(HEADER, certificate("finalize")),
}


def encodings() -> dict[str, str]:
    """Every sample's bytes, by name, in hex; long ones as a digest with their size."""
    chain = ChainId(digest("chain"))
    found: dict[str, bytes] = {
        "header": HEADER.encoded,
        "header digest": HEADER.digest,
        "batch digest": BATCH_HEADER.digest,
        "batch signed bytes": BATCH_HEADER.signed_bytes(chain),
        "epoch description": EPOCH.encode(),
        "epoch digest": EPOCH.digest,
        "head signed bytes": HEAD_BODY.signed_bytes(chain),
        "status signed bytes": STATUS_BODY.signed_bytes(chain),
    }
    found |= {
        f"statement {name}": statement.signed_bytes(chain) for name, statement in STATEMENTS.items()
    }
    found |= {f"message {name}": encode_message(message) for name, message in MESSAGES.items()}
    found |= {f"evidence {name}": encode_evidence(evidence) for name, evidence in EVIDENCE.items()}
    for name, record in RECORDS.items():
        kind, payload = encode_record(record)
        found[f"record {name}"] = bytes((kind,)) + payload
    return {name: data.hex() for name, data in found.items()}
