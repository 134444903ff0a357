"""A forest of decision trees in LightGBM's text, version 4: written in one way, read strictly.

Owns the text and the walk down the trees. The text holds what a prediction needs and no more:
LightGBM's own also tells each column's least and greatest value and the rows of each leaf; here the
contract's bounds stand instead, and no count. LightGBM reads it; nothing else has to.
"""

import re
from dataclasses import dataclass

import numpy as np

from strongroom.enclave.room.library.learning import Feature, Reals, Truths
from strongroom.enclave.room.library.shapes import ProgramRefused

FOREST_BYTES_MAX = 16 * 1024 * 1024
FOREST_TREES_MAX = 1_000
TREE_LEAVES_MAX = 255
LEAF_DIGITS = 9
"""After the point, of a leaf's value."""
THRESHOLD_DIGITS = 12
"""Significant ones: thresholds have a column's unit."""
THRESHOLD_MAX = 1e300
_DEFAULT_LEFT = 2
_GAPS = 8
"""Of a decision: a gap goes its default way. Without it, no gap was seen."""
_DECISIONS = (0, _DEFAULT_LEFT, _GAPS, _GAPS | _DEFAULT_LEFT)
_HEAD = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx={last}
objective=binary sigmoid:1
feature_names={names}
feature_infos={bounds}
"""
_TREE = """
Tree={place}
num_leaves={leaves}
num_cat=0
split_feature={columns}
threshold={thresholds}
decision_type={decisions}
left_child={left}
right_child={right}
leaf_value={values}
is_linear=0
shrinkage=1

"""
_END = "\nend of trees\n"
_FIELDS = ("columns", "thresholds", "decisions", "left", "right", "values")
_TREE_LINES = re.compile(
    re.sub(r"\\{(\w+)\\}", r"(?P<\1>[0-9eE.+ -]*)", re.escape(_TREE)), re.ASCII
)
_HEAD_LINES = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^\n]*)", re.escape(_HEAD)), re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Tree:
    """Nodes are numbers from 0; a leaf as a child is -1 for leaf 0, -2 for leaf 1, …"""

    columns: tuple[int, ...]
    thresholds: tuple[float, ...]
    """At most this: left."""
    decisions: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    values: tuple[float, ...]
    """Of the leaves."""

    def check(self, width: int) -> None:
        """Check that it is a tree over so many columns.

        Raises:
            ValueError: it is none.
        """
        nodes = len(self.columns)
        per_node = (self.thresholds, self.decisions, self.left, self.right)
        if any(len(one) != nodes for one in per_node) or len(self.values) != nodes + 1:
            raise ValueError
        if nodes >= TREE_LEAVES_MAX or not set(self.decisions) <= set(_DECISIONS):
            raise ValueError
        if not all(0 <= column < width for column in self.columns):
            raise ValueError
        for node, children in enumerate(zip(self.left, self.right, strict=True)):
            if any(0 <= child <= node for child in children):
                raise ValueError
        children_once = set(range(1, nodes)) | {-leaf for leaf in range(1, nodes + 2)}
        if nodes and sorted((*self.left, *self.right)) != sorted(children_once):
            raise ValueError

    def score(self, values: Reals) -> Reals:
        """The leaf's value of each row. A child comes after its parent, so one pass is enough."""
        found = np.full(len(values), self.values[0])
        rows = {0: np.arange(len(values))}
        for node, (column, threshold) in enumerate(zip(self.columns, self.thresholds, strict=True)):
            here = rows.pop(node)
            value = values[here, column]
            gap_left = self.decisions[node] & _DEFAULT_LEFT > 0
            goes_left = np.where(np.isnan(value), gap_left, value <= threshold)
            for child, part in (
                (self.left[node], here[goes_left]),
                (self.right[node], here[~goes_left]),
            ):
                if child < 0:
                    found[part] = self.values[-1 - child]
                else:
                    rows[child] = part
        return found


