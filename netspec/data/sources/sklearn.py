"""The small data sets that come with scikit-learn, read from its files: importing the package would take a second."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import environment_fault
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    from netspec.data.table import Array

_TABLES: Mapping[str, tuple[str, int, tuple[str, ...]]] = {
    "iris": ("iris.csv", 4, ("setosa", "versicolor", "virginica")),
    "wine": ("wine_data.csv", 13, ("class_0", "class_1", "class_2")),
    "breast_cancer": ("breast_cancer.csv", 30, ("malignant", "benign")),
}

_ROWS: Mapping[str, int] = {"digits": 1797, "iris": 150, "wine": 178, "breast_cancer": 569, "diabetes": 442}


class Sklearn(Source):
    """A small data set of scikit-learn, all rows in ``train``.

    ``digits``: 1,797 images of handwritten digits, fields ``image [8, 8, 1]`` and ``label``. ``iris``, ``wine``,
    ``breast_cancer``: measurements ``x`` and ``label``. ``diabetes``: measurements ``x [10]`` as taken, and
    ``target [1]``.

    Example:
        data: {source: {sklearn: wine}, standardize: true, split: {test: 0.2, stratify: label}}
        network:
          inputs: {x: [13]}
          layers: [{dense: {units: 16, activation: relu}}, {dense: 3}]
        loss: cross_entropy

    Errors:
        data-absent: scikit-learn is not installed, or a file of it cannot be read

    Reference:
        Pedregosa et al. 2011, Scikit-learn: machine learning in Python.
    """

    kind: ClassVar[str] = "sklearn"
    comes_along: ClassVar[bool] = True
    name: Literal["digits", "iris", "wine", "breast_cancer", "diabetes"] = pydantic.Field(
        description="Which of them.", json_schema_extra={"main": True}
    )

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        if self.name == "digits":
            return {
                "image": fieldtype.image(8, 8, 1, top=16),
                "label": fieldtype.category(fieldtype.numbered_classes(10)),
            }
        if self.name == "diabetes":
            return {"x": fieldtype.number(10), "target": fieldtype.number(1)}
        _, features, classes = _TABLES[self.name]
        return {"x": fieldtype.number(features), "label": fieldtype.category(classes)}

    def sizes(self) -> Mapping[str, int]:
        return {"train": _ROWS[self.name]}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        types = self.describe(base)
        if self.name == "digits":
            values = _numbers("digits.csv.gz", 65).astype(np.uint8)
            columns = {"image": values[:, :64].reshape(-1, 8, 8, 1), "label": values[:, 64]}
        elif self.name == "diabetes":
            x, target = _numbers("diabetes_data_raw.csv.gz", 10), _numbers("diabetes_target.csv.gz", 1)
            columns = {"x": x.astype(np.float32), "target": target.astype(np.float32)}
        else:
            file, features, _ = _TABLES[self.name]
            values = _numbers(file, features + 1, skip=1)
            columns = {"x": values[:, :-1].astype(np.float32), "label": values[:, -1].astype(np.uint8)}
        return make_table(
            columns, types, places=(Place(f"scikit-learn's {self.name}", 0),), origin=f"scikit-learn's {self.name}"
        )


def _numbers(file: str, columns: int, skip: int = 0) -> Array:
    """The numbers of one file, ``float64[rows, columns]``."""
    import gzip

    import numpy as np

    path = _folder() / file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise environment_fault("data-absent", f"scikit-learn's data file {file} cannot be read: {error}") from None
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("ascii")
    body = "\n".join(text.splitlines()[skip:]).replace(",", " ")
    return np.fromstring(body, sep=" ").reshape(-1, columns)


def _folder() -> Path:
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise environment_fault("data-absent", "scikit-learn is not installed", helps=["pip install scikit-learn"])
    return Path(found.submodule_search_locations[0]) / "datasets" / "data"
