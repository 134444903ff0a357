"""A newcomer who searches docs/where.md by the words of a question lands at the right file and
function.

The reader here knows nothing: it opens the line that shares most words with the question, then the
next one. How many lines it opens until file and function are the right ones is its number of
guesses.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEAN_GUESSES_MAX = 1.3
LINE_GUESSES_MAX = 3
SMALL = """a an and at be by does for from how in is it its made may of on or that the to when where
who which what whose with happens happen"""

QUESTIONS = [
    ("when does an epoch end", "node/ordering/participant.py", "_opened"),
    ("who decides that an epoch ends", "enclave/governance/succession.py", "consider"),
    ("where is a vote's signature made", "enclave/member/voting.py", "VoteSigner.cast"),
    ("where is a vote signed", "enclave/member/voting.py", "VoteSigner.cast"),
    ("where is a batch cut", "node/mempool/mempool.py", "Mempool.next_batch"),
    ("how is a batch made of envelopes", "node/mempool/mempool.py", "Mempool.next_batch"),
    ("what happens to a duplicate request", "node/mempool/mempool.py", "Mempool.submit"),
    ("a duplicate of an executed request", "enclave/sessions/sessions.py", "Session.refusal"),
    ("who answers a duplicate request", "node/mempool/waiters.py", "Waiters.settle"),
    ("what of a repeated transaction", "enclave/sessions/sessions.py", "Session.refusal"),
    ("where does fsync happen", "node/ledger/durable_writer.py", "FrameWriter.sync"),
    ("what must be durable before a vote", "node/ordering/turn.py", "Turn.effects"),
    (
        "who may open a session",
        "enclave/sessions/session_admission.py",
        "SessionAdmission.way_of",
    ),
    (
        "where is an envelope's form checked before batching",
        "node/api/screening.py",
        "Screen.faults",
    ),
    ("where is a lie of a peer punished", "enclave/governance/registry.py", "convict"),
    ("where is a peer's broken message counted", "node/ordering/inbox.py", "Inbox.note_fault"),
    ("how is a read made linearizable", "enclave/execution/queries.py", "_check_fresh"),
    ("who remembers a linearizable query", "enclave/member/freshness.py", "Freshness.since"),
    ("what does the host do for a linearizable query", "node/api/queries.py", "_overcome"),
    ("what is measured", "enclave/platform/measurement.py", "UNMEASURED"),
    ("who compares what was applied with a quorum's anchor", "enclave/member/member.py", "confirm"),
    ("who asks for fsync", "node/execution/pipeline.py", "record_outcomes"),
    ("how does a wish reach a header", "consensus/replica/blocktree.py", "newest_anchor"),
    ("which height of a snapshot does a giver offer", "node/sync/snapshot_fetch.py", "_newest"),
    (
        "where is the anchor of an outcome certified",
        "consensus/replica/validity.py",
        "execution_flaw",
    ),
    ("where does a joiner prove itself", "enclave/governance/admission.py", "attest"),
    ("how does a joiner get keys", "enclave/member/key_release.py", "KeyRelease.give"),
    ("where are input secrets erased", "enclave/keys/keyring.py", "Keyring.forget_input"),
    ("how is a snapshot chosen", "node/sync/snapshots.py", "Snapshots.restore"),
    ("where is a quota enforced", "node/rpc/quota.py", "Account.charge"),
    ("who decides a view change", "consensus/replica/replica.py", "Replica._nullify"),
    ("where is a payment checked", "enclave/programs/payments.py", "transfer"),
    (
        "where is the certificate of an outcome made",
        "consensus/replica/validity.py",
        "execution_flaw",
    ),
    ("where are members' votes counted", "enclave/governance/proposals.py", ""),
]


def rows() -> list[tuple[str, str]]:
    """(what a line asks, the whole line); a line that goes on with … is of the one before."""
    found: list[tuple[str, str]] = []
    for line in (ROOT / "docs/where.md").read_text().splitlines():
        if line.startswith("| ") and "`" in line:
            asked = line.split("|")[1].strip()
            before = found[-1][0] if asked.startswith("…") else ""
            found.append((f"{before} {asked}", line))
    return found


def stems(text: str) -> set[str]:
    """Words without their endings, as an eye that skims compares them."""
    words = re.findall(r"[a-z]+", text.lower().replace("'s", ""))
    return {
        re.sub(r"(ing|ed|es|s|e)$", "", word)[:7] for word in words if word not in SMALL.split()
    }


def guesses(question: str, file: str, name: str) -> int:
    """How many lines are opened until the right one."""
    wanted = stems(question)
    order = sorted(rows(), key=lambda row: (-len(wanted & stems(row[0])), len(stems(row[0]))))
    right = [at for at, (_, line) in enumerate(order, 1) if file in line and name in line]
    return right[0] if right else len(order)


@pytest.mark.parametrize(("question", "file", "name"), QUESTIONS)
def test_a_question_leads_to_its_file_and_function(question: str, file: str, name: str) -> None:
    assert guesses(question, file, name) <= LINE_GUESSES_MAX


def test_a_newcomer_guesses_hardly_more_than_once() -> None:
    counted = [guesses(*question) for question in QUESTIONS]
    assert sum(counted) / len(counted) <= MEAN_GUESSES_MAX
