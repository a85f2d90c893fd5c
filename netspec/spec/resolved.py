"""The resolved spec: one file without includes, overrides and variables, every default filled in.

Names, blocks and repeats stay, since weights carry their paths; so it trains to the same bits as what was written.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from netspec.catalog.activations import Activation
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.catalog.optimizers import Optimizer
from netspec.catalog.schedules import Schedule
from netspec.data.section import DataSection
from netspec.declared import Declared
from netspec.diagnostics import Report
from netspec.spec.binding import Binding
from netspec.spec.decoding import DecodeSection
from netspec.spec.document import VERSION, Document
from netspec.spec.emit import size_text, to_yaml
from netspec.spec.items import Item, read_item
from netspec.spec.tree import List, Map, Node, Scalar
from netspec.spec.validation import family_of
from netspec.tensortype import Size


def resolved(document: Document) -> str:
    """The spec of ``document`` as YAML text; paths in it are relative to ``document.base``."""
    return to_yaml(_Resolution(document).spec())


class _Resolution:
    def __init__(self, document: Document) -> None:
        self.document, self.tree = document, document.tree
        self.blocks = document.definitions.blocks
        self.is_escaped = True
        """Whether ``${`` in a text is text; inside blocks it is not."""

    def spec(self) -> dict[str, Any]:
        document, tree = self.document, self.tree
        found: dict[str, Any] = {"netspec": VERSION, "name": document.name}
        if self.blocks:
            self.is_escaped = False
            found["blocks"] = {name: self._block(tree, name) for name in self.blocks}
            self.is_escaped = True
        for key in ("cells", "activations", "losses"):
            if isinstance(tree.get(key), Map):
                found[key] = self._plain(_needed(tree.get(key)))
        if isinstance(data := tree.get("data"), Map):
            found["data"] = self._filled(data, DataSection)
        found["network"] = self._network(_needed(tree.get("network")))
        for key, family, bindings in (("loss", Loss, document.losses), ("metrics", Metric, document.metrics)):
            if bindings:
                found[key] = self._bindings(_needed(tree.get(key)), family, bindings)
        for key, single in (("optimizer", Optimizer), ("schedule", Schedule)):
            if tree.get(key) is not None:
                found[key] = self._item(_needed(tree.get(key)), single)
        return found | self._training(tree)

    def _training(self, tree: Map) -> dict[str, Any]:
        """The sections that follow: how it is trained, and what is expected."""
        found: dict[str, Any] = {"train": dumped(self.document.train)}
        if isinstance(decode := tree.get("decode"), Map):
            found["decode"] = self._filled(decode, DecodeSection)
        if tree.get("expect") is not None:
            found["expect"] = self._plain(_needed(tree.get("expect")))
        if tree.get("lint") is not None:
            found["lint"] = self._plain(_needed(tree.get("lint")))
        return found

    # --- network ---

    def _block(self, tree: Map, name: str) -> dict[str, Any]:
        section = tree.get("blocks")
        assert isinstance(section, Map)
        body = section.get(name)
        assert isinstance(body, Map)
        found = {key: self._plain(entry.value) for key, entry in body.entries.items() if key != "layers"}
        return {**found, "layers": self._layers(self.blocks[name].layers)}

    def _network(self, section: Node) -> dict[str, Any]:
        assert isinstance(section, Map)
        layers = section.get("layers")
        assert isinstance(layers, List)
        outputs = list(self.document.network.outputs)
        return {
            "inputs": self._plain(_needed(section.get("inputs"))),
            "output": outputs[0] if len(outputs) == 1 else outputs,
            "layers": self._layers(layers),
        }

    def _layers(self, layers: List) -> list[Any]:
        counts: Counter[str] = Counter()
        found = []
        for node in layers.items:
            item = read_item(node, "layer", Report())
            assert item is not None
            counts[item.kind] += 1
            found.append(self._layer(item, f"{item.kind}_{counts[item.kind]}"))
        return found

    def _layer(self, item: Item, name: str) -> dict[str, Any]:
        model, main = self._layer_model(item)
        fields = item.fields
        if item.main is not None:
            assert main is not None
            fields = Map({}, item.span).with_value(main, item.main)
        values = self._filled(fields, model)
        init = fields.get("init")
        if init is not None:
            values["init"] = self._init(init)
        return {item.kind: {"name": name, **values} if "name" not in values else values}

    def _layer_model(self, item: Item) -> tuple[type[BaseModel] | None, str | None]:
        """What fills the fields of a layer, and its main field; of blocks, no model: their defaults stand with them."""
        if item.kind in self.blocks:
            return None, self.blocks[item.kind].main
        kinds = self.document.definitions.kinds
        model = kinds.activations.get(item.kind) or kinds.layer(item.kind) or Activation.kinds[item.kind]
        return model, "from" if getattr(model, "many", False) else model.main_field()

    def _init(self, node: Node) -> Any:
        """Initial values, with the paths of files as the resolved spec needs them."""
        if isinstance(node, Map):
            return {
                key: self._path(entry.value) if key == "file" else self._init(entry.value)
                for key, entry in node.entries.items()
            }
        return self._plain(node)

    def _path(self, node: Node) -> Any:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return self._plain(node)
        file = self.document.definitions.kinds.path(node.value, node.span)
        return os.path.relpath(file, self.document.base) if not Path(node.value).is_absolute() else node.value

    # --- items and models ---

    def _bindings(self, node: Node, family: type[Declared], bindings: tuple[Binding, ...]) -> list[Any]:
        """Losses or metrics, with what each reads and compares with."""
        nodes = node.items if isinstance(node, List) else (node,)
        only = next(iter(self.document.network.outputs), None)
        found = []
        left = list(bindings)
        for one in nodes:
            binding = left[0]
            del left[: _count(one)]
            kind, values = next(iter(self._item(one, family).items()))
            said = {"from": only if binding.output else None, "target": binding.target}
            if family is Loss:
                said["weight"] = binding.weight  # type: ignore[assignment]  # a number among names
            values = {**{key: value for key, value in said.items() if value is not None}, **values}
            found.append({kind: values})
        return found

    def _item(self, node: Node, family: type[Declared]) -> dict[str, Any]:
        item = read_item(node, family.family, Report())
        assert item is not None
        own = (
            self.document.definitions.kinds.activations
            if family is Activation
            else self.document.definitions.losses
            if family is Loss
            else {}
        )
        model = own.get(item.kind) or family.kinds[item.kind]
        fields = item.fields
        if item.main is not None:
            main = model.main_field()
            assert main is not None
            fields = Map({}, item.span).with_value(main, item.main)
        return {item.kind: self._filled(fields, model)}

    def _filled(self, fields: Map, model: type[BaseModel] | None) -> dict[str, Any]:
        """What was said, then every default of the model that was not."""
        known = {} if model is None else {f.alias or name: f for name, f in model.model_fields.items()}
        found = {}
        for key, entry in fields.entries.items():
            annotation = known[key].annotation if key in known else None
            found[key] = self._value(entry.value, annotation)
        for key, info in known.items():
            default = info.get_default(call_default_factory=True, validated_data={})
            if key not in found and default is not None and default is not PydanticUndefined:
                found[key] = dumped(default)
        return found

    def _value(self, node: Node, annotation: Any) -> Any:
        """A value, in which the items and models that its type calls for have their defaults too."""
        family = family_of(annotation)
        if family is None:
            inner = _model_in(annotation)
            return self._filled(node, inner) if inner is not None and isinstance(node, Map) else self._plain(node)
        if _holds(annotation, (list, tuple)) and isinstance(node, List):
            return [self._item(item, family) for item in node.items]
        if _holds(annotation, (dict, Mapping)) and isinstance(node, Map):
            return {key: self._item(entry.value, family) for key, entry in node.entries.items()}
        is_item = isinstance(node, Map) or (isinstance(node, Scalar) and isinstance(node.value, str))
        if is_item and not (not self.is_escaped and _is_interpolated(node)):
            return self._item(node, family)
        return self._plain(node)

    def _plain(self, node: Node) -> Any:
        if isinstance(node, List):
            return [self._plain(item) for item in node.items]
        if isinstance(node, Map):
            return {key: self._plain(entry.value) for key, entry in node.entries.items()}
        value = node.value
        if isinstance(value, Size):
            return size_text(value)
        return value.replace("${", "$${") if isinstance(value, str) and self.is_escaped else value


def _count(one: Node) -> int:
    """How many losses or metrics an item is: one for each name of a list that it reads."""
    item = read_item(one, "metric", Report())
    read = item.fields.get("from") if item else None
    return len(read.items) if isinstance(read, List) else 1


def _needed(node: Node | None) -> Node:
    assert node is not None
    return node


def _is_interpolated(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str) and "${" in node.value


def _holds(annotation: Any, containers: tuple[type, ...]) -> bool:
    """Whether a type is, or has as a branch, one of these containers."""
    return get_origin(annotation) in containers or any(_holds(part, containers) for part in get_args(annotation))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a type is, or has as a branch."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def dumped(value: Any) -> Any:
    """A value of a model as plain data: an item under its kind, nothing for None."""
    if isinstance(value, BaseModel):
        fields = {
            info.alias or name: dumped(getattr(value, name))
            for name, info in type(value).model_fields.items()
            if getattr(value, name) is not None
        }
        kind = getattr(value, "kind", None)
        return {kind: fields} if isinstance(kind, str) else fields
    if isinstance(value, Mapping):
        return {str(key): dumped(inner) for key, inner in value.items()}
    return [dumped(inner) for inner in value] if isinstance(value, list | tuple) else value
