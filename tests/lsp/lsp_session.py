"""A session of an editor: a client that starts a language server and speaks with it over its standard streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

T = TypeVar("T")

SECONDS = 120
"""After which an answer is not waited for any more."""

CURSOR = "|"
"""What marks the place of the cursor in the texts of tests."""


class Session(LanguageClient):
    """A client with the texts that it has open, and the faults that it was told of them."""

    def __init__(self, configuration: Mapping[str, Any] | None = None) -> None:
        super().__init__("tests", "1")
        self.faults: dict[str, list[lsp.Diagnostic]] = {}
        self.told = asyncio.Event()
        self.errors: list[str] = []

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _published(params: lsp.PublishDiagnosticsParams) -> None:
            self.faults[params.uri] = list(params.diagnostics)
            self.told.set()

        @self.feature(lsp.WORKSPACE_CONFIGURATION)
        def _configured(params: lsp.ConfigurationParams) -> list[Any]:
            return [dict(configuration or {}).get(item.section or "") for item in params.items]

        @self.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def _registered(params: lsp.RegistrationParams) -> None:
            return None

    def report_server_error(self, error: Exception, source: Any) -> None:
        self.errors.append(repr(error))

    def open(self, path: Path, text: str) -> str:
        """Open a text as the content of a file; its address."""
        uri = path.as_uri()
        self.faults.pop(uri, None)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "yaml", 1, text)))
        return uri

    def change(self, uri: str, version: int, text: str) -> None:
        """Replace the whole text."""
        document = lsp.VersionedTextDocumentIdentifier(version, uri)
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [whole]))

    async def faults_of(self, uri: str) -> list[lsp.Diagnostic]:
        """The faults of a text, once they are told."""
        while uri not in self.faults:
            self.told.clear()
            await self.told.wait()
        return self.faults[uri]

    async def complete(self, uri: str, position: lsp.Position) -> dict[str, lsp.CompletionItem]:
        """The completions at a place, by what is shown of each; of two that show the same, the first."""
        document = lsp.TextDocumentIdentifier(uri)
        found = await self.text_document_completion_async(lsp.CompletionParams(document, position))
        items = found.items if isinstance(found, lsp.CompletionList) else found or []
        return {item.label: item for item in reversed(items)}

    async def hover(self, uri: str, position: lsp.Position) -> str:
        """What is told of a place; empty if nothing is."""
        found = await self.text_document_hover_async(lsp.HoverParams(lsp.TextDocumentIdentifier(uri), position))
        assert found is None or isinstance(found.contents, lsp.MarkupContent)
        return found.contents.value if found is not None else ""


class Editor:
    """A session with a server that tests talk to one after another; each has a folder of the workspace to itself."""

    def __init__(
        self,
        command: list[str],
        workspace: Path,
        configuration: Mapping[str, Any] | None = None,
        encoding: str | None = None,
    ) -> None:
        self.workspace = workspace
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.session = self.talk(_started(command, workspace, configuration, encoding))

    def talk(self, conversation: Coroutine[Any, Any, T]) -> T:
        """Hold a conversation; what comes of it."""
        return asyncio.run_coroutine_threadsafe(conversation, self._loop).result(SECONDS)

    def close(self) -> None:
        """Shut the server down; nothing that it said may have been against the protocol."""
        try:
            self.talk(_stopped(self.session))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        assert not self.session.errors, self.session.errors


async def _started(
    command: list[str], workspace: Path, configuration: Mapping[str, Any] | None, encoding: str | None
) -> Session:
    session = Session(configuration)
    await session.start_io(*command)
    encodings: list[lsp.PositionEncodingKind | str] | None = [encoding] if encoding else None
    item = lsp.ClientCompletionItemOptions(snippet_support=True, documentation_format=[lsp.MarkupKind.Markdown])
    capabilities = lsp.ClientCapabilities(
        general=lsp.GeneralClientCapabilities(position_encodings=encodings),
        workspace=lsp.WorkspaceClientCapabilities(configuration=True),
        text_document=lsp.TextDocumentClientCapabilities(
            completion=lsp.CompletionClientCapabilities(completion_item=item),
            hover=lsp.HoverClientCapabilities(content_format=[lsp.MarkupKind.Markdown]),
        ),
    )
    folders = [lsp.WorkspaceFolder(workspace.as_uri(), workspace.name)]
    parameters = lsp.InitializeParams(capabilities, root_uri=workspace.as_uri(), workspace_folders=folders)
    await session.initialize_async(parameters)
    session.initialized(lsp.InitializedParams())
    return session


async def _stopped(session: Session) -> None:
    await session.shutdown_async(None)
    session.exit(None)
    await session.stop()


def marked(text: str) -> tuple[str, lsp.Position]:
    """A text without its mark, and where that stood, in 16-bit units."""
    before, after = text.split(CURSOR)
    line = before.count("\n")
    column = len(before.rpartition("\n")[2].encode("utf-16-le")) // 2
    return before + after, lsp.Position(line, column)
