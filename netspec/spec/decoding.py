"""The `decode` section: which input is fed with what the network chose, and whether it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from netspec.catalog.fields import Positive
from netspec.compiler.graph import Value
from netspec.diagnostics import Note, Report, Span, suggestion
from netspec.spec.binding import Binding
from netspec.spec.network import LayerNode, Network, NetworkInput, ValueRef
from netspec.spec.scope import Scope
from netspec.spec.tree import Entry, Scalar
from netspec.spec.validation import Place, as_map, build
from netspec.tensortype import bind, lengths, merged, sample_shape, show_shape

if TYPE_CHECKING:
    from netspec.spec.document import Document
    from netspec.spec.lowering import Model


class DecodeSection(BaseModel):
    """How sequences are made: each step's choice of ``output`` is the next step of ``input``, until ``<end>``."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    input: str = Field(description="The network's input that is fed with what was chosen; prediction is not given it.")
    output: str = Field(description="The scores of the next token, a row at each step.")
    beam: Positive = Field(default=1, description="How many beginnings are followed at once; 1 takes the best token.")
    max_length: Positive = Field(default=100, description="How many tokens a sequence has at most.")


@dataclass(frozen=True)
class Decoding:
    """How a network makes sequences: what is fed with what, and how many are looked at."""

    input: str
    output: ValueRef
    beam: int = 1
    max_length: int = 100
    span: Span | None = None


@dataclass(frozen=True)
class Between:
    """What has to be computed at each step: the layers that depend on what was chosen, on the way to the output."""

    nodes: tuple[LayerNode, ...]
    held: tuple[ValueRef, ...]
    """The values of other layers that these read: each is computed once."""
    inputs: tuple[str, ...]
    """The inputs that they read, the one that is fed among them."""


def read_decoding(entry: Entry | None, network: Network, scope: Scope, report: Report) -> Decoding | None:
    """The section; None where there is none or it is wrong."""
    section = as_map(entry.value, "decode", report) if entry else None
    if entry is None or section is None:
        return None
    made = build(DecodeSection, section, Place("`decode`", entry.key_span), report)
    given, scores = section.get("input"), section.get("output")
    found = scope.find(scores, report) if made is not None and isinstance(scores, Scalar) else None
    if made is None or found is None or found.value is None:
        return None
    inputs = {each.name for each in network.inputs}
    if made.input not in inputs:
        near = suggestion(made.input, inputs)
        helps = [f"did you mean `{near}`?"] if near else [f"there are {', '.join(f'`{n}`' for n in sorted(inputs))}"]
        message = f"`decode` feeds an input of the network, and there is no `{made.input}`"
        report.error("unknown-from", message, given.span if given else entry.key_span, helps=helps)
        return None
    return Decoding(made.input, found.value, made.beam, made.max_length, entry.key_span)


def decoding_of(document: Document) -> Decoding | None:
    """How a spec makes sequences: as it says, or of a language model over one long text, the text goes on."""
    if document.decode is not None:
        return document.decode
    inputs, losses = document.network.inputs, [loss for loss in document.losses if loss.output is not None]
    is_text = document.data is not None and document.data.source.continues
    if not is_text or len(inputs) != 1 or len(losses) != 1 or losses[0].output is None:
        return None
    return Decoding(inputs[0].name, losses[0].output)


def between(network: Network, decoding: Decoding) -> Between:
    """The layers that a step of decoding has to compute."""
    fed = ValueRef(decoding.input, is_input=True)
    depends: set[str] = set()
    for node in network.nodes:
        if any(ref == fed or (not ref.is_input and ref.path in depends) for ref in node.inputs):
            depends.add(node.path)
    needed: set[str] = set() if decoding.output.is_input else {decoding.output.path}
    for node in reversed(network.nodes):
        if node.path in needed:
            needed |= {ref.path for ref in node.inputs if not ref.is_input}
    nodes = tuple(node for node in network.nodes if node.path in depends & needed)
    read = dict.fromkeys(ref for node in nodes for ref in node.inputs)
    held = tuple(ref for ref in read if not ref.is_input and ref.path not in depends)
    return Between(nodes, held, tuple(ref.path for ref in read if ref.is_input))


