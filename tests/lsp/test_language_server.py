"""`netspec lsp` as an editor sees it: a client that speaks with the server over its standard streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsp_session import Editor, Session, marked
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

SERVER = [sys.executable, "-m", "netspec", "lsp", "--stdio"]

SPEC = """\
netspec: 1
# \N{BRAIN} astral characters take two of the units that editors count
vars: {width: 16}
blocks:
  residual:
    params: {units: integer}
    layers:
      - dense: {units: "${units}", activation: relu, name: main}
      - add: [main, input]
activations: {squash: "1.7159 * tanh(2/3 * x)"}
data: {source: {sklearn: digits}}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - flatten
    - dense: {units: "${width}", activation: squash, name: code}  # \N{BRAIN}
    - residual: {units: 16, name: r1}
    - residual: {units: 16, share: r1, name: r2}
    - dense: {units: 10, name: scores}
  output: scores
loss: {cross_entropy: {from: scores}}
optimizer: adam
train: {epochs: 2}
"""


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor with a running server."""
    editor = Editor(SERVER, tmp_path_factory.mktemp("workspace"))
    yield editor
    editor.close()


@pytest.fixture
def folder(editor: Editor, request: pytest.FixtureRequest) -> Path:
    """A folder of the workspace that no other test uses."""
    made = editor.workspace / request.node.name
    made.mkdir()
    return made


def where(text: str, found: str, plus: int = 1, number: int = 1) -> lsp.Position:
    """The place ``plus`` characters behind where the ``number``-th ``found`` begins."""
    at = -1
    for _ in range(number):
        at = text.index(found, at + 1)
    return marked(f"{text[: at + plus]}|{text[at + plus :]}")[1]


def at(text: str, span: lsp.Range) -> str:
    """What stands at a range of one line."""
    assert span.start.line == span.end.line
    line = text.splitlines()[span.start.line].encode("utf-16-le")
    return line[2 * span.start.character : 2 * span.end.character].decode("utf-16-le")


def applied(text: str, edits: list[lsp.TextEdit]) -> str:
    """A text after the edits."""
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda e: (-e.range.start.line, -e.range.start.character)):
        assert edit.range.start.line == edit.range.end.line
        line = lines[edit.range.start.line].encode("utf-16-le")
        start, end = 2 * edit.range.start.character, 2 * edit.range.end.character
        lines[edit.range.start.line] = (line[:start] + edit.new_text.encode("utf-16-le") + line[end:]).decode(
            "utf-16-le"
        )
    return "\n".join(lines)


def test_faults_as_one_types(editor: Editor, folder: Path) -> None:
    async def conversation(session: Session) -> None:
        uri = session.open(folder / "net.yaml", SPEC)
        assert await session.faults_of(uri) == []
        wrong = SPEC.replace("    - dense: {units: 10,", '    - dense: {name: "\N{BRAIN}", unitz: 10,')
        session.faults.clear()
        session.change(uri, 2, wrong)
        session.change(uri, 3, wrong.replace('name: "\N{BRAIN}", ', "bias: true, "))
        session.change(uri, 4, wrong)
        faults = await session.faults_of(uri)
        unknown = next(fault for fault in faults if fault.code == "unknown-key")
        assert at(wrong, unknown.range) == "unitz"
        assert unknown.severity == lsp.DiagnosticSeverity.Error
        assert "did you mean `units`?" in unknown.message
        session.faults.clear()
        session.change(uri, 5, SPEC.replace("\n", "\r\n").replace("relu", "rellu"))
        (fault,) = await session.faults_of(uri)
        assert (fault.code, at(SPEC.replace("relu", "rellu"), fault.range)) == ("unknown-kind", "rellu")
        session.faults.clear()
        session.change(uri, 6, SPEC.replace("[8, 8, 1]}", "[8, 8, 1]"))
        (fault,) = await session.faults_of(uri)
        assert fault.code == "yaml-syntax"
        session.faults.clear()
        session.change(uri, 7, SPEC)
        assert await session.faults_of(uri) == []
        other = session.open(folder / "compose.yaml", "services:\n  web: {image: nginx}\n")
        assert await session.faults_of(other) == []

    editor.talk(conversation(editor.session))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-32"])
