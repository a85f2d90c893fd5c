"""Data with a fault, by the source and by the fault: files, and what differs from a good spec."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Content = str | bytes
Files = dict[str, Content]

SPEC = """netspec: 1
data:
  source: {source}
{more}
network:
  inputs: {{x: [2]}}
  layers: [{{dense: {{units: 3, name: logits}}}}]
loss: cross_entropy
optimizer: {{sgd: {{lr: 0.1}}}}
train: {{epochs: 1, batch: {batch}}}
"""
FIELDS = "fields: {x: {number: [a, b]}, k: {category: {of: k, classes: [p, q, r]}}}"
GOOD = "a,b,k\n1,2,p\n3,5,q\n4,4,r\n0,1,p\n"
SAME = GOOD.replace(",5", ",2").replace(",4", ",2").replace(",1", ",2")
X, K = np.arange(8.0).reshape(4, 2), np.array([0, 1, 2, 0])


@dataclass(frozen=True)
class Case:
    """One fault. ``more`` are lines of `data`."""

    files: Files
    source: str = "{csv: a.csv}"
    more: tuple[str, ...] = (FIELDS,)
    batch: object = "full"

    @property
    def spec(self) -> str:
        lines = "\n".join(f"  {line}" for line in self.more)
        return SPEC.format(source=self.source, more=lines, batch=self.batch)


@dataclass
class Cases:
    """The faults of one source, by name."""

    found: dict[str, Case] = field(default_factory=dict)

    def add(self, name: str, files: Files, *args: Any, **rest: Any) -> None:
        assert name not in self.found
        self.found[name] = Case(files, *args, **rest)


def idx(array: np.ndarray[Any, Any], code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def npy(array: np.ndarray[Any, Any], *, objects: bool = False) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=objects)
    return content.getvalue()


def npz(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def zipped(name: str, content: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def parquet(**columns: Any) -> bytes:
    """A Parquet file; raises ImportError without pyarrow."""
    import pyarrow
    from pyarrow import parquet as files

    content = io.BytesIO()
    files.write_table(pyarrow.table(columns), content)
    return content.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    """One byte changed."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def csv_files() -> Cases:
    cases = Cases()

    def csv(name: str, content: Content, *args: Any, **rest: Any) -> None:
        cases.add(name, {"a.csv": content}, *args, **rest)

    cases.add("no file", {})
    cases.add("a folder", {"a.csv/b": ""})
    cases.add("a pattern of nothing", {}, "{csv: 'x*.csv'}")
    csv("empty", "")
    csv("blank lines", "\n\n")
    csv("header alone", "a,b,k\n")
    csv("a column under another name", GOOD.replace("b,k", "bb,k"))
    csv("a cell less", GOOD.replace("5,", ""))
    csv("a cell more", GOOD.replace("5,", "5,7,"))
    csv("text in a number", GOOD.replace("5", "five"))
    csv("a mark for missing", GOOD.replace("5", "NA"))
    csv("a comma for thousands", GOOD.replace("5", '"5,000"'))
    csv("a date", GOOD.replace("5", "2024-01-31"))
    csv("a zero byte", GOOD.replace("5", "5\0"))
    csv("no value", GOOD.replace("5", ""))
    csv("nan", GOOD.replace("5", "nan"))
    csv("infinite", GOOD.replace("5", "-inf"))
    csv("too large", GOOD.replace("5", "1e40"))
    csv("a class that is not listed", GOOD.replace("q", "s"))
    csv("a class in other case", GOOD.replace("q", "Q"))
    csv("a class of two lines", GOOD.replace("q", '"q\nq"'))
    csv("a bad row below a cell of two lines", 'a,b,k\n1,2,"p\n"\nx,5,q\n')
    csv(
        "a class in test alone",
        GOOD,
        "{csv: {path: {train: a.csv, test: b.csv}}}",
        ("fields: {x: {number: [a, b]}, k: {category: k}}",),
    )
    csv("UTF-16 with a mark", b"\xff\xfe" + GOOD.encode("utf-16-le"))
    csv("UTF-16 without a mark", GOOD.encode("utf-16-be"))
    csv("Latin-1", GOOD.replace("q", "\xe9").encode("latin-1"))
    csv("not UTF-16", GOOD, "{csv: {path: a.csv, encoding: utf-16}}")
    csv("gzip", gzip.compress(GOOD.encode(), mtime=0))
    csv("a workbook", zipped("[Content_Types].xml", ""))
    csv("a web page", "<!DOCTYPE html>\n<html><body>404</body></html>\n")
    csv("a pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    csv("one name twice", GOOD.replace("a,b,k", "a,a,k"))
    csv("the index of pandas", ",a,b,k\n0,1,2,p\n")
    csv("a delimiter at the end", GOOD.replace("\n", ",\n"))
    csv("numbers for a header", "1,2,3\n1,2,3\n")
    csv("no header", GOOD.split("\n", 1)[1])
    csv("names for too few columns", GOOD.split("\n", 1)[1], "{csv: {path: a.csv, header: false, columns: [a, b]}}")
    csv("semicolons", GOOD.replace(",", ";"))
    csv("semicolons and a comma", GOOD.replace(",", ";").replace("4;4", "4;4,5"))
    csv("a quote that stays open", GOOD.replace("5", '"5'))
    csv("a quote inside", GOOD.replace("q", '"q"q'))
    csv("a very long cell", f"a,b,k\n1,2,{'p' * 200_000}\n")
    csv("a split of another name", GOOD, "{csv: {path: {train: a.csv, dev: a.csv}}}")
    csv("no file for train", GOOD, "{csv: {path: {test: a.csv}}}")
    cases.found["a class in test alone"].files["b.csv"] = GOOD.replace("q", "s")
    both = "{csv: [a.csv, b.csv]}"
    cases.add("two tables", {"a.csv": GOOD, "b.csv": GOOD.replace("a,b", "a,c")}, both)
    return cases


def fields() -> Cases:
    cases = Cases()

    def csv(name: str, content: str, more: str, *rest: str, **others: Any) -> None:
        cases.add(name, {"a.csv": content}, more=(more, *rest), **others)

    k = "k: {category: k}"
    csv("constant under standardize", SAME, FIELDS, "standardize: true")
    csv("constant under min_max", SAME, f"fields: {{x: {{number: {{of: [a, b], min_max: true}}}}, {k}}}")
    csv("fewer rows than a batch", GOOD, FIELDS, batch=5)
    csv("a share of no row", GOOD, FIELDS, "split: {test: 0.1}")
    csv("all rows to test", GOOD, FIELDS, "split: {test: 4}")
    csv("a split by no column", GOOD, FIELDS, "split: {by: part}")
    parts = GOOD.replace("a,b,k", "a,b,k,part").replace("p\n", "p,train\n").replace("r\n", "r,test\n")
    csv("a part of another name", parts.replace("q\n", "q,dev\n"), FIELDS, "split: {by: part}")
    csv("no part to train", parts.replace("train", "test").replace("q\n", "q,test\n"), FIELDS, "split: {by: part}")
    csv("a value that no row has", GOOD, FIELDS, "split: {by: {column: a, test: [7]}}")
    csv("strata of no column", GOOD, FIELDS, "split: {test: 1, stratify: kk}")
    csv("a formula of no column", GOOD, f"fields: {{x: {{number: [a, 'b / c']}}, {k}}}")
    csv("a formula that divides by 0", GOOD, f"fields: {{x: {{number: [b, 'b / a']}}, {k}}}")
    csv("a formula of text", GOOD, f"fields: {{x: {{number: [b, 'b * k']}}, {k}}}")
    csv("a logarithm of 0", GOOD, f"fields: {{x: {{number: {{of: [b, a], log: true}}}}, {k}}}")
    csv(
        "nothing to take a mean of",
        "a,b,k\n1,,p\n2,,q\n",
        f"fields: {{x: {{number: {{of: [a, b], missing: mean}}}}, {k}}}",
    )
    csv("every row dropped", "a,b,k\n1,,p\n2,,q\n", f"fields: {{x: {{number: {{of: [a, b], missing: drop}}}}, {k}}}")
    dates = "fields: {x: {date: {of: k, parts: [year, month]}}, k: {category: {of: a, classes: [1, 3, 4]}}}"
    dated = GOOD.replace("0,1,p", "1,1,p")
    csv("no date", dated.replace("p", "2024-01-01").replace("q", "yesterday"), dates)
    csv("dates of another form", dated.replace("p", "31.01.2024"), dates)
    cases.add(
        "fewer rows than a batch, known before", {}, "{random: {rows: 4, fields: {x: [2], k: {category: 3}}}}", (), 5
    )
    cases.add(
        "a split that is not there, known before",
        {},
        "{random: {rows: 4, fields: {x: [2], k: {category: 3}}}}",
        (),
        "full, select: loss",
    )
    return cases


def idx_files() -> Cases:
    cases = Cases()
    labels, floats = idx(K.astype(np.uint8)), idx(X.astype(">f4"), 13)

    def both(name: str, x: bytes = floats, k: bytes = labels) -> None:
        cases.add(name, {"x.idx": x, "k.idx": k}, "{idx: {fields: {x: x.idx, k: k.idx}}}", ())

    both("cut short", floats[:-3])
    both("too long", floats + b"ab")
    both("cut short in the header", floats[:6])
    both("empty", b"")
    both("wrong magic", b"x,y\n1,2\n")
    both("an unknown number type", bytes([0, 0, 10, 1, 0, 0, 0, 1, 0]))
    both("too many axes", bytes([0, 0, 8, 255]) + bytes(40))
    both("larger than any machine", bytes([0, 0, 8, 3]) + b"\xff" * 12)
    both("gzip cut short", gzip.compress(floats, mtime=0)[:-9])
    both("gzip damaged", flipped(gzip.compress(floats, mtime=0), -8))
    both("a NumPy array", npy(X))
    both("a label below 0", k=idx(np.array([0, 1, 255, 0], np.uint8), 9))
    both("a label out of range", k=idx(np.array([0, 1, 7, 0], np.uint8)))
    both("rows that differ", k=labels[:4] + struct.pack(">I", 3) + labels[8:11])
    both("no rows", idx(np.zeros((0, 2), ">f4"), 13), idx(np.zeros(0, np.uint8)))
    both("nan", idx(np.where(X == 5, np.nan, X).astype(">f4"), 13))
    cases.add("no file", {"x.idx": floats}, "{idx: {fields: {x: x.idx, k: k.idx}}}", ())
    return cases


def archives() -> Cases:
    cases = Cases()

    def npz_(name: str, content: bytes) -> None:
        cases.add(name, {"a.npz": content}, "{npz: a.npz}", ())

    good = npz(x=X, k=K)
    npz_("an array under another name", npz(z=X, k=K))
    npz_("objects", npz(x=X, k=np.array([0, "a", None, 1], object)))
    npz_("a single value", npz(x=X, k=np.array(3)))
    npz_("no arrays", npz())
    npz_("no rows", npz(x=X[:0], k=K[:0]))
    npz_("rows that differ", npz(x=X, k=K[:3]))
    npz_("cut short", good[:-60])
    npz_("empty", b"")
    npz_("text", b"hello")
    npz_("one array", npy(X))
    npz_("something else in a zip", zipped("readme.txt", "hello"))
    npz_("complex numbers", npz(x=X + 1j, k=K))
    npz_("bytes that are no text", npz(x=X, k=K, t=np.array([b"\xff\xfe"] * 4)))
    npz_("nan", npz(x=np.where(X == 5, np.nan, X), k=K))
    npz_("infinite", npz(x=np.where(X == 5, np.inf, X), k=K))
    npz_("too large", npz(x=np.where(X == 5, 1e300, X), k=K))
    npz_("labels of -1 and 1", npz(x=X, k=np.array([-1, 1, 1, -1])))
    npz_("a label out of range", npz(x=X, k=np.array([0, 1, 7, 0])))
    npz_("numbers of another shape", npz(x=X.reshape(4, 1, 2), k=K))

    def npy_(name: str, x: bytes, k: bytes | None = None) -> None:
        cases.add(
            f"npy: {name}",
            {"x.npy": x, "k.npy": npy(K) if k is None else k},
            "{npy: {fields: {x: x.npy, k: k.npy}}}",
            (),
        )

    npy_("cut short", npy(X)[:-8])
    npy_("larger than any machine", npy(X).replace(b"(4, 2), }            ", b"(400000000000, 2), } "))
    npy_("text", b"hello")
    npy_("an archive", good)
    npy_("objects", npy(X), npy(np.array([0, "a"], object), objects=True))
    npy_("rows that differ", npy(X), npy(K[:2]))
    npy_("a single value", npy(X), npy(np.array(3)))
    npy_("nan", npy(np.where(X == 5, np.nan, X)))
    return cases


def parquet_files() -> Cases:
    cases = Cases()
    a, b, k = [1, 3, 4, 0], [2.0, 5.0, 4.0, 1.0], ["p", "q", "r", "p"]

    def file(name: str, content: bytes) -> None:
        cases.add(name, {"a.parquet": content}, "{parquet: a.parquet}")

    file("a null", parquet(a=a, b=[2.0, None, 4.0, 1.0], k=k))
    file("nan", parquet(a=a, b=[2.0, float("nan"), 4.0, 1.0], k=k))
    file("a null in a class", parquet(a=a, b=b, k=["p", None, "r", "p"]))
    file("nulls alone", parquet(a=a, b=[None] * 4, k=k))
    file("lists", parquet(a=a, b=[[2.0], [5.0], [4.0], [1.0]], k=k))
    file("maps", parquet(a=a, b=[{"u": 1}] * 4, k=k))
    file("text in a number", parquet(a=a, b=["2", "x", "4", "1"], k=k))
    file("a column under another name", parquet(a=a, bb=b, k=k))
    file("no rows", parquet(a=a[:0], b=b[:0], k=k[:0]))
    file("text", b"a,b\n1,2\n")
    return cases