@dataclass(frozen=True, slots=True, repr=False)
class Forest:
    """Trees over named columns."""

    features: tuple[Feature, ...]
    trees: tuple[Tree, ...]

    def score(self, values: Reals) -> Reals:
        """Logit of each row."""
        total = np.zeros(len(values))
        for tree in self.trees:
            total += tree.score(values)
        return total

    def check_gaps(self, values: Reals) -> None:
        """Check that gaps lie only where the trees learned from gaps.

        Raises:
            ProgramRefused: one lies elsewhere.
        """
        for column in self._strict():
            if np.isnan(values[:, column]).any():
                name = self.features[column].name
                raise ProgramRefused("gaps", f"this model tells nothing about rows without {name}")

    def tells(self, values: Reals) -> Truths:
        """Of which rows it tells something: their gaps lie where the trees learned from gaps."""
        return np.asarray(~np.isnan(values[:, self._strict()]).any(axis=1))

    def encode(self) -> bytes:
        """The one text of these trees."""
        head = _HEAD.format(
            last=len(self.features) - 1,
            names=" ".join(one.name for one in self.features),
            bounds=" ".join(map(_bounds, self.features)),
        )
        trees = [
            _TREE.format(
                place=place,
                leaves=len(tree.values),
                columns=_integers(tree.columns),
                thresholds=" ".join(f"{one:.{THRESHOLD_DIGITS}g}" for one in tree.thresholds),
                decisions=_integers(tree.decisions),
                left=_integers(tree.left),
                right=_integers(tree.right),
                values=" ".join(repr(round(one, LEAF_DIGITS) + 0.0) for one in tree.values),
            )
            for place, tree in enumerate(self.trees)
        ]
        return (head + "".join(trees) + _END).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Forest":
        """Read it; only the very bytes that `encode` would write are one.

        Raises:
            ProgramRefused: they are none.
        """
        try:
            if len(data) <= FOREST_BYTES_MAX:
                forest = cls._decoded(data.decode("ascii"))
                if forest.encode() == data:
                    return forest
        except (ValueError, OverflowError, ProgramRefused):
            pass
        raise ProgramRefused("model", "the bytes are no forest in the text that is read here")

    @classmethod
    def _decoded(cls, text: str) -> "Forest":
        head = _HEAD_LINES.match(text)
        if head is None:
            raise ValueError
        names, bounds = head["names"].split(" "), head["bounds"].split(" ")
        features = tuple(
            Feature.parse(f"{name} {_as_written(one)}")
            for name, one in zip(names, bounds, strict=True)
        )
        trees = []
        place = head.end()
        while match := _TREE_LINES.match(text, place):
            numbers = {name: match[name].split(" ") if match[name] else [] for name in _FIELDS}
            tree = Tree(
                columns=tuple(map(int, numbers["columns"])),
                thresholds=tuple(map(float, numbers["thresholds"])),
                decisions=tuple(map(int, numbers["decisions"])),
                left=tuple(map(int, numbers["left"])),
                right=tuple(map(int, numbers["right"])),
                values=tuple(map(float, numbers["values"])),
            )
            tree.check(len(features))
            if not all(abs(one) <= THRESHOLD_MAX for one in (*tree.thresholds, *tree.values)):
                raise ValueError
            trees.append(tree)
            if len(trees) > FOREST_TREES_MAX:
                raise ValueError
            place = match.end()
        return cls(features, tuple(trees))

    def _strict(self) -> list[int]:
        """Columns of which a decision was made without a gap having been seen."""
        return sorted(
            {
                column
                for tree in self.trees
                for column, decision in zip(tree.columns, tree.decisions, strict=True)
                if not decision & _GAPS
            }
        )


def _integers(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


def _bounds(feature: Feature) -> str:
    """As LightGBM writes a column's range, or its categories."""
    written = feature.text.partition(" ")[2]
    if feature.categories:
        return written.strip("{}").replace(",", ":")
    return f"[{written.replace('..', ':')}]"


def _as_written(bounds: str) -> str:
    if bounds.startswith("[") and bounds.endswith("]"):
        return bounds[1:-1].replace(":", "..")
    return "{" + bounds.replace(":", ",") + "}"
