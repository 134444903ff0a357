"""The sealed link between two rooms of a crew, and hosts that carry what they like (T45, T68)."""

from typing import Any

import pytest
from tests.enclave.room.crew.sealed import JOB, Pair, joined, link, room, shows

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import Digest
from strongroom.enclave.room.crew.link import RECORD_BYTES_MAX, LinkBroken, Place


def refuses(pair: Pair, reason: str) -> LinkBroken:
    """Both ends speak until one refuses; neither takes or says anything then."""
    with pytest.raises(LinkBroken) as told:
        pair.settle()
    assert told.value.reason == reason
    return told.value


def test_what_one_room_says_the_other_reads_and_nobody_between() -> None:
    pair = joined()
    assert pair.a.ready
    assert pair.b.ready
    sealed = [pair.a.seal(b"rows of bank A"), pair.a.seal(b"")]
    assert b"rows" not in b"".join(sealed)
    assert [pair.b.receive(one)[1] for one in sealed] == [[b"rows of bank A"], [b""]]
    assert pair.a.receive(pair.b.seal(b"back"))[1] == [b"back"]


def test_two_links_of_the_same_rooms_have_other_keys() -> None:
    first, second = joined(), joined()
    assert first.a.seal(b"same") != second.a.seal(b"same")


def test_T68_a_record_that_comes_twice_breaks_the_link() -> None:
    pair = joined()
    record = pair.a.seal(b"once")
    pair.b.receive(record)
    with pytest.raises(LinkBroken, match="record"):
        pair.b.receive(record)
    with pytest.raises(LinkBroken):
        pair.b.receive(pair.a.seal(b"next"))
    with pytest.raises(LinkBroken):
        pair.b.seal(b"answer")


def test_T68_records_in_another_order_break_the_link() -> None:
    pair = joined()
    _, second = pair.a.seal(b"first"), pair.a.seal(b"second")
    with pytest.raises(LinkBroken, match="record"):
        pair.b.receive(second)


@pytest.mark.parametrize("at", [0, 5, -1])
def test_T68_a_changed_record_breaks_the_link(at: int) -> None:
    pair = joined()
    record = bytearray(pair.a.seal(b"rows"))
    record[at] ^= 1
    with pytest.raises(LinkBroken, match="record"):
        pair.b.receive(bytes(record))


def test_T68_a_record_that_comes_back_is_not_taken_for_the_others() -> None:
    pair = joined()
    with pytest.raises(LinkBroken, match="record"):
        pair.a.receive(pair.a.seal(b"mine"))


def test_T68_a_record_of_another_link_is_none_of_this_one() -> None:
    first, second = joined(), joined()
    with pytest.raises(LinkBroken, match="record"):
        second.b.receive(first.a.seal(b"rows"))


def test_T68_a_link_that_is_cut_off_is_not_an_end() -> None:
    pair = joined()
    pair.b.receive(pair.a.seal(b"half"))
    with pytest.raises(LinkBroken, match="truncated"):
        pair.b.cut()
    whole = joined()
    whole.b.receive(whole.a.seal(b"all"))
    whole.b.receive(whole.a.finish())
    whole.b.cut()
    assert whole.b.ended
    with pytest.raises(LinkBroken, match="ended"):
        whole.a.seal(b"more")
    with pytest.raises(LinkBroken):
        whole.b.receive(b"more")


def test_T68_a_handshakes_own_words_that_come_back_are_refused() -> None:
    end = link("w0", 0, 1)
    hello = end.start()
    with pytest.raises(LinkBroken, match="reflected"):
        end.receive(hello)


def test_T68_a_room_is_no_member_beside_itself() -> None:
    assert "this room itself" in str(refuses(Pair(link("w0", 0, 1), link("w0", 1, 0)), "evidence"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"measurement": bytes(48)}, "measurement"),
        ({"region": "elsewhere"}, "region"),
        ({"program": "other"}, "swname"),
    ],
)
def test_T50_a_room_of_other_code_place_or_program_is_no_member(
    changes: dict[str, Any], named: str
) -> None:
    pair = Pair(link("w0", 0, 1), link("w1", 1, 0, **changes))
    assert named in str(refuses(pair, "evidence"))


