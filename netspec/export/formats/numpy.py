"""One file of Python that reads like a textbook and needs nothing but NumPy."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from netspec.data.sources.csv import Csv
from netspec.export.format import Answer, Format, Model, Samples
from netspec.export.python import encode, places, windows  # noqa: F401  their rules join those of the graph
from netspec.export.python.encode import Encode
from netspec.export.python.expressions import listed, packed, quoted
from netspec.export.python.forward import Forward
from netspec.runs.files import write_bytes, write_text

if TYPE_CHECKING:
    from netspec.export.format import Array

INSIDE: Final = 100
"""Numbers of a network that stand in the file itself; more go into an archive beside it."""


class Numpy(Format):
    """A Python file: raw rows in, predictions out. Its weights stand in it, or in an ``.npz`` beside it if many."""

    name: ClassVar[str] = "numpy"
    suffix: ClassVar[str] = ".py"
    importable: ClassVar[bool] = True

    def write(self, model: Model, path: Path) -> list[Path]:
        arrays = {**model.weights, **_scaling(model)}
        beside = sum(array.size for array in arrays.values()) > INSIDE
        write_text(path, _file(model, path.stem, None if beside else arrays))
        if not beside:
            return [path]
        import io

        import numpy as np

        archive = io.BytesIO()
        np.savez(archive, allow_pickle=False, **arrays)
        write_bytes(path.with_suffix(".npz"), archive.getvalue())
        return [path, path.with_suffix(".npz")]

    def run(self, model: Model, path: Path, samples: Samples) -> Mapping[str, Array]:
        """By importing the file and calling its functions; raw rows go through its own encoding."""
        import numpy as np

        module = _imported(path)
        inputs = [samples.inputs[name] for name in model.inputs]
        if samples.rows is not None:
            inputs = list(module["encode"](samples.rows))
        found = module["forward"](*inputs)
        named = found if isinstance(found, dict) else {next(iter(model.answers)): found}
        return {name: np.asarray(array) for name, array in named.items()}


def _imported(path: Path) -> dict[str, Any]:
    """The names of a file that was run, as an import would; it is what `write` wrote a moment ago."""
    import runpy

    return runpy.run_path(str(path))


def _scaling(model: Model) -> dict[str, Array]:
    """The fitted arrays that the graph reads and that are more than one number, which stands in the text."""
    read = {key: model.constants[key] for key in model.constants if key in model.graph.by_key}
    return {key: array for key, array in read.items() if array.size > 1}


def _file(model: Model, module: str, weights: Mapping[str, Array] | None) -> str:
    forward, raw = Forward(model).write(), Encode(model).write()
    helpers = list({**forward.writer.helpers, **raw.writer.helpers}.values())
    cells = [encode.HELPERS[name] for name in raw.helpers]
    uses = "\n".join([*helpers, *cells, *raw.lines, *forward.lines])
    standard = [name for name in ("csv", "datetime", "math", "sys") if name in ("csv", "sys") or f"{name}." in uses]
    missing = f"MISSING = {listed(['', *raw.missing])}\n" if "MISSING" in uses else ""
    imports = [f"import {name}" for name in standard] + ["from pathlib import Path"] * (weights is None)
    parts = [
        _head(model, module),
        "\n".join([*imports, "", "import numpy as np"]),
        _weights(weights) + (f"\n{missing}" if missing else ""),
        *(f"\n{text}" for text in (*helpers, *cells)),
        _encode(model, raw),
        _forward(model, forward),
        _predict(model, forward),
        _main(model),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _head(model: Model, module: str) -> str:
    return (
        f'"""{model.name}, a trained network in NumPy alone; written by netspec from {model.origin}.\n\n'
        f"    from {module} import predict\n"
        f"    predict(rows)  # maps from columns to cells, as csv.DictReader gives them\n\n"
        f"From the command line: python {module}.py rows.csv\n"
        '"""\n'
    )


def _weights(weights: Mapping[str, Array] | None) -> str:
    if weights is None:
        return '# Weights by their paths in the spec.\nW = dict(np.load(Path(__file__).with_suffix(".npz")))\n'
    lines = ["# Weights by their paths in the spec.", "W = {"]
    for name, array in weights.items():
        lines += f'"{name}": np.array({_literal(array.tolist(), array)}, np.float32),'.splitlines()
    return "\n".join([*lines[:2], *(f"    {line}" for line in lines[2:]), "}"]) + "\n"


