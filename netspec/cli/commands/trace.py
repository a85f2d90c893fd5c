"""`netspec trace`: one training step by hand, every number of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option, overrides_option, spec_argument, threads_option

if TYPE_CHECKING:
    import numpy.typing as npt

    from netspec.train.tracing import Trace, TracedLayer, TracedWeight

UNITS: Final = 8
"""Units of a layer that are shown, unless all are asked for."""

WEIGHTS: Final = 12
"""Numbers of one weight that are shown, unless all are asked for."""

WIDTH: Final = 80
"""Of lines where no terminal says how wide it is."""

MARGIN: Final = 20
"""Where the numbers of a list begin."""


@click.command(
    cls=Command,
    section="check",
    place=4,
    examples=[
        "netspec trace specs/backprop_example.yaml",
        "netspec trace specs/xor.yaml --row 2 --step 100",
        "netspec trace specs/digits.yaml --layer logits --all",
    ],
)
@spec_argument
@click.option("--row", type=click.IntRange(min=1), metavar="N", help="Row of the data, from 1; else the batch's first.")
@click.option("--step", type=click.IntRange(min=1), metavar="N", help="Step, from 1; else the row's first.")
@click.option("--layer", metavar="NAME", help="This layer or block alone.")
@click.option("--all", "show_all", is_flag=True, help="All units and weights, however many.")
@overrides_option
@threads_option
@json_option("Print one JSON object, with all units and weights.")
def command(
    *,
    spec: Path,
    row: int | None,
    step: int | None,
    layer: str | None,
    show_all: bool,
    overrides: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Print every number of one training step, as one would by hand.

    For one row of the step's batch: each unit's net input, output and delta, the derivative of the row's own loss by
    the net input with its sign turned. For the step: how every weight changes. The steps before it are trained first.
    Rows, steps and units are counted from 1.
    """
    from netspec import api
    from netspec.cli.progress import progress_for

    progress = progress_for(sys.stderr)
    try:
        traced = api.trace(
            spec, overrides=overrides, row=row, step=step, layer=layer, threads=threads, progress=progress
        )
    finally:
        progress.close()
    if as_json:
        streams.json_result(traced.summary())
    else:
        streams.result(describe(traced, streams.width_of(sys.stdout), show_all=show_all))


def describe(traced: Trace, width: int | None, *, show_all: bool = False) -> str:
    """Inputs and targets, the layers in their order, and what the step made of the output."""
    parts = [_head(traced, width, show_all)]
    parts += ["\n".join(_layer(layer, traced.rate is not None, width, show_all)) for layer in traced.layers]
    parts.append("\n".join(_outputs(traced, width, show_all)))
    return "\n\n".join(parts)


def _head(traced: Trace, width: int | None, show_all: bool) -> str:
    title, facts = f"{traced.name}: row {traced.row}", [("row", traced.place)]
    if traced.rate is not None:
        title = f"{traced.name}: step {traced.step} on row {traced.row}, batch of {traced.batch}"
        facts.append(("optimizer", f"{traced.optimizer}, learning rate {traced.rate:g}"))
    facts += [(f"input {name}", _listed(values, width, show_all)) for name, values in traced.inputs.items()]
    facts += [(f"target {name}", _target(value, width, show_all)) for name, value in traced.targets.items()]
    if traced.loss is not None:
        mean = f", the mean of the batch {_number(traced.mean_loss or 0.0)}" if traced.batch > 1 else ""
        facts.append(("loss", f"{_number(traced.loss)}{mean}"))
    return "\n".join([title, *_aligned(facts)])


def _outputs(traced: Trace, width: int | None, show_all: bool) -> Iterator[str]:
    for name, before in traced.before.items():
        facts = [("predicted", _listed(before, width, show_all))]
        if traced.rate is not None:
            facts.append(("after the step", _listed(traced.after[name], width, show_all)))
        yield f"{name}:"
        yield from _aligned(facts)


