"""The server: the protocol's requests, answered by the modules beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from netspec import __version__
from netspec.diagnostics import Diagnostic
from netspec.lsp import rename as renaming
from netspec.lsp.analysis import Analysis, analyze
from netspec.lsp.completion import Proposal, complete
from netspec.lsp.cursor import path_at
from netspec.lsp.hover import hover
from netspec.lsp.names import Names, Reference, Symbol
from netspec.lsp.outline import Heading, outline
from netspec.lsp.text import Encoding, Place, Position, Text
from netspec.spec.tree import Scalar

PAUSE: Final = 0.2
"""Seconds without a change after which a text is checked, as between two words; ResNet-152 then takes 0.13 s."""

MOST_FILES: Final = 500
"""Of a folder, read in search of those that include another one."""

_KINDS: Final = {
    "key": lsp.CompletionItemKind.Property,
    "value": lsp.CompletionItemKind.EnumMember,
    "name": lsp.CompletionItemKind.Variable,
}
_SYMBOLS: Final = {
    "layer": lsp.SymbolKind.Function,
    "block": lsp.SymbolKind.Class,
    "cell": lsp.SymbolKind.Class,
    "activation": lsp.SymbolKind.Function,
    "loss": lsp.SymbolKind.Function,
    "input": lsp.SymbolKind.Variable,
    "field": lsp.SymbolKind.Field,
}


class Server(LanguageServer):
    """A server with what it knows of every open text."""

    def __init__(self) -> None:
        # Whole texts, as specs are short: pygls counts lines by Python's ends of lines, and the protocol knows three.
        super().__init__("netspec", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.pause = PAUSE
        self._analyses: dict[str, Analysis] = {}
        self._last_read: dict[str, Analysis] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._published: dict[str, dict[str, list[lsp.Diagnostic]]] = {}
        """By the text that was checked: the faults in it and in each of the files that it includes."""

    @property
    def encoding(self) -> Encoding:
        """What the editor's columns count."""
        found = self.workspace.position_encoding
        named = found.value if isinstance(found, lsp.PositionEncodingKind) else found
        return "utf-8" if named == "utf-8" else "utf-32" if named == "utf-32" else "utf-16"

    def text(self, uri: str) -> Text:
        """The text of a document as the editor has it."""
        return Text(self.workspace.get_text_document(uri).source, self.encoding)

    def analysis(self, uri: str) -> Analysis:
        """What is known of a document as it stands."""
        source = self.workspace.get_text_document(uri).source
        known = self._analyses.get(uri)
        if known is None or known.text != source:
            known = self._analyses[uri] = analyze(source, name_of(uri))
            if known.names is not None:
                self._last_read[uri] = known
        return known

    def last_read(self, uri: str) -> Analysis | None:
        """What was known of a document when it could last be read."""
        return self._last_read.get(uri)

    def closed(self, uri: str) -> None:
        """Forget a document, and take its faults back."""
        for known in (self._analyses, self._last_read):
            known.pop(uri, None)
        self._cancel(uri)
        for other in self._published.pop(uri, {}):
            self._publish(other)

    # --- faults ---

    def changed(self, uri: str) -> None:
        """Check a document once nothing has changed for a while."""
        self._cancel(uri)
        self._waiting[uri] = asyncio.get_running_loop().create_task(self._later(uri))

    def check(self, uri: str) -> None:
        """Check a document, and tell its faults."""
        analysis = self.analysis(uri)
        found: dict[str, list[lsp.Diagnostic]] = {uri: []}
        for fault in analysis.diagnostics:
            file = fault.span.file if fault.span is not None else analysis.file
            where = uri if file == analysis.file else uri_of(file)
            found.setdefault(where, []).append(self._diagnostic(fault, analysis, uri))
        before = self._published.get(uri, {})
        self._published[uri] = found
        for other in {**before, **found}:
            self._publish(other)

    def recheck(self) -> None:
        """Check all open documents anew: a file that they include may have changed."""
        self.forget()
        for uri in list(self.workspace.text_documents):
            self.check(uri)

    def forget(self) -> None:
        """Find everything out anew when it is asked for: files that texts include may have changed."""
        self._analyses.clear()

    async def _later(self, uri: str) -> None:
        await asyncio.sleep(self.pause)
        self._waiting.pop(uri, None)
        self.check(uri)

    def _cancel(self, uri: str) -> None:
        task = self._waiting.pop(uri, None)
        if task is not None:
            task.cancel()

    def _publish(self, uri: str) -> None:
        every = [fault for faults in self._published.values() for fault in faults.get(uri, ())]
        unique = [fault for i, fault in enumerate(every) if fault not in every[:i]]
        document = self.workspace.text_documents.get(uri)
        version = document.version if document is not None else None
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, unique, version))

    def _diagnostic(self, fault: Diagnostic, analysis: Analysis, uri: str) -> lsp.Diagnostic:
        lines = [fault.message, *(f"note: {note}" for note in fault.notes), *(f"help: {text}" for text in fault.helps)]
        severity = lsp.DiagnosticSeverity.Error if fault.severity == "error" else lsp.DiagnosticSeverity.Warning
        start = end = lsp.Position(0, 0)
        if fault.span is not None:
            source = analysis.text if fault.span.file == analysis.file else analysis.sources.get(fault.span.file, "")
            text = Text(source, self.encoding)
            place = text.place_of(fault.span)
            line = text.position_at(place.start).line  # a fault of a whole section is marked on its first line
            last = text.position_at(place.end)
            end_offset = place.end if last.line == line else place.start + len(text.line_of(place.start))
            start, end = _position(text, place.start), _position(text, max(place.start, end_offset))
        return lsp.Diagnostic(lsp.Range(start, end), "\n".join(lines), severity, fault.code, source="netspec")

    # --- places ---

    def range_of(self, place: Place, names: Names, uri: str) -> lsp.Location:
        """A place of a spec or of what it includes; ``uri`` is that of the spec."""
        text = Text(names.texts[place.file].source, self.encoding)
        own = name_of(uri)
        where = uri if place.file == own else uri_of(place.file)
        if place.file == own:
            text = self.text(uri)
        shift = _mark(text) - _mark(names.texts[place.file])
        span = lsp.Range(_position(text, place.start + shift), _position(text, place.end + shift))
        return lsp.Location(where, span)

    def named(self, uri: str, position: lsp.Position) -> tuple[Names, Symbol | None, Place | None] | None:
        """What is named at a position: the symbol, and the place where it is."""
        names = self.analysis(uri).names
        if names is None:
            return None
        found = names.at(name_of(uri), self.offset(uri, position))
        symbol = found.symbol if isinstance(found, Reference) else found
        return names, symbol, found.place if found is not None else None

    def offset(self, uri: str, position: lsp.Position) -> int:
        """The offset of a position in the text as it is read, which has no byte order mark."""
        text = self.text(uri)
        return text.offset_at(Position(position.line, position.character)) - _mark(text)

    def readers(self, uri: str) -> Iterable[tuple[str, Analysis]]:
        """Other specs that include a document: those that are open, and those in the folders of the workspace."""
        file = name_of(uri)
        uris = dict.fromkeys(self.workspace.text_documents)
        folders = [to_fs_path(folder) for folder in self.workspace.folders]
        paths = (path for folder in folders if folder for path in sorted(Path(folder).rglob("*.y*ml"))[:MOST_FILES])
        uris |= dict.fromkeys(uri_of(str(path)) for path in paths if _may_include(path))
        for other in uris:
            if other != uri:
                analysis = self.analysis(other)
                if file in analysis.sources and analysis.names is not None:
                    yield other, analysis


