"""Describing data loads nothing heavy: what `netspec validate` imports of this floor."""

from __future__ import annotations

import subprocess
import sys


def test_describing_data_loads_no_numpy() -> None:
    code = """
import sys
from pathlib import Path
from netspec.data.section import DataSection
from netspec.data.fields.category import Category
from netspec.data.fields.number import Number
from netspec.data.sources.csv import Csv
from netspec.data.fields.date import Date
from netspec.data.fields.one_hot import OneHot
from netspec.data.sources.function import Function
from netspec.data.sources.mnist import Mnist
from netspec.data.sources.parquet import Parquet
from netspec.data.sources.playground import Playground
from netspec.data.splits import Split
from netspec.diagnostics import Report
import netspec.data.dataset, netspec.data.batches, netspec.data.rows
report = Report()
DataSection(source=Mnist(), split=Split(validation=5000)).resolve(Path(), report)
fields = {"x": Number(of=("weight", "weight / horsepower")), "y": Category(of="origin", classes=("usa", "japan"))}
DataSection(source=Csv(path="mpg.csv"), fields=fields).resolve(Path(), report)
more = {"d": Date(of="d"), "k": OneHot(of="k"), "n": Number(of="x", missing="median", log=True, min_max=True)}
DataSection(source=Parquet(path="a.parquet"), fields=more, split=Split(by="part")).resolve(Path(), report)
DataSection(source=Playground(kind="spiral"), fields={"x": Number(of=("x1", "x1*x2"))}).resolve(Path(), report)
bounds = {"formula": "sin(x)", "from": "-pi", "to": "pi", "rows": 10}
DataSection(source=Function.model_validate(bounds)).resolve(Path(), report)
assert not report.diagnostics
heavy = {"numpy", "numba", "llvmlite", "sklearn", "scipy", "rich", "pooch", "pyarrow"} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