def _literal(values: Any, array: Array) -> str:
    """Nested lists of the shortest texts that read back as the same float32."""
    if isinstance(values, list):
        return packed(_literal(value, array) for value in values)
    return str(array.dtype.type(values))


def _encode(model: Model, raw: Encode) -> str:
    named = ", ".join(raw.results[name] for name in model.inputs)
    lines = [*raw.lines, f"return ({named},)" if len(raw.results) == 1 else f"return {named}"]
    doc = '"""The arguments of `forward` for raw rows, each a map from columns to cells."""'
    return f"\ndef encode(rows):\n{_indented([doc, *lines])}\n"


def _forward(model: Model, forward: Forward) -> str:
    shapes = [_shape(model, name) for name in model.inputs]
    named = ", ".join(f"`{forward.arguments[name]}` {shape}" for name, shape in zip(model.inputs, shapes, strict=True))
    doc = f'"""What the network computes of {named}, n rows at once."""'
    results = forward.results
    if len(results) == 1:
        last = f"return {next(iter(results.values()))}"
    else:
        last = "return {" + ", ".join(f'"{name}": {text}' for name, text in results.items()) + "}"
    return f"\ndef forward({', '.join(forward.arguments.values())}):\n{_indented([doc, *forward.lines, last])}\n"


def _shape(model: Model, name: str) -> str:
    shape = model.fitted.fields[name].type.shape or ()
    return f"[{', '.join(['n', *map(str, shape)])}]"


def _predict(model: Model, forward: Forward) -> str:
    several = len(model.answers) > 1
    lines = ['"""A map for every row: classes with their probabilities, or numbers."""']
    lines += ["outputs = forward(*encode(rows))", "answers = [{} for _ in rows]"]
    for name, answer in model.answers.items():
        values = f'outputs["{name}"]' if several else "outputs"
        lines.append(f"for answer, y in zip(answers, {values}.reshape(len(rows), -1).tolist()):")
        lines += [f"    {line}" for line in _answer(answer, _width(model, name))]
    lines.append("return answers")
    return f"\ndef predict(rows):\n{_indented(lines)}\n"


def _width(model: Model, output: str) -> int:
    shape = dict(model.graph.outputs)[output].type.shape[1:]
    size = 1
    for n in shape:
        size *= n if isinstance(n, int) else 1
    return size


def _answer(answer: Answer, width: int) -> Sequence[str]:
    name, classes = answer.name, list(answer.classes)
    if not classes:
        if width == 1:
            return [f'answer["{name}"] = y[0]']
        return [f'answer.update({{f"{name}.{{i}}": value for i, value in enumerate(y)}})']
    lines = [f"classes = {listed(classes)}"]
    if len(classes) == 2 and width == 1:
        lines.append("y = [1 - y[0], y[0]]")
    return [
        *lines,
        f'answer["{name}"] = classes[y.index(max(y))]',
        f'answer.update({{f"{name}={{c}}": p for c, p in zip(classes, y)}})',
    ]


def _main(model: Model) -> str:
    """Reading a CSV file as the source of the spec does, and writing what is predicted as another."""
    data = model.document.data
    form = data.source if data and isinstance(data.source, Csv) else Csv(path="")
    options = ["file"]
    if form.delimiter != ",":
        options.append(f"delimiter={quoted(form.delimiter)}")
    if form.quote != '"':
        options.append("quoting=csv.QUOTE_NONE" if form.quote == "none" else f"quotechar={quoted(form.quote)}")
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
    lines = ["if len(sys.argv) != 2:", "    sys.exit(__doc__)"]
    lines += [f'with open(sys.argv[1], newline="", encoding="{encoding}") as file:']
    if form.header:
        lines.append(f"    rows = list(csv.DictReader({', '.join(options)}))")
    else:
        names = listed(form.columns) if form.columns else '[f"c{i}" for i in range(1, len(line) + 1)]'
        cells = f"[dict(zip({names}, line)) for line in csv.reader({', '.join(options)}) if line]"
        lines.append(f"    rows = {cells}")
    lines += ["answers = predict(rows)", 'writer = csv.DictWriter(sys.stdout, answers[0], lineterminator="\\n")']
    lines += ["writer.writeheader()", "writer.writerows(answers)"]
    return f'\nif __name__ == "__main__":\n{_indented(lines)}\n'


def _indented(lines: Sequence[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")