def test_columns_as_the_editor_counts_them(tmp_path: Path, encoding: str) -> None:
    """UTF-16 unless the editor and the server agree on something else."""
    spec = SPEC.replace("name: code}", 'nam: "\N{BRAIN}", lr_scal: 3, name: code}')
    line, text = next((i, text) for i, text in enumerate(spec.splitlines()) if "lr_scal" in text)
    before = text.partition("lr_scal")[0]
    editor = Editor(SERVER, tmp_path, encoding=encoding)

    async def conversation(session: Session) -> None:
        faults = await session.faults_of(session.open(tmp_path / "net.yaml", spec))
        found = next(fault for fault in faults if "lr_scal" in fault.message)
        assert found.range.start == lsp.Position(line, len(before.encode()) if encoding == "utf-8" else len(before))

    try:
        editor.talk(conversation(editor.session))
    finally:
        editor.close()


def test_hover(editor: Editor, folder: Path) -> None:
    async def conversation(session: Session) -> None:
        uri = session.open(folder / "net.yaml", SPEC)
        for found, number, told in (
            ("dense: {", 2, "**code**: `dense`, output `[16]`, 1,040 parameters"),
            ("dense: {", 2, "$y = f(x W + b)$"),
            ("flatten", 1, "**flatten_1**: `flatten`, output `[64]`, 0 parameters"),
            ("residual: {", 1, "**r1**: `residual`, output `[16]`, 272 parameters"),
            ("residual: {", 1, "Block `residual(units: integer)` of 2 layers."),
            ("main, input", 1, "**r1.main**: `dense`, output `[16]`"),
            ("scores}}", 1, "**scores**: `dense`, output `[10]`, 170 parameters"),
            ("width}", 1, "Variable `width`: `16`"),
            ("squash, name", 1, "1.7159 * tanh(2/3 * x)"),
            ("relu", 1, "`max(x, 0)`"),
            ("image", 1, "image [8, 8, 1]"),
            ("epochs", 1, "Passes over the training rows."),
            ("adam", 1, "corrected running means"),
            ("blocks", 1, "Lists of layers with parameters"),
        ):
            assert told in await session.hover(uri, where(SPEC, found, number=number)), found
        assert await session.hover(uri, lsp.Position(1, 4)) == ""

    editor.talk(conversation(editor.session))


def test_completion_while_the_text_is_no_yaml(editor: Editor, folder: Path) -> None:
    scores = "    - dense: {units: 10, name: scores}\n"

    async def conversation(session: Session) -> None:
        uri = session.open(folder / "net.yaml", SPEC)
        await session.faults_of(uri)
        for version, (old, new, expected) in enumerate(
            [
                ("train: {epochs: 2}\n", "|\n", {"train:\n  ", "metrics: "}),
                ("train: {epochs: 2}\n", "train:\n  |\n", {"epochs: ", "batch: "}),
                ("train: {epochs: 2}\n", "train: {epochs: 2, |\n", {"batch: ", "seed: "}),
                ("train: {epochs: 2}\n", "expect:\n  test:\n    |\n", {"loss: "}),
                ("adam", "|", {"adam", "sgd"}),
                ("loss: {cross_entropy: {from: scores}}\n", "loss: {cross_entropy: {target: |\n", {"label", "image"}),
                (scores, f"    - |\n{scores}", {"dense: ", "flatten", "relu", "residual: "}),
                (scores, f"    - dense:\n        units: 3\n        |\n{scores}", {"activation: ", "name: "}),
                (scores, f"    - dense: {{units: 3, |\n{scores}", {"activation: ", "name: "}),
                (scores, f"    - dense: {{units: 3, activation: |\n{scores}", {"squash", "relu", "leaky_relu"}),
                (scores, f"    - add: [code, |\n{scores}", {"r1", "r2", "flatten_1", "image"}),
                (scores, f"    - dense: {{units: 3, from: |}}\n{scores}", {"r1", "r2", "code"}),
                (scores, f"    - dense: {{units: 3, share: {{kernel: code.|}}}}\n{scores}", {"kernel", "bias"}),
                (scores, f"    - dense: {{units: 3, share: {{kernel: r1.|}}}}\n{scores}", {"main", "add_1"}),
                (scores, f"    - residual: {{|\n{scores}", {"units: ", "repeat: "}),
                (scores, f'    - dense: "${{2 * |}}"\n{scores}', {"width"}),
                ('"${units}"', '"${|}"', {"units"}),
                ("image: [8, 8, 1]", "|", {"image: ", "label: "}),
                ("  output: scores\n", "  output: |\n", {"scores", "code"}),
                ("{source: {sklearn: digits}}\n", "\n  |\n", {"source: ", "split:\n    "}),
                ("sklearn: digits", "sklearn: |", {"digits", "iris"}),
            ],
            2,
        ):
            text, position = marked(SPEC.replace(old, new))
            session.change(uri, version, text)
            found = await session.complete(uri, position)
            written = {item.text_edit.new_text for item in found.values() if isinstance(item.text_edit, lsp.TextEdit)}
            assert expected <= written, (new, expected - written)
            assert "scores" not in found or "output" in new, "a layer that stands further down"

    editor.talk(conversation(editor.session))