def goes_on(steps: Between, values: Mapping[ValueRef, Value]) -> bool:
    """Whether each step can be computed from the one before: else all before it are computed again."""
    layers = [(node.layer, [values[ref] for ref in node.inputs]) for node in steps.nodes]
    return all(layer is not None and (layer.resumes or layer.sight(*read) == "step") for layer, read in layers)


def check_decoding(document: Document, model: Model, values: Mapping[ValueRef, Value], report: Report) -> None:
    """Whether the output scores the tokens of the input, and no layer in between needs steps that are yet to come."""
    decoding = document.decode
    if decoding is None:
        return
    given = next(each for each in document.network.inputs if each.name == decoding.input)
    field, output = model.fields.get(given.name), values.get(decoding.output)
    span, found = decoding.span, between(document.network, decoding)
    if len(lengths(merged(given.shape)[0])) != 1 or len(given.shape) != 1:
        message = f"`decode` feeds tokens one after another, and `{given.name}` is {show_shape(given.shape)}"
        report.error("shape-mismatch", message, span, helps=[f"write `{given.name}: [T]`"])
        return
    for other in document.network.inputs:
        if other is not given and given.shape[0] in other.shape:
            message = f"the input `{other.name}` is as long as `{given.name}`, which is yet to be made"
            report.error("looks-ahead", message, other.span, helps=["give it a length of its own, such as `[S]`"])
    if not found.nodes or found.nodes[-1].path != decoding.output.path:
        message = f"`{decoding.output}` does not depend on `{given.name}`, and so can choose nothing by it"
        report.error("looks-ahead", message, span)
        return
    if field is not None and output is not None and output.type.rank > 1:
        count = bind(field.extent(given.name), model.sizes)
        if field.kind != "index" or output.type.channels != count:
            message = f"`{decoding.output}` gives {show_shape(sample_shape(output.type.shape))}"
            message = f"{message}, and `{given.name}` is {field}"
            report.error("shape-mismatch", message, span, helps=["there is one score for each token of the vocabulary"])
    for ref in found.held:
        if ref in values and len(lengths(values[ref].type.shape[0])) > 1:
            shape = show_shape(sample_shape(values[ref].type.shape))
            message = f"`{ref}` is {shape}: a step of decoding can read values with one length of their own, not two"
            report.error("shape-mismatch", message, document.network.node(ref.path).span)
    _check_sight(found, given, values, report, span)


def _check_sight(
    found: Between, given: NetworkInput, values: Mapping[ValueRef, Value], report: Report, span: Span | None
) -> None:
    """Whether every layer at a step sees that step and what is before it, and nothing else of what is fed."""
    for node in found.nodes:
        read = [values.get(ref) for ref in node.inputs]
        value = values.get(ValueRef(node.path))
        if node.layer is None or value is None or any(each is None for each in read):
            continue
        is_whole = not value.type.rank or lengths(value.type.shape[0])[:1] != lengths(merged(given.shape)[0])
        if is_whole or node.layer.sight(*(each for each in read if each is not None)) == "all":
            message = f"`{node.path}` reads all steps of `{given.name}`, and `decode` makes these one after another"
            notes = [Note(f"`decode` stands on line {span.line}", span)] if span else []
            report.error("looks-ahead", message, node.span, notes=notes)
            return


def check_decoded(binding: Binding, document: Document, model: Model, report: Report) -> None:
    """Whether there are sequences for a metric of what the network makes, and others to compare them with."""
    field = model.fields.get(binding.target or "")
    if document.decode is None:
        message = f"`{binding.kind}` compares sequences that the network makes, and there is no `decode`"
        helps = ["as in `decode: {input: given, output: scores}`"]
        report.error("missing-key", message, binding.span, helps=helps)
    elif field is not None and (field.kind != "index" or len(field.shape or ()) != 1):
        message = f"`{binding.kind}` compares with sequences of tokens, and `{binding.target}` is {field}"
        report.error("shape-mismatch", message, binding.target_span or binding.span)
