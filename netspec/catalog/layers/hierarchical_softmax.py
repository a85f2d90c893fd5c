"""A softmax as a tree of yes-or-no decisions, of which a word needs only those on the way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from pydantic import Field

from netspec.catalog.fields import Count
from netspec.catalog.head import Head
from netspec.catalog.initializers import GlorotUniform, Zeros
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.losses.sampled import Linear
from netspec.catalog.losses.targets import total
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.lookup import Lookup
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.transpose import Transpose
from netspec.data.fieldtype import FieldType
from netspec.tensortype import Dim, ShapeError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

DEPTH: Final = 24
"""The longest way from the root to a word: a graph is built before the counts are known, and reads ways of this length.

Classes are numbers below 2**24, the whole numbers of float32, so that a tree of them is never higher than it has to be.
"""
STRIDES: Final = (1, 2, 4, 8, 16)
"""How many edges at once are added up on the way to all words: after five sums that is 32, more than `DEPTH`."""


@dataclass(frozen=True)
class Tree(Head):
    """Decisions of the inner nodes over ``V`` classes, for each of ``R`` rows."""

    linear: Linear
    """The product behind the decisions, a column for each inner node."""
    path: Value
    """``int32[V, DEPTH]``, the inner nodes on the way from each class to the root; behind the root -1."""
    code: Value
    """``float32[V, DEPTH]``, on which side of each the class lies, 1 or -1; behind the root 0."""

    logits: ClassVar[bool] = True

    @property
    def rows(self) -> Dim:
        return self.linear.x.type.shape[0]

    def check(self, target: FieldType) -> None:
        if target.kind not in ("category", "index"):
            raise ShapeError(f"`hierarchical_softmax` tells a class, of a tree of classes, and its target is {target}")

    def loss(self, g: Scope, target: Value) -> Value:
        nodes, code = g.add(Lookup(), self.path, target), g.add(Lookup(), self.code, target)
        scores = self.linear.scores(g, nodes)
        return total(g, apply(g, "where(c == 0, 0, softplus(-c * s))", c=code, s=scores))

    def probabilities(self, g: Scope, value: Value) -> Value:
        return apply(g, "exp(s)", s=value)


class HierarchicalSoftmax(Layer):
    r"""$\log p(c) = \sum_{n \in \mathrm{path}(c)} \log \sigma(d_{nc} z_n)$: each class by its path from a tree's root.

    The tree is that of Huffman over the counts of the classes in training, so that frequent ones are near its root; no
    path is longer than 24. Each inner node $n$ decides by $\sigma(z_n)$, of $z = x W + b$, to which side ($d_{nc}$ is 1
    or -1), and the product of these probabilities over the path is $p(c)$: over all classes they sum to 1.

    `negative_log_likelihood` trains it by $-\log p(c)$. Training computes the nodes on the path alone, and a step
    changes only their columns. Metrics read the logarithms of all probabilities as the scores of a softmax; prediction
    gives the probabilities.

    Shapes: ``[in] -> [classes]``; ``[T, in] -> [T, classes]`` with the same weights at every place of the length axes.

    Weights: ``kernel`` ``[in, classes - 1]``, a column for each inner node, from glorot_uniform; ``bias``
    ``[classes - 1]``, from zeros.

    Example:
        inputs: {x: [8]}
        layers: [{dense: 6}, {hierarchical_softmax: 5}]

    Reference: Morin & Bengio 2005, Hierarchical probabilistic neural network language model; Mikolov et al. 2013,
    Distributed representations of words and phrases and their compositionality; Huffman 1952, A method for the
    construction of minimum-redundancy codes.
    """

    kind: ClassVar[str] = "hierarchical_softmax"
    classes: Count = Field(description="How many classes the target has.", json_schema_extra={"main": True})
    bias: bool = Field(default=True, description="Whether each decision has a learned bias.")

    @property
    def needs_target(self) -> bool:
        return True

    def constants(self, target: FieldType, counts: Sequence[int]) -> Mapping[str, Array]:
        import numpy as np

        parent, sign = tree(counts)
        path, code = paths(parent, sign)
        column = np.where(parent < 0, -1, parent - len(counts))
        found = {"path": path, "code": code, "column": column, "sign": sign[:, None]}
        for stride in STRIDES:
            found[f"up_{stride}"] = parent
            parent = np.where(parent < 0, -1, parent[parent])
        return found

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        *others, features = fixed(self.kind, x)
        if others:
            raise ShapeError(
                f"`{self.kind}` acts on the last axis and length axes before it, got {shown(x)}",
                "put `- flatten` before it",
            )
        if self.classes == 1:
            raise ShapeError(f"`{self.kind}` decides between classes, got a single one")
        inner = self.classes - 1
        kernel = g.parameter("kernel", (features, inner), GlorotUniform(), (features, inner))
        linear = Linear(x, kernel, g.parameter("bias", (inner,), Zeros()) if self.bias else None)
        way = (self.classes, DEPTH)
        g.head = Tree(linear, g.constant("path", way, "int32"), g.constant("code", way))
        return self._of_all(g, linear)

    def _of_all(self, g: Scope, linear: Linear) -> Value:
        """The logarithms of all probabilities, ``float32[R, classes]``.

        Each node's edge first, then by steps of 1, 2, 4, ... what is added up above it.
        """
        nodes = self.classes * 2 - 1
        z = g.add(Contract(), linear.x, linear.kernel)
        if linear.bias is not None:
            z = apply(g, "z + b", z=z, b=linear.bias)
        column, sign = g.constant("column", (nodes,), "int32"), g.constant("sign", (nodes, 1))
        edges = g.add(Lookup(), g.add(Transpose((1, 0)), z), column)
        sums = apply(g, "where(d == 0, 0, -softplus(-d * z))", d=sign, z=edges)
        for stride in STRIDES:
            above = g.constant(f"up_{stride}", (nodes,), "int32")
            sums = apply(g, "s + a", s=sums, a=g.add(Lookup(), sums, above))
        return g.add(Transpose((1, 0)), g.add(Slice(0, 0, self.classes), sums))


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