def test_definitions_and_references(editor: Editor, folder: Path) -> None:
    common = "blocks:\n  tower: {layers: [{dense: {units: 4, name: inner}}]}\n"
    (folder / "common.yaml").write_text(common)
    spec = SPEC.replace("netspec: 1\n", "netspec: 1\ninclude: [common.yaml]\n").replace(
        "- flatten\n", "- flatten\n    - tower\n"
    )

    async def conversation(session: Session) -> None:
        uri = session.open(folder / "net.yaml", spec)
        document = lsp.TextDocumentIdentifier(uri)

        async def definition(position: lsp.Position) -> lsp.Location:
            found = await session.text_document_definition_async(lsp.DefinitionParams(document, position))
            assert isinstance(found, lsp.Location)
            return found

        for used, name, line in (
            ("residual: {units: 16, name: r1", "residual", "  residual:"),
            ("main, input", "main", "name: main}"),
            ("width}", "width", "vars:"),
            ("units}", "units", "params:"),
            ("squash, name", "squash", "activations:"),
            ("r1, name: r2", "r1", "name: r1}"),
            ("scores\n", "scores", "name: scores}"),
            ("scores}}", "scores", "name: scores}"),
        ):
            found = await definition(where(spec, used))
            assert found.uri == uri
            assert at(spec, found.range) == name
            assert line in spec.splitlines()[found.range.start.line]
        elsewhere = await definition(where(spec, "tower"))
        assert elsewhere.uri == (folder / "common.yaml").as_uri()
        assert at(common, elsewhere.range) == "tower"
        assert (await definition(where(spec, "common.yaml"))).uri == (folder / "common.yaml").as_uri()
        context = lsp.ReferenceContext(include_declaration=True)
        position = where(spec, "scores}\n")
        uses = await session.text_document_references_async(lsp.ReferenceParams(context, document, position))
        assert [at(spec, use.range) for use in uses or ()] == ["scores"] * 3

    editor.talk(conversation(editor.session))


def test_renaming(editor: Editor, folder: Path) -> None:
    async def conversation(session: Session) -> None:
        uri = session.open(folder / "net.yaml", SPEC)
        document = lsp.TextDocumentIdentifier(uri)

        async def renamed(position: lsp.Position, new: str) -> str:
            found = await session.text_document_rename_async(lsp.RenameParams(document, position, new))
            assert found is not None
            assert list(found.changes or ()) == [uri]
            return applied(SPEC, list((found.changes or {})[uri]))

        for found, old, new in (
            ("scores", "scores", "logits"),
            ("r1", "r1", "first"),
            ("main", "main", "body"),
            ("residual", "residual", "block"),
            ("squash", "squash", "squeeze"),
            ("width", "width", "units_of_code"),
        ):
            assert await renamed(where(SPEC, found), new) == SPEC.replace(old, new)
        windows = SPEC.replace("\n", "\r\n")
        session.change(uri, 2, windows)
        assert "\r" in windows
        parameters = lsp.RenameParams(document, where(windows, "scores"), "logits")
        found_there = await session.text_document_rename_async(parameters)
        assert found_there is not None
        changed = applied(windows, list((found_there.changes or {})[uri]))
        assert changed == windows.replace("scores", "logits")
        session.change(uri, 3, SPEC)
        assert "\n    - flatten: {name: flat}\n" in await renamed(where(SPEC, "flatten"), "flat")
        prepared = await session.text_document_prepare_rename_async(
            lsp.PrepareRenameParams(document, where(SPEC, "r1"))
        )
        assert isinstance(prepared, lsp.PrepareRenamePlaceholder)
        assert prepared.placeholder == at(SPEC, prepared.range) == "r1"
        for found, new, reason in (
            ("r1", "r2", "the name `r2` is taken"),
            ("r1", "1", "is no name"),
            ("r1", "a b", "is no name"),
            ("image", "picture", "a field of the data"),
        ):
            with pytest.raises(JsonRpcException, match=reason):
                await renamed(where(SPEC, found), new)

    editor.talk(conversation(editor.session))


