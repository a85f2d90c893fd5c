"""What metrics collect of each sample."""

from __future__ import annotations

from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import product


def side_by_side(g: Scope, *parts: Value) -> Value:
    """All numbers of each part, one part after the other: ``float32[B, K]``."""
    flat = []
    for part in parts:
        batch, *others = part.type.shape
        flat.append(part if len(others) == 1 else g.add(Reshape((batch, product(others))), part))
    return flat[0] if len(flat) == 1 else g.add(Concat(1), *flat)
