"""Who dials whom, and where (DESIGN §6)."""

from strongroom.consensus.types import PublicKey
from strongroom.node.config import Address, Peer
from strongroom.node.network.address_book import PeerAddress, PeerBook

A, B, C, D = (PublicKey(bytes([number]) * 32) for number in range(1, 5))


def address(port: int) -> Address:
    return Address("127.0.0.1", port)


def book(own: PublicKey) -> PeerBook:
    made = PeerBook(own)
    made.configure(
        [Peer(name, address(port)) for name, port in (("a", 1001), ("b", 1002), ("c", 1003))],
        KEYS.get,
    )
    return made


KEYS = {"a": A, "b": B, "c": C}
MEMBERS = frozenset((A, B, C))


def test_between_members_the_smaller_key_dials_and_a_newcomer_dials_all_members() -> None:
    assert set(book(A).wanted(MEMBERS)) == {B, C}
    assert set(book(B).wanted(MEMBERS)) == {C}
    assert set(book(D).wanted(MEMBERS)) == {A, B, C}


def test_what_the_ledger_says_of_a_node_is_newer_than_the_configuration() -> None:
    made = book(A)
    made.learn(
        [
            PeerAddress(B, "b", "", "10.0.0.2:7400"),
            PeerAddress(C, "c", "", ""),
            PeerAddress(D, "d", "", "10.0.0.4:7400"),
        ]
    )
    wanted = made.wanted(MEMBERS | {D})
    assert wanted == {B: Address("10.0.0.2", 7400), C: address(1003), D: Address("10.0.0.4", 7400)}


def test_a_pinned_address_stays_whatever_the_ledger_says() -> None:
    made = PeerBook(A)
    made.configure(
        [Peer("b", address(1002), pinned=True), Peer("late", address(1009), pinned=True)], KEYS.get
    )
    for _ in range(2):
        made.learn(
            [PeerAddress(B, "b", "", "10.0.0.2:7400"), PeerAddress(D, "late", "", "10.0.0.4:7400")]
        )
    assert made.wanted(frozenset((A, B, D))) == {B: address(1002), D: address(1009)}


def test_a_configured_peer_that_genesis_does_not_know_is_found_by_its_registered_name() -> None:
    made = PeerBook(A)
    made.configure([Peer("late", address(1009))], KEYS.get)
    assert made.wanted(frozenset((A, D))) == {}
    made.learn([PeerAddress(D, "late", "", "")])
    assert made.wanted(frozenset((A, D))) == {D: address(1009)}


def test_T31_an_address_that_is_none_changes_nothing() -> None:
    made = book(A)
    made.learn([PeerAddress(B, "b", "", "nonsense")])
    assert made.wanted(MEMBERS)[B] == address(1002)