def test_renaming_in_a_file_that_others_include(editor: Editor, folder: Path) -> None:
    common = "blocks:\n  tower: {layers: [{dense: {units: 4, name: inner}}]}\n"
    spec = "netspec: 1\ninclude: common.yaml\nnetwork: {inputs: {x: [4]}, layers: [tower, {dense: 1}]}\n"
    for name, text in (
        ("common.yaml", common),
        ("net.yaml", spec),
        ("other.yaml", "blocks: {tower: {layers: [relu]}}\n"),
    ):
        (folder / name).write_text(text)

    async def conversation(session: Session) -> None:
        uri = session.open(folder / "common.yaml", common)
        assert await session.faults_of(uri) == []
        parameters = lsp.RenameParams(lsp.TextDocumentIdentifier(uri), where(common, "tower"), "spire")
        found = await session.text_document_rename_async(parameters)
        assert found is not None
        changes = {Path(name).name: list(edits) for name, edits in (found.changes or {}).items()}
        assert applied(common, changes["common.yaml"]) == common.replace("tower", "spire")
        assert applied(spec, changes["net.yaml"]) == spec.replace("tower", "spire")
        assert "other.yaml" not in changes

    editor.talk(conversation(editor.session))


def test_faults_of_included_files_stand_there(editor: Editor, folder: Path) -> None:
    (folder / "common.yaml").write_text("blocks: {tower: {layer: [relu]}}\n")

    async def conversation(session: Session) -> None:
        uri = session.open(folder / "net.yaml", SPEC.replace("netspec: 1\n", "netspec: 1\ninclude: common.yaml\n"))
        common = (folder / "common.yaml").as_uri()
        assert {fault.code for fault in await session.faults_of(common)} == {"unknown-key", "missing-key"}
        assert await session.faults_of(uri) == []
        (folder / "common.yaml").write_text("blocks: {tower: {layers: [relu]}}\n")
        session.faults.clear()
        session.text_document_did_save(lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier(uri)))
        assert await session.faults_of(common) == []

    editor.talk(conversation(editor.session))


def test_outline(editor: Editor, folder: Path) -> None:
    async def conversation(session: Session) -> None:
        uri = session.open(folder / "net.yaml", SPEC)
        parameters = lsp.DocumentSymbolParams(lsp.TextDocumentIdentifier(uri))
        found = {s.name: s for s in await session.text_document_document_symbol_async(parameters) or ()}
        assert list(found) == [line.partition(":")[0] for line in SPEC.splitlines() if line[0].isalpha()]
        network = found["network"]
        assert isinstance(network, lsp.DocumentSymbol)
        layers = [(layer.name, layer.detail) for layer in network.children or ()]
        assert layers[:3] == [("image", ""), ("flatten_1", "flatten [64]"), ("code", "dense [16]")]

    editor.talk(conversation(editor.session))


def test_the_server_ends_well_when_it_is_told_to() -> None:
    methods = [("initialize", {"id": 1, "params": {"processId": None, "rootUri": None, "capabilities": {}}})]
    methods += [("shutdown", {"id": 2}), ("exit", {})]
    bodies = [json.dumps({"jsonrpc": "2.0", "method": method, **rest}) for method, rest in methods]
    spoken = "".join(f"Content-Length: {len(body)}\r\n\r\n{body}" for body in bodies)
    done = subprocess.run(SERVER, input=spoken.encode(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert done.stderr == b""


def test_missing_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text("raise ModuleNotFoundError('no pygls', name='pygls')\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        SERVER, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 4
    assert "error[missing-package]" in done.stderr
    assert "pip install 'netspec[lsp]'" in done.stderr
