"""A netspec network of convolutions as an ONNX model, layer by layer: what onnxruntime is measured with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.mnist import Array
from netspec.catalog.layers.windows import windows_on
from netspec.pipeline import Program
from netspec.spec.network import LayerNode, ValueRef
from netspec.tensortype import known

OPSET = 17


def onnx_model(program: Program, weights: Mapping[str, Array], batch: int, scale: float) -> bytes:
    """The model of ``program`` for ``float32[batch, C, H, W]`` times ``scale``: probabilities.

    Raises:
        NotImplementedError: if it has a layer that stands not among those below.
    """
    return _Model(program, weights, batch).serialized(scale)


class _Model:
    """The model while it is made: nodes, constants, and the name of what each value of the network became."""

    def __init__(self, program: Program, weights: Mapping[str, Array], batch: int) -> None:
        self.onnx: Any = import_module("onnx")
        self.program, self.weights, self.batch = program, weights, batch
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.names: dict[ValueRef, str] = {}

    def serialized(self, scale: float) -> bytes:
        network, helper, kinds = self.program.document.network, self.onnx.helper, self.onnx.TensorProto
        (given,) = network.inputs
        height, width, channels = given.shape
        first = self.add("Mul", ["image", self.constant("scale", np.array(scale, np.float32))])
        self.names[ValueRef(given.name, is_input=True)] = first
        for node in network.nodes:
            self.names[ValueRef(node.path)] = self.layer(node, [self.names[ref] for ref in node.inputs])
        (output,) = network.outputs.values()
        self.nodes.append(helper.make_node("Softmax", [self.names[output]], ["probabilities"]))
        read = helper.make_tensor_value_info("image", kinds.FLOAT, [self.batch, channels, height, width])
        made = helper.make_tensor_value_info("probabilities", kinds.FLOAT, None)
        graph = helper.make_graph(self.nodes, self.program.document.name, [read], [made], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        serialized: bytes = model.SerializeToString()
        return serialized

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, name: str, array: Array) -> str:
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def layer(self, node: LayerNode, inputs: Sequence[str]) -> str:
        """The name of what a layer gives."""
        rule = getattr(self, f"_{node.kind}", None)
        if rule is None:
            raise NotImplementedError(f"`{node.kind}` has no rule here")
        name: str = rule(node, node.layer, inputs)
        return name

    def _conv2d(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        return self.activated(layer, self.add("Conv", [*inputs, *self.filters(node)], **self.windows(node)))

    def _max_pool2d(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        return self.add("MaxPool", inputs, **self.windows(node))

    def _batch_norm(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        parts = [self.parameter(node, part) for part in ("scale", "bias", "mean", "variance")]
        return self.add("BatchNormalization", [*inputs, *parts], epsilon=layer.epsilon)

    def _relu(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        return self.add("Relu", inputs)

    def _add(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        return self.add("Add", inputs)

    def _zero_pad(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        before, after = layer.channels
        pads = self.constant(f"{node.path}.pads", np.array([0, before, 0, 0, 0, after, 0, 0], np.int64))
        return self.add("Pad", [*inputs, pads])

    def _global_avg_pool2d(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        return self.add("Flatten", [self.add("GlobalAveragePool", inputs)])

    def _flatten(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        """Channels run fastest in netspec, slowest here."""
        return self.add("Flatten", [self.add("Transpose", inputs, perm=[0, 2, 3, 1])])

    def _dense(self, node: LayerNode, layer: Any, inputs: Sequence[str]) -> str:
        parts = [self.parameter(node, part) for part in ("kernel", "bias")]
        return self.activated(layer, self.add("Gemm", [*inputs, *parts]))

    def activated(self, layer: Any, name: str) -> str:
        return self.add("Relu", [name]) if layer.activation else name

    def parameter(self, node: LayerNode, part: str) -> str:
        key = f"{node.path}.{part}"
        return self.constant(key, self.weights[key])

    def filters(self, node: LayerNode) -> list[str]:
        key = f"{node.path}.kernel"
        names = [self.constant(key, self.weights[key].transpose(3, 2, 0, 1))]
        return [*names, self.parameter(node, "bias")] if f"{node.path}.bias" in self.weights else names

    def windows(self, node: LayerNode) -> dict[str, Any]:
        """How the windows of a layer slide, as ONNX says it."""
        layer: Any = node.layer
        (ref,) = node.inputs
        value = self.program.values.get(ref)
        shape = value.type.shape[1:] if value is not None else self.program.document.network.inputs[0].shape
        extent = layer.kernel if node.kind == "conv2d" else layer.size
        stride = layer.stride if layer.stride is not None else extent
        windows = windows_on(node.kind, [known(n) for n in shape[:-1]], extent, stride, layer.padding, 1)
        return {
            "kernel_shape": [window.extent for window in windows],
            "strides": [window.stride for window in windows],
            "pads": [*(window.before for window in windows), *(window.after for window in windows)],
        }
