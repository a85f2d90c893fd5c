"""A softmax as a tree of yes-or-no decisions, of which a word needs only those on the way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.sampled import linear_behind
from netspec.catalog.losses.targets import total
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops import Lookup, Slice, Transpose, apply
from netspec.data.fieldtype import FieldType
from netspec.tensortype import Dim, DType, ShapeError, TensorType

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

DEPTH: Final = 24
"""The longest way from the root to a word: a graph is built before the counts are known, and reads ways of this length.

Classes are numbers below 2**24, the whole numbers of float32, so that a tree of them is never higher than it has to be.
"""
STRIDES: Final = (1, 2, 4, 8, 16)
"""How many edges at once are added up on the way to all words: after five sums that is 32, more than `DEPTH`."""


class HierarchicalSoftmax(Loss):
    r"""$-\sum_{n \in \mathrm{path}(c)} \log \sigma(d_{nc} z_n)$: the path from the root of a tree to the class $c$.

    The tree is that of Huffman over the counts of the classes in training, so that frequent ones are near its root; no
    path is longer than 24. Each inner node $n$ decides by $\sigma(z_n)$ to which side ($d_{nc}$ is 1 or -1), and the
    product of these probabilities over the path is $p(c)$: over all classes they sum to 1.

    It reads a linear dense layer of a unit for each class. Of V classes a tree has V - 1 inner nodes, whose scores are
    the first units; the last one is not used. Training computes the nodes on the path alone, and a step changes only
    their columns. Metrics and prediction see the probabilities of all classes.

    Shapes: ``[V]`` against a class ``[]``; ``[T, V]`` against ``[T]``.

    Example:
        {hierarchical_softmax: {target: word}}

    Reference: Morin & Bengio 2005, Hierarchical probabilistic neural network language model; Mikolov et al. 2013,
    Distributed representations of words and phrases and their compositionality; Huffman 1952, A method for the
    construction of minimum-redundancy codes.
    """

    kind: ClassVar[str] = "hierarchical_softmax"

    @property
    def takes_logits(self) -> bool:
        return True

    @property
    def samples_scores(self) -> bool:
        return True

    @property
    def predicts_by_constants(self) -> bool:
        return True

    def check(self, output: TensorType, target: FieldType) -> None:
        if target.kind not in ("category", "index"):
            raise ShapeError(f"`{self.kind}` needs a class as its target, of a tree of classes, got {target}")
        if output.rank < 2 or output.channels == 1:
            raise ShapeError(f"`{self.kind}` needs a score for each class, got a single output")
        super().check(output, target)

    def constants(self, counts: Sequence[int]) -> Mapping[str, Array]:
        import numpy as np

        parent, sign = tree(counts)
        path, code = paths(parent, sign)
        column = np.where(parent < 0, -1, parent - len(counts))
        found = {"path": path, "code": code, "column": column, "sign": sign[:, None]}
        for stride in STRIDES:
            found[f"up_{stride}"] = parent
            parent = np.where(parent < 0, -1, parent[parent])
        return found

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        linear, shape = linear_behind(self.kind, output), (output.type.channels, DEPTH)
        nodes = g.add(Lookup(), self._constant(g, "path", shape, "int32"), target)
        code = g.add(Lookup(), self._constant(g, "code", shape), target)
        return total(g, apply(g, "where(c == 0, 0, softplus(-c * s))", c=code, s=linear.scores(g, nodes)))

    def scores(self, g: Scope, output: Value) -> Value:
        """The logarithms of all probabilities: as scores of a softmax they give these.

        Each node's edge first, then by steps of 1, 2, 4, ... what is added up above it.
        """
        values = output.type.channels
        nodes = values * 2 - 1
        column, sign = self._constant(g, "column", (nodes,), "int32"), self._constant(g, "sign", (nodes, 1))
        edges = g.add(Lookup(), g.add(Transpose((1, 0)), output), column)
        sums = apply(g, "where(d == 0, 0, -softplus(-d * z))", d=sign, z=edges)
        for stride in STRIDES:
            above = self._constant(g, f"up_{stride}", (nodes,), "int32")
            sums = apply(g, "s + a", s=sums, a=g.add(Lookup(), sums, above))
        return g.add(Transpose((1, 0)), g.add(Slice(0, 0, values), sums))

    def probabilities(self, g: Scope, output: Value) -> Value:
        return apply(g, "exp(s)", s=self.scores(g, output))

    def _constant(self, g: Scope, name: str, shape: tuple[Dim, ...], dtype: DType = "float32") -> Value:
        return g.graph.input(f"{g.path}.{name}", TensorType(dtype, shape), "constant")


def tree(counts: Sequence[int]) -> tuple[Array, Array]:
    """Huffman's tree over V classes, none deeper than `DEPTH`.

    Returns:
        Of each node its parent, ``int64[2 * V - 1]``, and on which side of it that is, 1 or -1. The first V nodes are
        the classes, the last one is the root, whose parent is -1 and whose side is 0.
    """
    import numpy as np

    weights, least = np.maximum(np.asarray(counts, np.int64), 1), 1
    while True:
        parent, sign = _huffman(weights)
        if _height(parent) <= DEPTH:
            return parent, sign
        least *= 2  # rare classes are deep: as many are taken for less rare as it needs
        weights = np.maximum(weights, least)


def paths(parent: Array, sign: Array) -> tuple[Array, Array]:
    """From each class up to the root the inner nodes, counted from 0, ``int32[V, DEPTH]``; behind the root -1.

    And on which side of each it lies, ``float32[V, DEPTH]``; behind the root 0.
    """
    import numpy as np

    values = (len(parent) + 1) // 2
    path, code = np.full((values, DEPTH), -1, np.int32), np.zeros((values, DEPTH), np.float32)
    at = np.arange(values)
    for step in range(DEPTH):
        goes_on = parent[at] >= 0
        path[goes_on, step], code[goes_on, step] = parent[at[goes_on]] - values, sign[at[goes_on]]
        at = np.where(goes_on, parent[at], at)
    return path, code


def _huffman(weights: Array) -> tuple[Array, Array]:
    """`tree` without a bound: the two lightest of all that have no parent get one, among equals the classes first.

    Inner nodes are made in the order of their weights, so both kinds are queues, and no heap is needed.
    """
    import numpy as np

    values = len(weights)
    order = np.argsort(weights, kind="stable").tolist()
    parent, sign = np.full(2 * values - 1, -1, np.int64), np.zeros(2 * values - 1, np.float32)
    heavy = weights.tolist()
    leaf, inner = 0, values
    for made in range(values, 2 * values - 1):
        heavy.append(0)
        for side in (1, -1):
            if leaf < values and (inner == made or heavy[order[leaf]] <= heavy[inner]):
                node, leaf = order[leaf], leaf + 1
            else:
                node, inner = inner, inner + 1
            parent[node], sign[node] = made, side
            heavy[made] += heavy[node]
    return parent, sign


def _height(parent: Array) -> int:
    """The most edges between the root and any node."""
    depths = [0] * len(parent)
    above = parent.tolist()
    for node in range(len(parent) - 2, -1, -1):  # a parent is made after its children
        depths[node] = depths[above[node]] + 1
    return max(depths)
