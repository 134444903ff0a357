"""RFC 6962 trees: against the definition, and against the vectors of transparency-dev/merkle when
they are present."""

import json
from base64 import b64decode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.enclave.formats.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    check_consistency,
    leaf_hash,
    root_from_path,
    root_of,
)

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "crypto" / "rfc6962"
with_vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="vectors are not beside the repository"
)
sizes = st.integers(1, 70)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def test_golden_roots() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (
        leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    assert root_of([leaf_hash(b""), leaf_hash(b"\x00")]).hex() == (
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    )


@given(size=st.integers(0, 70))
def test_batched_root_tree_and_frontier_agree_with_the_definition(size: int) -> None:
    leaves, frontier = leaves_of(size), Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert root_of(leaves) == defined_root(leaves) == frontier.root
    tree = Tree(leaves)
    assert [tree.root(n) for n in range(size + 1)] == [
        defined_root(leaves[:n]) for n in range(size + 1)
    ]


@given(size=st.integers(0, 70), data=st.data())
def test_a_tree_made_in_one_go_goes_on_as_one_that_grew(size: int, data: Any) -> None:
    leaves, first = leaves_of(size), data.draw(st.integers(0, size))
    tree, grown = Tree(leaves[:first]), Tree()
    for leaf in leaves[first:]:
        tree.append(leaf)
    for leaf in leaves:
        grown.append(leaf)
    assert tree._levels == grown._levels


@given(size=sizes, data=st.data())
def test_every_leaf_has_a_path_to_every_root_above_it(size: int, data: Any) -> None:
    tree = Tree(leaves_of(70))
    index = data.draw(st.integers(0, size - 1))
    assert root_from_path(
        leaf_hash(str(index).encode()), index, size, tree.path(index, size)
    ) == tree.root(size)


@given(size=sizes, data=st.data())
@settings(max_examples=200)
def test_a_changed_path_leads_elsewhere_or_is_refused(size: int, data: Any) -> None:
    tree = Tree(leaves_of(70))
    index = data.draw(st.integers(0, size - 1))
    path = list(tree.path(index, size))
    kind = data.draw(st.sampled_from(["longer", "shorter", "other hash", "other leaf", "beyond"]))
    leaf = leaf_hash(str(index).encode())
    if kind == "longer":
        path.append(leaf)
    elif kind == "shorter" and path:
        path.pop()
    elif kind == "other hash" and path:
        path[data.draw(st.integers(0, len(path) - 1))] = leaf_hash(b"other")
    elif kind == "beyond":
        index = size + data.draw(st.integers(0, 3))
    else:
        leaf = leaf_hash(b"other")
    with suppress(ReceiptInvalid):
        assert root_from_path(leaf, index, size, path) != tree.root(size)


def test_a_path_of_another_length_is_refused() -> None:
    tree = Tree(leaves_of(7))
    for index in range(7):
        path, leaf = tree.path(index), leaf_hash(str(index).encode())
        for wrong in (path[:-1], (*path, leaf), ()):
            with pytest.raises(ReceiptInvalid):
                root_from_path(leaf, index, 7, wrong)


@given(old=sizes, more=st.integers(0, 40))
def test_a_tree_is_consistent_with_all_its_beginnings_and_no_other(old: int, more: int) -> None:
    tree = Tree(leaves_of(110))
    new = old + more
    proof = tree.consistency(old, new)
    check_consistency(old, tree.root(old), new, tree.root(new), proof)
    with pytest.raises(ReceiptInvalid):
        check_consistency(old, leaf_hash(b"x"), new, tree.root(new), proof)
    with pytest.raises(ReceiptInvalid):
        check_consistency(old, tree.root(old), new, leaf_hash(b"x"), proof)
    with pytest.raises(ReceiptInvalid):
        check_consistency(old, tree.root(old), new, tree.root(new), [*proof, leaf_hash(b"x")])


def test_no_consistency_from_nothing_or_backwards() -> None:
    tree = Tree(leaves_of(4))
    for old, new in ((0, 4), (3, 2)):
        with pytest.raises(ReceiptInvalid):
            check_consistency(old, tree.root(old), new, tree.root(new), ())


def vectors(name: str) -> list[dict[str, Any]]:
    path = VECTORS / name
    loaded: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return loaded


def proof_of(vector: dict[str, Any]) -> list[bytes]:
    return [b64decode(item) for item in vector["proof"] or []]


@with_vectors
@pytest.mark.parametrize("vector", vectors("inclusion.json"), ids=lambda vector: vector["name"])
def test_inclusion_vectors(vector: dict[str, Any]) -> None:
    leaf, root = b64decode(vector["leafHash"]), b64decode(vector["root"])

    def verify() -> bool:
        return root_from_path(leaf, vector["leafIdx"], vector["treeSize"], proof_of(vector)) == root

    if not vector["wantErr"]:
        assert verify()
        return
    with suppress(ReceiptInvalid):
        assert not verify()


@with_vectors
@pytest.mark.parametrize("vector", vectors("consistency.json"), ids=lambda vector: vector["name"])
def test_consistency_vectors(vector: dict[str, Any]) -> None:
    arguments = (
        vector["size1"],
        b64decode(vector["root1"]),
        vector["size2"],
        b64decode(vector["root2"]),
    )
    if vector["wantErr"]:
        with pytest.raises(ReceiptInvalid):
            check_consistency(*arguments, proof_of(vector))
    else:
        check_consistency(*arguments, proof_of(vector))


@with_vectors
def test_tree_head_vectors() -> None:
    head = json.loads((VECTORS / "ct-8-leaf-roots.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in head["leaves"]]
    assert [root_of(leaves[:size]).hex() for size in range(9)] == head["roots"]


@given(sizes, sizes)
def test_whoever_goes_on_from_the_frontier_of_any_size_comes_to_the_same_roots(
    first: int, more: int
) -> None:
    leaves = leaves_of(first + more)
    tree = Tree(leaves)
    frontier = tree.frontier(first)
    assert (frontier.size, frontier.root) == (first, tree.root(first))
    for size, leaf in enumerate(leaves[first:], first + 1):
        frontier.append(leaf)
        assert frontier.root == tree.root(size)
    assert Tree().frontier(0).root == EMPTY_ROOT
