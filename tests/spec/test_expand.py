"""Names, flow, blocks, repeats and sharing: which layers there are, and what each reads."""

from __future__ import annotations

import textwrap

import pytest

from netspec.compiler.graph import GraphBuilder
from netspec.diagnostics import Report, SpecError
from netspec.spec.check import check, check_shapes
from netspec.spec.document import Document, load
from netspec.spec.lowering import Model, input_type
from netspec.spec.places import Places


def spec(layers: str, more: str = "", inputs: str = "{x: [4]}") -> Document:
    text = f"netspec: 1\n{textwrap.dedent(more)}\nnetwork:\n  inputs: {inputs}\n  layers:\n"
    return load(text + textwrap.indent(textwrap.dedent(layers).strip("\n"), "    ") + "\n")


def flow(document: Document) -> dict[str, list[str]]:
    """What each layer reads, by path."""
    return {node.path: [str(ref) for ref in node.inputs] for node in document.network.nodes}


def weights(document: Document) -> dict[str, tuple[object, ...]]:
    """Every weight with its shape, by path."""
    report = Report()
    model, _ = check_shapes(document, report)
    report.raise_if_failed()
    return {key: parameter.shape for key, parameter in model.parameters.items()}


def test_layers_read_the_one_above_and_are_numbered_by_kind() -> None:
    document = spec("""
        - dense: 3
        - relu
        - dense: {units: 3, name: own}
        - dense: 2
    """)
    assert flow(document) == {"dense_1": ["x"], "relu_1": ["dense_1"], "own": ["relu_1"], "dense_3": ["own"]}
    assert list(document.network.outputs) == ["dense_3"]


def test_from_replaces_what_stands_above() -> None:
    document = spec("""
        - dense: {units: 4, name: a}
        - dense: {units: 4, from: x, name: b}
        - add: [a, b, input]
        - concat: {from: [add_1, a]}
    """)
    assert flow(document)["add_1"] == ["a", "b", "x"]
    assert flow(document)["concat_1"] == ["add_1", "a"]


def test_blocks_hold_their_names_and_weights() -> None:
    document = spec(
        """
        - residual: {units: 4, name: r1}
        - residual: 4
        """,
        """
        blocks:
          residual: {params: {units: integer, act: relu}, layers: [
            {dense: {units: "${units}", name: main, activation: "${act}"}}, {add: [main, input]}]}
        """,
    )
    assert flow(document) == {
        "r1.main": ["x"],
        "r1.add_1": ["r1.main", "x"],
        "residual_2.main": ["r1.add_1"],
        "residual_2.add_1": ["residual_2.main", "r1.add_1"],
    }
    assert weights(document)["r1.main.kernel"] == (4, 4)


def test_blocks_take_several_inputs_and_give_ports() -> None:
    document = spec(
        """
        - dense: {units: 4, name: a}
        - gate: {from: {m: a, q: x}, name: g}
        - add: [g, g.scores, g.raw]
        """,
        """
        blocks:
          gate: {inputs: [q, m], outputs: {scores: s, raw: q}, layers: [
            {add: [q, m]}, {softmax: {name: s}}, {multiply: [s, m]}]}
        """,
    )
    assert flow(document) == {
        "a": ["x"],
        "g.add_1": ["x", "a"],
        "g.s": ["g.add_1"],
        "g.multiply_1": ["g.s", "a"],
        "add_1": ["g.multiply_1", "g.s", "x"],
    }


def test_repeat_makes_a_chain_with_weights_of_its_own() -> None:
    document = spec(
        """
        - dense: {units: 4, repeat: 3, name: d}
        - block: {repeat: "${n}", name: b}
        - dense: {units: 2, repeat: 0}
        - add: [d, d.1, b]
        """,
        """
        vars: {n: 2}
        blocks: {block: {layers: [{dense: 4}]}}
        """,
    )
    assert flow(document) == {
        "d.1": ["x"],
        "d.2": ["d.1"],
        "d.3": ["d.2"],
        "b.1.dense_1": ["d.3"],
        "b.2.dense_1": ["b.1.dense_1"],
        "add_1": ["d.3", "d.1", "b.2.dense_1"],
    }
    paths = ("d.1", "d.2", "d.3", "b.1.dense_1", "b.2.dense_1")
    assert set(weights(document)) == {f"{path}.{weight}" for path in paths for weight in ("kernel", "bias")}


def test_a_layer_shares_all_weights_or_single_ones() -> None:
    document = spec("""
        - dense: {units: 3, name: code}
        - dense: {units: 4, share: {kernel: code.kernel.T}, name: back}
        - dense: {units: 3, share: code, name: again}
        - dense: {units: 4, share: {kernel: again.kernel.T, bias: back.bias}}
    """)
    assert weights(document) == {"code.kernel": (4, 3), "code.bias": (3,), "back.bias": (4,)}


