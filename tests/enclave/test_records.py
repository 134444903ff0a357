"""Records: the rules, one by one."""

from hashlib import sha256

import pytest
from tests.enclave.chain import Chain, person

from strongroom.consensus import codec
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.formats.outcome import claim_digest
from strongroom.enclave.outside.client_sessions import Result
from strongroom.enclave.programs.records import CONTENTS_BYTES_MAX, TAGS_MAX


@pytest.fixture
def chain() -> Chain:
    return Chain()


def append(
    chain: Chain, contents: str, *, who: str = "alice", collection: str = "claims", **more: object
) -> Result:
    return chain.once(who, "records.append", collection=collection, contents=contents, **more)


def test_entries_are_numbered_from_1_in_each_collection(chain: Chain) -> None:
    assert append(chain, "first").value == {"sequence": 1}
    assert append(chain, "second").value == {"sequence": 2}
    assert append(chain, "other", collection="scans").value == {"sequence": 1}
    assert append(chain, "bob's", who="bob").value == {"sequence": 1}, (
        "collections are each owner's own"
    )
    entry = chain.ask("alice", "records.read", collection="/claims", sequence=2)
    assert entry == {
        "sequence": 2,
        "height": 2,
        "time_ms": chain.blocks[1].header.time_ms,
        "owner": "id:" + person("alice").id.hex(),
        "tags": [],
        "bytes": 6,
        "contents": "second",
    }


def test_only_the_owner_or_an_auditor_reads(chain: Chain) -> None:
    append(chain, "secret", tags=["x"])
    collection = f"id:{person('alice').id.hex()}/claims"
    for query, more in (
        ("read", {"sequence": 1}),
        ("list", {}),
        ("list", {"tag": "x"}),
        ("head", {}),
    ):
        assert (
            chain.refusal("bob", f"records.{query}", collection=collection, **more)
            == "not the owner"
        )
    for reader in ("alice", "auditor"):
        assert (
            chain.ask(reader, "records.read", collection=collection, sequence=1)["contents"]
            == "secret"
        )


def test_an_entry_that_is_not_there_is_refused_and_an_empty_collection_lists_nothing(
    chain: Chain,
) -> None:
    assert (
        chain.refusal("alice", "records.read", collection="/claims", sequence=1) == "no such entry"
    )
    assert chain.ask("alice", "records.list", collection="/claims") == []
    assert chain.ask("alice", "records.head", collection="/claims") == {
        "sequence": 0,
        "digest": "00" * 32,
    }


def test_a_list_goes_on_after_a_sequence_and_has_no_contents(chain: Chain) -> None:
    for number in range(1, 6):
        append(chain, "x" * number)
    listed = chain.ask("alice", "records.list", collection="/claims", after=1, limit=3)
    assert [(entry["sequence"], entry["bytes"]) for entry in listed] == [(2, 2), (3, 3), (4, 4)]
    assert not any("contents" in entry for entry in listed)
    assert chain.ask("alice", "records.list", collection="/claims", after=5) == []
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after": -1}):
        assert chain.refusal("alice", "records.list", collection="/claims", **wrong) == "limit"


def test_a_list_by_tag_has_that_tags_entries_alone(chain: Chain) -> None:
    for number, tags in enumerate((["a"], ["a", "b"], ["ab"], ["b", "a"], []), start=1):
        append(chain, str(number), tags=tags)
        append(chain, str(number), tags=tags, collection="other")

    def tagged(tag: str, **more: int) -> list[int]:
        return [
            entry["sequence"]
            for entry in chain.ask("alice", "records.list", collection="/claims", tag=tag, **more)
        ]

    assert (tagged("a"), tagged("b"), tagged("ab"), tagged("c")) == ([1, 2, 4], [2, 4], [3], [])
    assert (tagged("a", after=1), tagged("a", limit=2)) == ([2, 4], [1, 2])
    assert chain.ask("alice", "records.read", collection="/claims", sequence=4)["tags"] == [
        "b",
        "a",
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"collection": ""}, "collection"),
        ({"collection": "a/b"}, "collection"),
        ({"collection": "x" * 65}, "collection"),
        ({"tags": ["a\nb"]}, "tag"),
        ({"tags": [""]}, "tag"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"tags": [str(number) for number in range(TAGS_MAX + 1)]}, "tags"),
        ({"contents": "x" * (CONTENTS_BYTES_MAX + 1)}, "too large"),
        ({"contents": "é" * (CONTENTS_BYTES_MAX // 2 + 1)}, "too large"),
    ],
)
def test_what_is_no_entry_is_refused_whole(
    chain: Chain, arguments: dict[str, object], code: str
) -> None:
    given = {"collection": "claims", "contents": "x"} | arguments
    assert chain.once("alice", "records.append", **given).code == code
    assert chain.ask("alice", "records.head", collection="/claims")["sequence"] == 0


def test_the_largest_entry_can_be_sealed_appended_and_read(chain: Chain) -> None:
    assert append(chain, "é" * (CONTENTS_BYTES_MAX // 2), tags=["x" * 64] * 1).ok
    entry = chain.ask("alice", "records.read", collection="/claims", sequence=1)
    assert entry["bytes"] == CONTENTS_BYTES_MAX


def test_a_collections_head_is_a_chain_over_all_its_claims_in_order(chain: Chain) -> None:
    owner, head = person("alice").id, bytes(32)
    for number, tags in enumerate(((), ("t",)), start=1):
        append(chain, f"entry {number}", tags=list(tags))
        claim = codec.encode((owner, "claims", number, f"entry {number}", tags))
        head = sha256(b"strongroom/1/head-of-records\x00" + head + claim).digest()
        assert chain.ask("alice", "records.head", collection="/claims") == {
            "sequence": number,
            "digest": head.hex(),
        }


def test_T14_an_entrys_claim_is_on_the_ledger_blinded_and_its_sender_can_reveal_it(
    chain: Chain,
) -> None:
    session, envelope = chain.open(
        "alice",
        chain.call("records.append", collection="claims", contents="grade A", tags=["x"]),
        close=True,
    )
    outcome = chain.commit(envelope)
    result = session.open_result(0, transaction_id(envelope), outcome.result_at(0))
    claim = codec.encode((person("alice").id, "claims", 1, "grade A", ("x",)))
    ((position, public),) = outcome.claims
    assert result.blinding is not None
    assert (position, public) == (0, claim_digest(result.blinding, claim))
    assert public != claim_digest(bytes(32), claim)
