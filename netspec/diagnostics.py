"""What netspec tells a user about a fault: a code, a place, a way out; and how that is printed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, NamedTuple

# Every code that a diagnostic may carry, with its meaning; `Diagnostic` refuses any other, so this list is whole once
# the lints, each of which declares its own (`declare_warning`), are imported: `netspec.spec.lints`.
CODES: Final[dict[str, str]] = {
    # reading YAML
    "yaml-syntax": "The file is not YAML.",
    "too-large": "The file, what its aliases expand to, or what a layer computes is larger than any spec needs.",
    "too-deep": "Lists and maps are nested deeper than 64 levels.",
    "not-utf8": "The file holds bytes that are not UTF-8 text.",
    "duplicate-key": "A key stands twice in one map.",
    "bad-key": "A key is a list, a map or holds `${}`.",
    "unknown-tag": "A YAML tag (`!name`) stands before a value.",
    "bad-alias": "An alias names no anchor, or contains itself.",
    "null-value": "A key has no value, or null, which is never a value.",
    "not-a-number": "A number is infinite or not a number.",
    "empty-spec": "The file holds nothing.",
    "too-many-faults": "There are so many faults that the others are not told.",
    "left-open": "A value is `???`: it is left for the reader to fill in.",
    # files and overrides
    "unreadable-file": "A file cannot be read.",
    "include-cycle": "A file includes itself, perhaps through others.",
    "bad-override": "A `--set` is not KEY=VALUE, or its path leads through something that is not a map.",
    "outside-folder": "A file is included from outside the folder of the spec.",
    "bad-config": "The settings of a project, in `netspec.toml` or `pyproject.toml`, are wrong.",
    "unknown-code": "What is to be ignored is the code of no warning.",
    "cannot-format": "`netspec fmt` cannot lay a file out without a change of what it says.",
    "fragment": "The file has no `network`: it is made to be included.",
    # keys and values
    "version": "`netspec: 1` is missing, or asks for another version of the language.",
    "unmet-requirement": "`requires` asks for another version of netspec than the one that reads the spec.",
    "unknown-key": "A key that nothing reads stands in a map.",
    "missing-key": "A key that is needed is not there.",
    "wrong-type": "A value is of another type than its key takes.",
    "out-of-range": "A value is of the right type and outside what its key takes.",
    "bad-name": "A name is not made of letters, digits and `_`, or is reserved.",
    "duplicate-name": "Two things that share a namespace have one name.",
    "bad-item": "An item is not a name, nor one key that holds its fields.",
    "unknown-kind": "An item names a kind that does not exist.",
    "bad-interpolation": "What stands in `${}` cannot be worked out.",
    "unknown-variable": "`${}` names something that it cannot see.",
    "bad-formula": "A formula cannot be parsed, or uses a function or name that does not exist.",
    # network
    "unknown-from": "`from` names nothing that stands above it.",
    "unknown-port": "A layer or block has no value of that name.",
    "input-count": "A layer gets more or fewer inputs than it takes.",
    "bad-block": "The definition of a block is wrong.",
    "bad-cell": "The definition of a cell is wrong.",
    "recursive-block": "A block contains itself.",
    "too-many-layers": "Blocks and repeats expand to more layers than any network needs.",
    "bad-share": "`share` names no weights that this layer could take.",
    "unknown-weight": "`init`, `share` or `freeze` names a weight that the layer does not have.",
    "dead-layer": "A layer reaches no output and no loss.",
    "shape-mismatch": "Shapes do not fit together.",
    # data
    # runs
    "damaged-file": "A file of a run cannot be read back.",
    "folder-not-empty": "The folder for a run holds something already.",
    "run-busy": "Another process trains in this run.",
    "run-finished": "The run has been trained to its end.",
    "unknown-run": "There is no such run.",
    "changed-data": "The data are not those that the run began with.",
    "wrong-weights": "A file of weights does not fit the network.",
    "unknown-pass": "The compiler has no pass of that name.",
    "unknown-word": "`netspec explain` knows no code and no kind of that name.",
    "unknown-example": "The gallery has no spec of that name.",
    "file-exists": "A file would be overwritten.",
    "unknown-export": "There is no format of that name to export to.",
    "cannot-export": "A format has no way to say what the network does.",
    "export-differs": "What was written computes something else than the compiled network.",
    "unknown-layer": "The network has no layer of that name.",
    "no-such-step": "The training ends before that step.",
    "no-such-row": "The data have no row of that number, or the step does not train on it.",
    # the machine, and netspec itself
    "disk-full": "The disk is full, or a limit on file sizes is reached.",
    "disk-fault": "The disk or the folder does not do what it should.",
    "no-permission": "A file or folder may not be read or written.",
    "unusable-folder": "A folder that an environment variable names is not there or cannot be used.",
    "little-room": "Little room is left on a disk that netspec writes to.",
    "slow-processor": "Kernels are slower than they could be, for the processor or what is asked of it.",
    "broken-compiler": "Kernels cannot be compiled on this machine.",
    "out-of-memory": "The machine has not enough memory.",
    "no-threads": "The system starts no more threads for this process.",
    "cache-unusable": "The cache folder cannot hold compiled kernels; they are compiled again in each process.",
    "internal-error": "A fault of netspec itself, to be reported.",
    # losses, training
    "unknown-field": "The data have no field of that name.",
    "ambiguous-output": "A loss or metric does not say which of several outputs it reads.",
    "unused-input": "No layer reads an input of the network.",
    "ambiguous-target": "A loss or metric does not say what it compares with, and there are several candidates.",
    "bad-expectation": "A line of `expect` is no comparison, or compares what does not exist.",
    "expectation-failed": "What `expect` says is not so.",
    "doubtful-loss": "A loss reads outputs that it is hardly meant for.",
    "variance-of-one": "In training, a layer would take the variance of a single number.",
    "rule-without-layer": "A learning rule finds no dense layer that it could train.",
    "hides-built-in": "A name that the spec defines hides a built-in one.",
    # augmentation
    "not-an-image": "An augmentation is to change something that is no image.",
    "ambiguous-image": "An augmentation does not say which of several images it changes.",
    "rule-without-loss": "An augmentation mixes losses, and a learning rule is to train without one.",
    "repeated-augmentation": "An augmentation that may stand once for an image stands twice.",
    # data, once they are opened
    "unknown-data": "There is no data set of that name.",
    "data-absent": "A public data set is not on this machine and cannot be fetched.",
    "download-failed": "A download failed, or what came is not what was meant to come.",
    "missing-package": "A package that is needed for this is not installed.",
    "wrong-data": "The files found for a data set are not that data set.",
    "missing-file": "A path in `data` leads to no file.",
    "unknown-format": "The name of a file does not end as one that can be read.",
    "wrong-magic": "A file does not begin as its format does.",
    "truncated-file": "A file is not as long as its header says, is damaged, or cannot be unpacked.",
    "bad-picture": "A picture is damaged, too large, or stored in a way that is not read.",
    "unequal-pictures": "Pictures that belong together differ in size, or some are grey and some coloured.",
    "stray-picture": "A picture lies in no folder that names its class or split.",
    "empty-class": "A folder that names a class or split holds no pictures.",
    "locked-file": "A file can only be read with a password.",
    "bad-csv": "A CSV file breaks the rules of quoting.",
    "wrong-encoding": "A text file is not written in the encoding that the spec names.",
    "bad-json": "A line is not JSON, or no map from names to values.",
    "bad-npz": "A file holds no NumPy arrays of numbers and text.",
    "no-header": "The first line of a CSV file does not name its columns.",
    "duplicate-column": "A CSV file has two columns of one name.",
    "ragged-row": "A row has more or fewer cells than the header names columns.",
    "unequal-columns": "Files or rows that belong together differ in their columns.",
    "unequal-rows": "Fields that belong together differ in their number of rows.",
    "no-rows": "A file or source has no rows.",
    "unknown-column": "The source has no column of that name.",
    "wrong-kind": "A field cannot be made of a column of that kind or shape.",
    "wrong-shape": "Values have another shape than the network reads.",
    "bad-classes": "A list of classes is empty or names one twice.",
    "unknown-class": "A value is none of the classes.",
    "bad-vocabulary": "A vocabulary holds no token, or `max_size` leaves it room for none.",
    "label-out-of-range": "A class is counted from 0, and a file holds a negative one.",
    "missing-value": "A cell that a field needs is empty.",
    "text-in-number": "A cell that should be a number holds text.",
    "not-finite": "A number of the data is too large for float32, or the loss or a weight is not finite any more.",
    "not-a-date": "A cell that should be a date is not written as one.",
    "pixel-out-of-range": "A pixel is not a byte, or not between 0 and 1.",
    "constant-column": "A number that is to be scaled is the same in every training row.",
    "class-not-trained": "A class stands in rows of a split that is measured, and in no row that trains.",
    "rows-in-two-splits": "Rows that are measured stand among those that train, too.",
    "unknown-split": "There is no split, or no fold, of that name.",
    "split-exists": "`split` asks for a split that is there already.",
    "empty-split": "A split would have no rows.",
    "cannot-time": "Kernels are timed without the data, and a size of the network is known only from them.",
    "cannot-carry": "A layer carries its state from one row to the next, and the rows are not parts of one text.",
    "looks-ahead": "A layer between what is fed and what is chosen would have to see steps that are yet to be made.",
    "cannot-stream": "The spec asks for something that needs all rows in memory, and streams them.",
    "too-few-rows": "`split` or a batch asks for more rows than there are.",
}

# The codes of what a spec is warned of, which it may ask to be spared; lints declare theirs.
WARNINGS: Final[set[str]] = {
    "class-not-trained",
    "doubtful-loss",
    "hides-built-in",
    "out-of-memory",
    "rows-in-two-splits",
    "unknown-code",
    "unused-input",
}

# Longer source lines are shown in part.
WIDTH: Final = 160

# Of a spec that has more faults, something other than a spec was read.
MOST: Final = 1000

# What YAML's reader counts as the end of a line.
LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


def declare_warning(code: str, meaning: str) -> None:
    """Add a code that warnings of specs may carry, with its meaning.

    Raises:
        ValueError: if it is there already.
    """
    if code in CODES:
        raise ValueError(f"two diagnostics have the code `{code}`")
    CODES[code] = meaning
    WARNINGS.add(code)


class Span(NamedTuple):
    """A stretch of a file; lines and columns count from 1, columns in code points, ``end_column`` is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Note(str):
    """A fact beside a diagnostic that stands at a place of its own; the text alone says so, too."""

    __slots__ = ("span",)
    span: Span

    def __new__(cls, text: str, span: Span) -> Note:
        note = super().__new__(cls, text)
        note.span = span
        return note

    def __getnewargs__(self) -> tuple[str, Span]:  # type: ignore[override]  # it is what `__new__` takes
        return str(self), self.span


