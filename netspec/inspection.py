"""What a spec describes, without running it: layers with shapes, sizes and costs; and what the compiler made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netspec.compiler.graph import Graph
from netspec.compiler.graph.lowering import Loop
from netspec.diagnostics import Diagnostic, NetspecError, suggestion
from netspec.pipeline import Kind, Program
from netspec.spec.network import LayerNode, ValueRef
from netspec.spec.parameters import Parameter
from netspec.tensortype import Dim, Size, bind, sample_shape, total

if TYPE_CHECKING:
    from netspec.compiler.codegen.executable import Executable

PREDICTED_BATCH = 1

STATED_LENGTH = 32
"""How long samples are in what is told of memory and time, where the data decide."""


@dataclass(frozen=True)
class Compiled:
    """A spec as graphs and kernels; everything is made when it is asked for."""

    program: Program
    threads: int | None = None

    def summary(self) -> dict[str, Any]:
        """The facts of ``show --json``: layers, totals, memory."""
        return {
            "version": 1,
            "name": self.program.document.name,
            **_facts(self.program.counts()._asdict()),
            **_fact("macs", total(self._macs.get(node.path, 0) for node in self.program.document.network.nodes)),
            "augment": {name: list(given.items) for name, given in self.program.model.augmentations.items()},
            "peak_bytes": self.peaks(),
            "layers": self.layers(),
        }

    def layers(self) -> list[dict[str, Any]]:
        """The facts of each layer: name, kind, output shape, parameters, multiply-adds, line."""
        return [self._layer(node, self._macs.get(node.path, 0)) for node in self.program.document.network.nodes]

    def peaks(self) -> dict[str, dict[str, Any] | None]:
        """The most memory that training and prediction take; None where that is known only from the data."""
        return {"train": self._peak("step"), "predict": self._peak("predict")}

    def emit(self, what: str, after: str | None = None) -> str:
        """The graph of a step, or the kernels of its calls as text, LLVM's language or assembly.

        Raises:
            NetspecError: if ``after`` is no pass.
        """
        if what == "graph":
            return self._graph(after)
        executable = self._executable(self.kind, PREDICTED_BATCH)
        texts = []
        if what == "kernels":
            for number, phase in enumerate(executable.schedule.phases, 1):
                texts.append(f"# phase {number}, then a barrier")
                for each in phase:
                    place = each.node.origin
                    where = f"  # {place.path}" + (f", line {place.line}" if place.line else "") if place else ""
                    if isinstance(each, Loop):
                        texts.append(f"loop of {each.rounds} rounds{where}")
                    called = [f"{call.kernel.name}{where}\n" + _indented(call.kernel.text) for call in each.calls]
                    texts += [_indented(text) for text in called] if isinstance(each, Loop) else called
            return "\n".join(texts)
        from netspec.compiler.codegen.objects import assembly_text, llvm_text

        text_of = llvm_text if what == "llvm" else assembly_text
        return "\n".join(f"; {kernel.name}\n{text_of(kernel)}" for kernel in executable.kernels)

    @property
    def kind(self) -> Kind:
        """A training step where the spec says how to train, else a prediction."""
        document = self.program.document
        return "step" if document.losses and document.optimizer is not None else "predict"

    def _executable(self, kind: Kind, batch: int) -> Executable:
        from netspec.compiler.kernels import processor

        return self.program.executable(kind, processor.current().tile, few=self.program.few(kind, batch))

    def _graph(self, after: str | None) -> str:
        from netspec.compiler.graph.printer import show
        from netspec.compiler.kernels import processor

        seen: dict[str, Graph] = {"build": self.program.graph(self.kind)}
        if after != "build":
            kind = self.kind
            few = self.program.few(kind, PREDICTED_BATCH)
            self.program.executable(kind, processor.current().tile, after=seen.__setitem__, few=few)
        if after is None:
            return show(list(seen.values())[-1])
        if after not in seen:
            near = suggestion(after, seen)
            helps = (f"did you mean `{near}`?",) if near else ()
            notes = (f"there are {', '.join(f'`{name}`' for name in seen)}",)
            raise NetspecError(Diagnostic("unknown-pass", f"there is no pass `{after}`", notes=notes, helps=helps))
        return show(seen[after])

    def _layer(self, node: LayerNode, macs: Dim) -> dict[str, Any]:
        value = self.program.values.get(ValueRef(node.path))
        return {
            "name": node.path,
            "kind": node.kind,
            "output": None
            if value is None
            else [n if isinstance(n, int) else str(n) for n in sample_shape(value.type.shape)],
            **_fact("parameters", total(p.size for p in self._weights.get(node.path, ()) if not p.statistic)),
            **_fact("macs", macs),
            "line": node.line,
        }

    @cached_property
    def _weights(self) -> Mapping[str, Sequence[Parameter]]:
        """The weights of each layer by its path."""
        found: dict[str, list[Parameter]] = {}
        for parameter in self.program.parameters.values():
            found.setdefault(parameter.key.rpartition(".")[0], []).append(parameter)
        return found

    @cached_property
    def _macs(self) -> dict[str, Dim]:
        """Multiply-adds of each layer for one sample, by its path; those of auxiliary heads too, as of `expect`."""
        found: dict[str, Dim] = {}
        values = [(str(ref), value) for ref, value in self.program.values.items()]
        for node in Graph("values", (), tuple(values)).nodes:
            if node.origin is not None:
                count = bind(node.op.multiply_adds([value.type for value in node.inputs]), {"B": 1})
                found[node.origin.path] = found.get(node.origin.path, 0) + count
        return found

    def _peak(self, kind: Kind) -> dict[str, Any] | None:
        """All memory of a run but the stored data; None where its sizes wait for the data."""
        document = self.program.document
        train = kind == "step"
        if (train and self.kind != "step") or not self.program.fields.keys() >= set(self.program.inputs):
            return None
        batch = document.train.batch if train else PREDICTED_BATCH
        if batch == "full" or any(isinstance(p.size, Size) for p in self.program.parameters.values()):
            return None
        lengths = dict.fromkeys(self.program.lengths, STATED_LENGTH)
        sizes = {"B": batch, **lengths}
        threads = self.threads or self.program.threads(kind, sizes)
        count = self._executable(kind, batch).peak_bytes(sizes, threads, None if train else 1)
        return {"bytes": count, "batch": batch, "threads": threads, **({"lengths": lengths} if lengths else {})}


def _shape(shape: tuple[Dim, ...]) -> list[int | str]:
    """That of a sample; lengths by their names."""
    return [n if isinstance(n, int) else str(n) for n in sample_shape(shape)]


def _facts(values: Mapping[str, Dim]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _fact(name, value)
    return found


def _fact(name: str, value: Dim) -> dict[str, Any]:
    """A number; or null beside a formula where the data decide."""
    return {name: value} if isinstance(value, int) else {name: None, f"{name}_formula": str(value)}


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) + "\n"