def test_T53_a_room_of_another_operator_is_no_member() -> None:
    pair = Pair(link("w0", 0, 1), link("stranger", 1, 0))
    assert "operator" in str(refuses(pair, "evidence"))


def test_T68_evidence_for_another_job_or_member_is_refused() -> None:
    other = Pair(link("w0", 0, 1), link("w1", 1, 0, job=bytes(32)))
    assert "nonce" in str(refuses(other, "evidence"))
    assert "nonce" in str(refuses(Pair(link("w0", 0, 2), link("w1", 1, 0)), "evidence"))


def test_T68_evidence_of_an_earlier_handshake_is_refused() -> None:
    old = Pair(link("w0", 0, 1), link("w1", 1, 0))
    old.step()
    shown = old.to_a[-1]
    new = Pair(link("w0", 0, 1), link("w1", 1, 0))
    new.step()
    new.to_a[-1] = shown
    assert "nonce" in str(refuses(new, "evidence"))


def test_T68_a_share_that_a_host_made_opens_nothing() -> None:
    """The host replaces a share by one of another handshake: the keys never agree."""
    other = Pair(link("w2", 0, 1), link("w1", 1, 0))
    other.step()
    other.step()
    pair = Pair(link("w0", 0, 1), link("w1", 1, 0))
    pair.step()
    pair.step()
    pair.to_b[-1] = other.to_b[-1]
    refuses(pair, "evidence")


@pytest.mark.parametrize("words", [b"", b"\x00", b"x" * 70_000])
def test_T68_what_is_no_message_is_refused(words: bytes) -> None:
    end = link("w0", 0, 1)
    end.start()
    with pytest.raises(LinkBroken, match="order"):
        end.receive(words)


def test_T68_each_way_has_a_key_of_its_own() -> None:
    pair, zeros = joined(), bytes(64)
    assert pair.a.seal(zeros)[:-16] != pair.b.seal(zeros)[:-16]


def test_T68_evidence_that_comes_twice_is_refused() -> None:
    pair = Pair(link("w0", 0, 1), link("w1", 1, 0))
    pair.step()
    shown = pair.to_a[-1]
    pair.step()
    with pytest.raises(LinkBroken, match="order"):
        pair.a.receive(shown)


def test_T68_messages_out_of_turn_are_refused() -> None:
    pair = Pair(link("w0", 0, 1), link("w1", 1, 0))
    hello = pair.to_b[-1]
    pair.step()
    with pytest.raises(LinkBroken, match="order"):
        pair.b.receive(hello)


def test_nothing_is_sealed_before_the_other_has_shown_that_it_has_the_keys() -> None:
    pair = Pair(link("w0", 0, 1), link("w1", 1, 0))
    for _ in range(3):
        with pytest.raises(LinkBroken):
            pair.a.seal(b"too early")
        pair.step()


def test_a_record_is_bounded_and_a_place_has_two_ends() -> None:
    pair = joined()
    with pytest.raises(NotCanonical):
        pair.a.seal(bytes(RECORD_BYTES_MAX + 1))
    with pytest.raises(LinkBroken):
        pair.b.receive(bytes(RECORD_BYTES_MAX + 100))
    with pytest.raises(NotCanonical):
        Place(chain=room("w0").claims().chain, job=JOB, own=1, peer=1)
    assert repr(pair.a) == "SealedLink(0, 1)"


def test_evidence_is_over_the_nonce_and_not_over_a_block() -> None:
    bench = room("w1")
    pair = Pair(link("w0", 0, 1), link("w1", 1, 0))
    pair.step()
    pair.to_a[-1] = codec.encode((2, shows(bench)(Digest(bytes(32)))))
    refuses(pair, "evidence")