@dataclass(frozen=True)
class Diagnostic:
    """One fault: ``code`` is kebab-case and documented, ``notes`` add facts, ``helps`` say the way out."""

    code: str
    message: str
    span: Span | None = None
    severity: Literal["error", "warning"] = "error"
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"the diagnostic code `{self.code}` is not documented in CODES")


class NetspecError(Exception):
    """A fault that a user can mend; ends a command with ``exit_code`` and never with a traceback."""

    exit_code = 1

    def __init__(self, *diagnostics: Diagnostic, sources: Mapping[str, str] | None = None) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = diagnostics
        self.sources: dict[str, str] = dict(sources or {})

    def render(self) -> str:
        """All diagnostics in the one shape they have everywhere, with a blank line between them."""
        return "\n".join(render(d, self.sources) for d in self.diagnostics)


class SpecError(NetspecError):
    """The spec is wrong."""


class DataError(NetspecError):
    """The data are wrong: a file, a row, a column."""


class ChoiceError(NetspecError):
    """What was named on the command line does not exist."""

    exit_code = 2


class EnvironmentFault(NetspecError):  # noqa: N818  EnvironmentError is a builtin
    """The machine stands in the way: disk, memory, permission, network."""

    exit_code = 4


class NetspecWarning(RuntimeWarning):
    """What a user should know and what stops nothing; the program shows it as it shows faults."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__("; ".join((diagnostic.message, *diagnostic.notes, *diagnostic.helps)))
        self.diagnostic = diagnostic


@dataclass
class Report:
    """Gathers diagnostics while work goes on, so that one fault hides no other."""

    sources: dict[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _known: set[tuple[str, str, Span | None]] = field(default_factory=set, init=False, repr=False)

    def error(
        self, code: str, message: str, span: Span | None, *, notes: Iterable[str] = (), helps: Iterable[str] = ()
    ) -> None:
        self._add(Diagnostic(code, message, span, "error", tuple(notes), tuple(helps)))

    def warning(
        self, code: str, message: str, span: Span | None, *, notes: Iterable[str] = (), helps: Iterable[str] = ()
    ) -> None:
        self._add(Diagnostic(code, message, span, "warning", tuple(notes), tuple(helps)))

    def _add(self, diagnostic: Diagnostic) -> None:
        """Keep it unless it is known: a fault inside a block is one fault however often the block is used."""
        if self.full:
            return
        if len(self.diagnostics) == MOST - 1:
            diagnostic = Diagnostic(
                "too-many-faults", f"there are {MOST:,} faults or more, and no more are told", diagnostic.span
            )
        identity = (diagnostic.code, diagnostic.message, diagnostic.span)
        if identity not in self._known:
            self._known.add(identity)
            self.diagnostics.append(diagnostic)

    @property
    def full(self) -> bool:
        """Whether so much was told that nothing more is."""
        return len(self.diagnostics) >= MOST

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    def raise_if_failed(self) -> None:
        """Raise all that was gathered, in the order of the file.

        Raises:
            SpecError: if any diagnostic is an error.
        """
        if self.failed:
            raise SpecError(*in_order(self.diagnostics), sources=self.sources)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file and place, those without a place last, each once."""
    unique = dict.fromkeys(diagnostics)
    return sorted(unique, key=lambda d: (d.span is None, d.span or Span("", 0, 0, 0, 0), d.code))