server = Server()


@server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
def _opened(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    ls.check(params.text_document.uri)


@server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
async def _changed(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    ls.changed(params.text_document.uri)


@server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
def _saved(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    ls.recheck()


@server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
def _closed(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    ls.closed(params.text_document.uri)


@server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[" ", "-", ".", "{", "[", ":"]))
def _complete(ls: Server, params: lsp.CompletionParams) -> lsp.CompletionList:
    uri = params.text_document.uri
    text, offset = ls.text(uri), ls.offset(uri, params.position)
    ls.analysis(uri)
    mark = _mark(text)
    read = Text(text.source[mark:], text.encoding)
    found = complete(read.source, offset, name_of(uri), ls.last_read(uri))
    return lsp.CompletionList(False, [_item(proposal, i, read) for i, proposal in enumerate(found)])


@server.feature(lsp.TEXT_DOCUMENT_HOVER)
def _hover(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    uri = params.text_document.uri
    analysis = ls.analysis(uri)
    found = hover(analysis, ls.offset(uri, params.position))
    if found is None or analysis.names is None:
        return None
    told, place = found
    span = ls.range_of(place, analysis.names, uri).range if place is not None else None
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, told), span)


@server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
def _definition(ls: Server, params: lsp.DefinitionParams) -> lsp.Location | None:
    uri = params.text_document.uri
    found = ls.named(uri, params.position)
    if found is None:
        return None
    names, symbol, _ = found
    if symbol is not None:
        return ls.range_of(symbol.place, names, uri)
    return _included(ls, names, uri, params.position)


@server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
def _references(ls: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    uri = params.text_document.uri
    found = ls.named(uri, params.position)
    if found is None or found[1] is None:
        return []
    names, symbol, _ = found
    assert symbol is not None
    places = [*([symbol.place] if params.context.include_declaration else ()), *names.uses(symbol)]
    return [ls.range_of(place, names, uri) for place in places]


@server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
def _prepare_rename(ls: Server, params: lsp.PrepareRenameParams) -> lsp.PrepareRenamePlaceholder | None:
    uri = params.text_document.uri
    found = ls.named(uri, params.position)
    if found is None or found[2] is None:
        return None
    names, symbol, place = found
    assert place is not None
    try:
        name = renaming.check(symbol).name
    except renaming.RenameError as refusal:
        raise JsonRpcInvalidParams(str(refusal)) from None
    return lsp.PrepareRenamePlaceholder(ls.range_of(place, names, uri).range, name)


@server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
def _rename(ls: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit:
    uri = params.text_document.uri
    ls.forget()
    found = ls.named(uri, params.position)
    if found is None:
        raise JsonRpcInvalidParams("the spec cannot be read: mend it first")
    names, symbol, _ = found
    edits: dict[str, list[lsp.TextEdit]] = {}
    try:
        known = renaming.check(symbol)
        _gather(ls, edits, uri, names, known, params.new_name)
        for other, analysis in ls.readers(uri) if known.place.file == name_of(uri) else ():
            assert analysis.names is not None
            same = next((s for s in analysis.names.symbols if s.place == known.place), None)
            if same is not None:
                _gather(ls, edits, other, analysis.names, same, params.new_name)
    except renaming.RenameError as refusal:
        raise JsonRpcInvalidParams(str(refusal)) from None
    return lsp.WorkspaceEdit(changes=edits)


def _gather(ls: Server, edits: dict[str, list[lsp.TextEdit]], uri: str, names: Names, symbol: Symbol, new: str) -> None:
    main = renaming.main_of(names, symbol.item) if symbol.item is not None else None
    for place, text in renaming.rename(names, symbol, new, main):
        where = ls.range_of(place, names, uri)
        document = ls.workspace.text_documents.get(where.uri)
        if document is not None and document.source.removeprefix("\ufeff") != names.texts[place.file].source:
            raise renaming.RenameError(f"save {Path(place.file).name} first: it is included as it was saved last")
        edit = lsp.TextEdit(where.range, text)
        if edit not in edits.setdefault(where.uri, []):
            edits[where.uri].append(edit)


@server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
def _symbols(ls: Server, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    uri = params.text_document.uri
    analysis = ls.analysis(uri)
    names = analysis.names
    return [] if names is None else [_symbol(ls, heading, names, uri) for heading in outline(analysis)]


def _symbol(ls: Server, heading: Heading, names: Names, uri: str) -> lsp.DocumentSymbol:
    whole, own = (ls.range_of(place, names, uri).range for place in (heading.whole, heading.place))
    kind = _SYMBOLS.get(heading.kind or "", lsp.SymbolKind.Namespace)
    below = [_symbol(ls, each, names, uri) for each in heading.below]
    return lsp.DocumentSymbol(heading.name, kind, whole, own, detail=heading.detail, children=below)


def _included(ls: Server, names: Names, uri: str, position: lsp.Position) -> lsp.Location | None:
    """The file that `include` names at a position."""
    from netspec.diagnostics import Report
    from netspec.spec.yaml import read_text

    own = names.texts[name_of(uri)]
    tree = read_text(own.source, name_of(uri), Report())
    path = path_at(tree, name_of(uri), *own.yaml_at(ls.offset(uri, position))) if tree is not None else None
    if path is None or path[0] != "include":
        return None
    node: Any = tree
    for step in path:
        node = node.get(step) if isinstance(step, str) else node.items[step]
    file = Path(name_of(uri)).parent / str(node.value) if isinstance(node, Scalar) else None
    start = lsp.Position(0, 0)
    return lsp.Location(uri_of(str(file)), lsp.Range(start, start)) if file is not None and file.is_file() else None


def _item(proposal: Proposal, rank: int, text: Text) -> lsp.CompletionItem:
    span = lsp.Range(_position(text, proposal.start), _position(text, proposal.end))
    documentation = (
        lsp.MarkupContent(lsp.MarkupKind.Markdown, proposal.documentation) if proposal.documentation else None
    )
    return lsp.CompletionItem(
        proposal.label,
        kind=_KINDS[proposal.what],
        detail=proposal.detail or None,
        documentation=documentation,
        sort_text=f"{rank:04}",
        text_edit=lsp.TextEdit(span, proposal.insert),
    )


def _position(text: Text, offset: int) -> lsp.Position:
    line, character = text.position_at(offset)
    return lsp.Position(line, character)


def _mark(text: Text) -> int:
    """The length of the byte order mark that a text begins with: 1 or 0."""
    return 1 if text.source.startswith("\ufeff") else 0


def _may_include(path: Path) -> bool:
    try:
        return "include" in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def name_of(uri: str) -> str:
    """What a document is called in diagnostics: its path, if it has one."""
    return (to_fs_path(uri) if uri.startswith("file:") else None) or f"<{uri}>"


def uri_of(file: str) -> str:
    """The address of a file."""
    return from_fs_path(str(Path(file).resolve())) or file