def test_a_block_shares_all_that_is_inside_even_what_it_shares() -> None:
    document = spec(
        """
        - tower: {from: left, name: left_tower}
        - tower: {from: right, share: left_tower}
        - concat: [left_tower, tower_2]
        """,
        """
        blocks:
          inner: {layers: [{dense: {units: 4, name: d}}]}
          tower: {layers: [
            {inner: {name: a}}, {dense: {units: 4, share: {kernel: a.d.kernel}}}, {inner: {repeat: 2, name: c}}]}
        """,
        "{left: [4], right: [4]}",
    )
    own = ["a.d.kernel", "a.d.bias", "dense_1.bias", "c.1.d.kernel", "c.1.d.bias", "c.2.d.kernel", "c.2.d.bias"]
    assert sorted(weights(document)) == sorted(f"left_tower.{weight}" for weight in own)


def test_copies_of_a_repeat_share_copy_by_copy_or_one_for_all() -> None:
    document = spec("""
        - dense: {units: 4, repeat: 2, name: a}
        - dense: {units: 4, repeat: 2, share: a, name: b}
        - dense: {units: 4, name: one}
        - dense: {units: 4, repeat: 2, share: one, name: c}
    """)
    owners = {node.path: node.common.owner for node in document.network.nodes}
    assert owners == {
        "a.1": None, "a.2": None, "b.1": "a.1", "b.2": "a.2", "one": None, "c.1": "one", "c.2": "one",
    }  # fmt: skip


def test_use_of_a_block_speaks_for_what_is_inside() -> None:
    document = spec(
        """
        - block: {freeze: true, lr_scale: 0.5, init: {d.kernel: ones, e.2.bias: 3}, regularize: {l2: 0.1}, name: b}
        """,
        """
        blocks: {block: {layers: [{dense: {units: 4, name: d}}, {dense: {units: 4, name: e, repeat: 2, lr_scale: 3}}]}}
        """,
    )
    report = Report()
    model, _ = check_shapes(document, report)
    report.raise_if_failed()
    found = model.parameters
    assert not any(parameter.trainable for parameter in found.values())
    assert found["b.d.kernel"].init.kind == "ones"
    assert found["b.e.2.bias"].init.kind == "constant"
    assert found["b.e.1.bias"].init.kind == "zeros"
    assert (found["b.d.kernel"].lr_scale, found["b.e.1.kernel"].lr_scale) == (0.5, 1.5)
    assert (found["b.d.kernel"].regularize.l2, found["b.d.bias"].regularize.l2) == (0.1, 0.0)


def test_what_a_spec_defines_hides_a_built_in() -> None:
    network = "{inputs: {x: [2]}, layers: [relu, {dense: {units: 1, activation: relu}}]}"
    checked = check(f"netspec: 1\nactivations: {{relu: 2 * x}}\nnetwork: {network}\n")
    assert [d.severity for d in checked.report.diagnostics] == ["warning"]


def test_lengths_are_mapped_over() -> None:
    document = spec("- dense: 8\n- dense: 2\n", "", "{x: [T, 4]}")
    assert weights(document)["dense_2.kernel"] == (8, 2)


def test_sizes_of_the_data_stay_symbols() -> None:
    document = spec(
        """
        - dense: 8
        - dense: "${data.label.size + 1}"
        """,
        """
        data: {source: {csv: {path: nowhere.csv}}, fields: {x: {number: [a, b, c, d]}, label: {category: kind}}}
        loss: {mse: {target: label}}
        """,
    )
    assert str(weights(document)["dense_2.kernel"][1]) == "|label| + 1"


def test_sizes_become_numbers_once_they_are_known() -> None:
    from netspec.data.fieldtype import category, number

    document = spec(
        '- dense: "${2 * data.label.size}"\n',
        "data: {source: {csv: {path: nowhere.csv}}, fields: {x: {number: [a, b, c, d]}, label: {category: kind}}}",
    )
    model = Model(document, Report(), {"x": number(4), "label": category(("a", "b", "c"))})
    g = GraphBuilder()
    (given,) = document.network.inputs
    model.build(g, {"x": g.input("x", input_type(given, None), "stored")}, Places((), {}), training=False)
    assert model.parameters["dense_1.kernel"].shape == (4, 6)


def test_exponential_blocks_are_cut_short() -> None:
    blocks = "\n".join(f"  b{i + 1}: {{layers: [{{b{i}: {{repeat: 10}}}}]}}" for i in range(1, 9))
    network = "{inputs: {x: [2]}, layers: [b9]}"
    text = f"netspec: 1\nblocks:\n  b1: {{layers: [{{dense: 2}}]}}\n{blocks}\nnetwork: {network}\n"
    with pytest.raises(SpecError) as raised:
        load(text)
    assert [d.code for d in raised.value.diagnostics] == ["too-many-layers"]
