"""The schema in the editor: what yaml-language-server, which VS Code and others run, makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsp_session import Editor, Session, marked

from netspec.schema import text

VERSION = "1.25.0"

HEAD = """\
# yaml-language-server: $schema=netspec.schema.json
netspec: 1
network:
  inputs: {image: [28, 28, 1]}
  layers:
"""

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def server() -> list[str]:
    """The command that runs yaml-language-server, installed once for all runs of the tests."""
    folder = Path(tempfile.gettempdir()) / f"netspec-tests-yaml-language-server-{VERSION}"
    script = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return _lacks("Node.js and npm are not installed")
    if not script.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            command = [
                npm,
                "install",
                "--no-audit",
                "--no-fund",
                "--silent",
                "--fetch-retries=1",
                f"yaml-language-server@{VERSION}",
            ]
            done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode != 0:
                return _lacks(f"npm cannot install yaml-language-server: {done.stdout}{done.stderr}")
            shutil.copytree(work, folder, dirs_exist_ok=True, symlinks=True)
    return [node, str(script), "--stdio"]


def _lacks(reason: str) -> Any:
    """Skip, or fail where everything is meant to be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def editor(server: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor with a folder in which the schema lies."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "netspec.schema.json").write_text(text(), encoding="utf-8")
    settings = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
    editor = Editor(server, folder, settings)
    yield editor
    editor.close()


def test_completion(editor: Editor) -> None:
    async def ask(session: Session, name: str, spec: str) -> dict[str, str]:
        content, position = marked(spec)
        uri = session.open(editor.workspace / f"{name}.yaml", content)
        await session.faults_of(uri)
        found = await session.complete(uri, position)
        return {label: item.insert_text or "" for label, item in found.items()}

    async def conversation(session: Session) -> None:
        kinds = await ask(session, "kinds", f"{HEAD}    - |\n")
        assert {"flatten", "dense", "conv2d", "lstm", "add", "relu"} <= kinds.keys()
        assert kinds["flatten"] == "flatten"
        assert kinds["add"] == "add: "
        fields = await ask(session, "fields", f"{HEAD}    - dense:\n        units: 10\n        |\n")
        assert {"activation", "bias", "name", "init", "from"} <= fields.keys()
        assert "units" not in fields
        assert "filters" not in fields
        choices = await ask(session, "choices", f"{HEAD}    - dense: {{units: 10, activation: |}}\n")
        assert {"relu", "tanh", "leaky_relu"} <= choices.keys()
        padding = await ask(
            session, "padding", f"{HEAD}    - conv2d:\n        filters: 6\n        kernel: 5\n        padding: |\n"
        )
        assert {"valid", "same"} <= padding.keys()
        sections = await ask(session, "sections", f"{HEAD}    - flatten\n|\n")
        assert {"data", "loss", "optimizer", "train", "blocks"} <= sections.keys()
        assert {"adam", "sgd"} <= (await ask(session, "rules", f"{HEAD}    - flatten\noptimizer: |\n")).keys()

    editor.talk(conversation(editor.session))


def test_faults_and_hover(editor: Editor) -> None:
    async def faults(session: Session, name: str, layers: str, rest: str = "") -> list[str]:
        uri = session.open(editor.workspace / f"{name}.yaml", f"{HEAD}{layers}\n{rest}")
        return [fault.message for fault in await session.faults_of(uri)]

    async def conversation(session: Session) -> None:
        assert not await faults(session, "good", "    - flatten\n    - dense: {units: '${n}', activation: relu}")
        assert await faults(session, "field", "    - dense: {units: 3, unitz: 10}") == [
            "Property unitz is not allowed."
        ]
        assert await faults(session, "top", "    - flatten", "trian: {}\n") == ["Property trian is not allowed."]
        assert await faults(session, "train", "    - flatten", "train: {epoch: 3}\n") == [
            "Property epoch is not allowed."
        ]
        (kind,) = await faults(session, "kind", "    - dens: 10")
        assert "dens" in kind or "Value must be" in kind
        assert not await faults(session, "own", "    - dens: 10", "blocks: {dens: {layers: [flatten]}}\n")
        assert await faults(session, "value", "    - dense: {units: ten}") == ['Incorrect type. Expected "integer".']
        for name, layer, told in (
            ("name", "    - fla|tten\n", "all fixed axes as one"),
            ("key", "    - den|se: {units: 10}\n", "$y = f(x W + b)$"),
            ("inner", "    - dense: {units: 10, bi|as: false}\n", "Whether a learned bias is added."),
        ):
            content, position = marked(HEAD + layer)
            uri = session.open(editor.workspace / f"hover_{name}.yaml", content)
            await session.faults_of(uri)
            assert told in await session.hover(uri, position)

    editor.talk(conversation(editor.session))