def render(diagnostic: Diagnostic, sources: Mapping[str, str]) -> str:
    """One diagnostic as text: place, code, message; the line with its caret; notes and helps.

    ::

        lenet.yaml:14:7: error[shape-mismatch]: `dense` acts on the last axis, got (13, 13, 8)
           |
        14 |     - dense: {units: 10}
           |       ^^^^^
           = help: put `- flatten` before it
    """
    d = diagnostic
    head = f"{d.severity}[{d.code}]: {d.message}"
    lines = [f"{d.span}: {head}" if d.span else head]
    margin = "   "
    if d.span and d.span.file in sources:
        text = lines_of(sources[d.span.file])
        if d.span.line <= len(text):
            source = text[d.span.line - 1]
            margin = " " * (len(str(d.span.line)) + 1)
            end = d.span.end_column if d.span.end_line == d.span.line else len(source) + 1
            carets = "^" * max(1, min(end, len(source) + 1) - d.span.column)
            source, caret = _window(source, " " * (d.span.column - 1) + carets, d.span.column)
            lines += [f"{margin}|", f"{d.span.line} | {_printable(source)}", f"{margin}| {caret}"]
    lines += [f"{margin}= note: {note}" for note in d.notes]
    lines += [f"{margin}= help: {text}" for text in d.helps]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=4)
def lines_of(text: str) -> Sequence[str]:
    """The lines of a file as its reader counts them; kept, since each of its faults asks for them."""
    return LINE_BREAK.split(text)


def _window(source: str, caret: str, column: int) -> tuple[str, str]:
    """What is shown of a long line: the part around ``column``."""
    if len(source) <= WIDTH:
        return source, caret
    start = max(0, min(column - WIDTH // 2, len(source) - WIDTH))
    return source[start : start + WIDTH], caret[start : start + WIDTH]


def _printable(line: str) -> str:
    """The line with each character that is invisible or moves the cursor as one that keeps its column."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def matches(code: str, names: Collection[str]) -> bool:
    """Whether ``names`` hold a code, or the words that it begins with: `unknown` stands for `unknown-key`, too."""
    return any(code == name or code.startswith(f"{name}-") for name in names)


def suggestion(word: str, choices: Iterable[str]) -> str | None:
    """The choice a mistyped ``word`` was meant to be, if one is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), list(choices), n=1, cutoff=0.6)
    return near[0] if near else None