def _layer(layer: TracedLayer, steps: bool, width: int | None, show_all: bool) -> Iterator[str]:
    """The units of a layer, and below them its weights."""
    from netspec.cli.table import Column, table

    line = f", line {layer.line}" if layer.line else ""
    yield f"{layer.path}: {layer.kind}{line}"
    if layer.net is None:
        if layer.output is not None:
            yield from _aligned([("output", _listed(layer.output, width, show_all))])
    else:
        shown = {"net input": layer.net, "output": layer.output, "delta": layer.delta}
        columns = {name: array.reshape(-1) for name, array in shown.items() if array is not None}
        count = layer.net.size if show_all else min(UNITS, layer.net.size)
        names = _unit_names(layer.net.shape)
        rows = [[names[i], *(_number(array[i]) for array in columns.values())] for i in range(count)]
        yield _indented(table([Column("unit", "right"), *(Column(name, "right") for name in columns)], rows, width))
        if count < layer.net.size:
            yield f"  {_more(layer.net.size - count)} units"
    for weight in layer.weights:
        yield ""
        yield from _weight(weight, steps, width, show_all)


def _weight(weight: TracedWeight, steps: bool, width: int | None, show_all: bool) -> Iterator[str]:
    """The numbers of a weight, unit by unit, with their changes."""
    from netspec.cli.table import Column, table

    name = weight.key.rpartition(".")[2]
    before, change, after = weight.before, weight.change, weight.after
    # Unit by unit: a kernel is [in, units], and what one unit adds up stands together.
    order = _by_unit(before.shape)
    shown = order if show_all else order[:WEIGHTS]
    changes = bool(change.any())
    arrays = {"before": before, "change": change, "after": after} if changes else {"value": before}
    columns = [Column(name), *(Column(heading, "right") for heading in arrays)]
    rows = [[_index(at), *(_number(array[at]) for array in arrays.values())] for at in shown]
    yield _indented(table(columns, rows, width))
    if len(shown) < before.size:
        yield f"  {_more(before.size - len(shown))}" + (f"; {_largest(change)}" if changes else "")
    if steps and not changes:
        yield "  the step leaves them as they are"


def _by_unit(shape: Sequence[int]) -> list[tuple[int, ...]]:
    import numpy as np

    places = list(np.ndindex(*shape))
    return sorted(places, key=lambda at: at[::-1]) if len(shape) == 2 else places


def _index(at: Sequence[int]) -> str:
    """`2 -> 1` of a kernel: from the second input to the first unit."""
    return (" -> " if len(at) == 2 else ", ").join(str(i + 1) for i in at)


def _largest(change: npt.NDArray[Any]) -> str:
    import numpy as np

    at = np.unravel_index(int(np.argmax(np.abs(change))), change.shape)
    return f"the largest change is {_number(change[at])}, at {_index([int(i) for i in at])}"


def _unit_names(shape: Sequence[int]) -> list[str]:
    import numpy as np

    return [", ".join(str(i + 1) for i in at) for at in np.ndindex(*shape)]


def _listed(values: npt.NDArray[Any], width: int | None, show_all: bool) -> str:
    """The numbers on one line; or all of them, on as many as it takes."""
    import textwrap

    numbers = [_number(value) for value in values.reshape(-1)]
    room = (width or WIDTH) - MARGIN
    if show_all:
        return f"\n{' ' * MARGIN}".join(textwrap.wrap("  ".join(numbers), room))
    shown = numbers[:UNITS]
    while len(shown) > 1 and len("  ".join([*shown, _more(len(numbers) - len(shown))])) > room:
        shown.pop()
    return "  ".join([*shown, *([_more(len(numbers) - len(shown))] if len(shown) < len(numbers) else [])])


def _more(count: int) -> str:
    return f"... {count:,} more"


def _target(value: Any, width: int | None, show_all: bool) -> str:
    import numpy as np

    if isinstance(value, list) and value and isinstance(value[0], str):
        return " ".join(value)
    return value if isinstance(value, str) else _listed(np.asarray(value), width, show_all)


def _number(value: Any) -> str:
    """Six digits behind the point, as a hand-out has them; what is too small or large for that by its exponent."""
    size = abs(float(value))
    if float(value).is_integer() and size < 1e6:
        return str(int(value))
    return f"{value:.6f}" if 1e-4 <= size < 1e5 else f"{value:.4e}"


def _aligned(facts: Iterable[tuple[str, str]]) -> list[str]:
    facts = list(facts)
    return [f"  {name:{MARGIN - 4}}  {text}" for name, text in facts]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
