"""Purpose labels: the first bytes of everything that is signed, hashed or sealed (DESIGN §4).

One table, so that two purposes can never share a label by accident;
`tests/consensus/test_vocabulary.py` checks that no label is a prefix of another.
"""

from hashlib import sha256

from strongroom.consensus.types import ChainId, Digest

_VERSION = b"strongroom/1/"

CONSENSUS = _VERSION + b"consensus"
HEADER = _VERSION + b"header"
BATCH = _VERSION + b"batch"
STATUS = _VERSION + b"status"
HEAD = _VERSION + b"newest-head"
LINK = _VERSION + b"link"
EPOCH = _VERSION + b"epoch-description"
CONSTITUTION = _VERSION + b"constitution"
GENESIS = _VERSION + b"genesis"
FOUNDING = _VERSION + b"founding"
POLICY = _VERSION + b"policy"
EVIDENCE = _VERSION + b"evidence"
CLAIMS = _VERSION + b"claims"
DEPLOYMENT = _VERSION + b"deployment"
WRAP = _VERSION + b"wrap"
OFFERED_WRAP = _VERSION + b"secret-of-offer"
KEY_RELEASE = _VERSION + b"released-keys"
SESSION_OPENING = _VERSION + b"session-opening"
SESSION_CALL = _VERSION + b"call"
SESSION_BOX = _VERSION + b"session-box"
RESULT = _VERSION + b"result"
QUERY = _VERSION + b"query"
WRITE_SET = _VERSION + b"write-set"
SNAPSHOT = _VERSION + b"snapshot"
SNAPSHOT_CHUNK = _VERSION + b"chunk-of-snapshot"
BLINDING = _VERSION + b"blinding"
CLAIM = _VERSION + b"revealed"
LEAF = _VERSION + b"leaf"
OUTCOME = _VERSION + b"outcome"
WISH = _VERSION + b"wish"
HISTORY = _VERSION + b"history"
SEALED_STATE = _VERSION + b"sealed-state"
KEY_DERIVATION = _VERSION + b"derive"
MEASUREMENT = _VERSION + b"measurement"
IDENTITY = _VERSION + b"identity"
RECEIPT = _VERSION + b"receipt"
CALL_KEY = _VERSION + b"key-of-calls"
REPLY_KEY = _VERSION + b"key-of-replies"
QUERY_KEY = _VERSION + b"key-of-queries"
ANSWER_KEY = _VERSION + b"key-of-answers"
SIGNED_OPENING = _VERSION + b"signed-opening"
SIGNED_QUERY = _VERSION + b"signed-query"
SESSION_QUERY = _VERSION + b"asked-in-session"
RECORDS_HEAD = _VERSION + b"head-of-records"
STATE = _VERSION + b"state-digest"
PUBLIC_TRANSACTION = _VERSION + b"public-transaction"
OFFER = _VERSION + b"offer"
MEMBERS = _VERSION + b"members"
PROPOSAL = _VERSION + b"proposal"
CUSTODIAN_HALF = _VERSION + b"half-of-custodian"
CUSTODIAN_POINT = _VERSION + b"point-of-half"
CUSTODIAN_ANSWER = _VERSION + b"answer-of-custodian"
CUSTODIAN_JOURNAL = _VERSION + b"journal-of-custodian"
SPLIT_KEY = _VERSION + b"split-key"
VAULT_LEASE = _VERSION + b"lease"
VAULT_RELEASE = _VERSION + b"half-released"
VAULT_BOX = _VERSION + b"vault-box"
VAULT_SECRET = _VERSION + b"made-in-vault"
VAULT_PIECE = _VERSION + b"piece-of-key"
CONTAINER = _VERSION + b"container"
CONTAINER_BOX = _VERSION + b"sealed-piece"
CONTAINER_MARK = _VERSION + b"mark-of-piece"
CONTAINER_COMMITMENT = _VERSION + b"commitment-to-piece"
DATA_KEY_FILE = _VERSION + b"file-of-data-key"
VAULT_UNIT = _VERSION + b"unit"
VAULT_CHANGE = _VERSION + b"change-of-key"
VAULT_RECORDS = _VERSION + b"records-of-key"
ROOM_EVIDENCE = _VERSION + b"room-evidence"
ROOM_CLAIMS = _VERSION + b"room-claims"
ROOM_DEPLOYMENT = _VERSION + b"room-deployment"
ROOM_NOISE = _VERSION + b"noise-of-job"


def labelled_digest(label: bytes, data: bytes) -> Digest:
    """SHA-256 over a purpose label, a zero byte and the data."""
    return Digest(sha256(label + b"\x00" + data).digest())


def bound(label: bytes, chain: ChainId, data: bytes) -> bytes:
    """The bytes to sign or authenticate: label, zero byte, chain id (32 bytes), data."""
    return label + b"\x00" + chain + data
