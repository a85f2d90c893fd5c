"""The data section opened: fields, what is fitted, and every fault told with file, row and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netspec.data import fieldtype, fitting
from netspec.data.dataset import Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.category import Category
from netspec.data.fields.image import Image
from netspec.data.fields.number import Number
from netspec.data.fitting import Fitted
from netspec.data.section import DataSection
from netspec.data.source import Source
from netspec.data.sources.csv import Csv
from netspec.data.sources.idx import Idx
from netspec.data.sources.logic import Logic
from netspec.data.sources.mnist import Mnist
from netspec.data.sources.npz import Npz
from netspec.data.sources.random import Random
from netspec.data.sources.sklearn import Sklearn
from netspec.data.splits import Split
from netspec.diagnostics import Report

Fault = Callable[[Callable[[], object]], tuple[str, str]]

CARS = """name,mpg,weight,horsepower,origin,note
a,18,3504,130,usa,1
b,25,2000,50,japan,1
c,30,1800,60,europe,1
d,15,3693,165,usa,1
"""


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    (tmp_path / "cars.csv").write_text(CARS)
    return tmp_path


def section(
    fields: dict[str, Field] | None = None, *, standardize: bool = False, split: Split | None = None
) -> DataSection:
    return DataSection(
        source=Csv(path="cars.csv"), fields=fields or {}, standardize=standardize, split=split or Split()
    )


def resolved(data: DataSection) -> dict[str, str] | None:
    report = Report()
    types = data.resolve(Path(), report)
    report.raise_if_failed()
    return None if types is None else {name: str(t) for name, t in types.items()}


def test_fields_of_a_csv(cars: Path) -> None:
    fields: dict[str, Field] = {
        "x": Number(of=("weight", "weight / horsepower")),
        "rest": Number(of="*"),
        "origin": Category(of="origin"),
        "listed": Category(of="origin", classes=("usa", "europe", "japan")),
    }
    data = open_data(section(fields), cars, 0)
    assert list(data.columns) == ["x", "rest", "origin", "listed"]
    assert np.allclose(data.columns["x"][1], [2000, 40])
    assert data.fitted.fields["rest"].columns == ("mpg", "note")
    assert data.fields["origin"].classes == ("europe", "japan", "usa")
    assert data.columns["origin"].tolist() == [2, 1, 0, 2]
    assert data.columns["listed"].tolist() == [0, 2, 1, 0]
    assert data.columns["x"].dtype == np.float32
    assert data.columns["origin"].dtype == np.uint8


def test_columns_are_fields_where_none_are_made(cars: Path) -> None:
    data = open_data(section(), cars, 0)
    assert {name: str(t) for name, t in data.fields.items()} == dict.fromkeys(
        ("mpg", "weight", "horsepower", "note"), "number []"
    )
    assert data.columns["mpg"].dtype == np.float32


def test_what_is_known_before_the_data_are_open() -> None:
    assert resolved(section()) is None
    fields: dict[str, Field] = {
        "x": Number(of=("weight", "weight / horsepower")),
        "rest": Number(of="*"),
        "y": Category(of="origin", classes=("usa", "japan")),
        "z": Category(of="name"),
    }
    assert resolved(section(fields)) == {
        "x": "number [2]",
        "rest": "number",
        "y": "category [] of 2",
        "z": "category []",
    }
    assert section(fields).complete(Path())
    assert not DataSection(source=Npz(path="a.npz"), fields=fields).complete(Path())


def test_a_column_that_a_field_is_made_of_is_no_field() -> None:
    source = Random(rows=10, fields={"a": (2,), "b": (3,), "image": (4, 5), "c": (1,)})
    data = DataSection(source=source, fields={"ab": Number(of=("a", "b")), "image": Image(of="image")})
    assert resolved(data) == {"c": "number [1]", "ab": "number [5]", "image": "image [4, 5, 1]"}
    opened = open_data(data, Path(), 0, needed=("ab", "c"))
    assert {name: column.shape for name, column in opened.columns.items()} == {"c": (10, 1), "ab": (10, 5)}


@pytest.mark.parametrize(
    ("source", "field", "code", "words"),
    [
        (Sklearn(name="iris"), Number(of="y"), "unknown-column", "no column `y`"),
        (Sklearn(name="iris"), Number(of="X"), "unknown-column", "did you mean `x`?"),
        (Sklearn(name="iris"), Number(of="2 * x"), "wrong-kind", "`x` is number [4]"),
        (Sklearn(name="iris"), Number(of="1 +"), "bad-formula", "`1 +` is neither a column nor a formula"),
        (Sklearn(name="iris"), Number(of="sum(label)"), "bad-formula", "does not compute one number"),
        (Sklearn(name="iris"), Category(of="x"), "wrong-kind", "needs one value a row"),
        (Sklearn(name="iris"), Image(of="x"), "wrong-kind", "needs pixels"),
        (Sklearn(name="digits"), Number(of="image"), "wrong-kind", "`image` is image [8, 8, 1]"),
        (Csv(path="a.csv"), Number(of="a ? b"), "bad-formula", "neither a column nor a formula"),
        (Csv(path="a.csv"), Category(of="a", classes=("x", "x")), "bad-classes", "names `x` twice"),
    ],
)
def test_faults_that_need_no_data(source: Source, field: Field, code: str, words: str) -> None:
    report = Report()
    DataSection(source=source, fields={"f": field}).resolve(Path(), report)
    assert [d.code for d in report.diagnostics] == [code]
    d = report.diagnostics[0]
    assert words in " ".join((d.message, *d.notes, *d.helps))


def test_every_faulty_field_is_told() -> None:
    report = Report()
    fields: dict[str, Field] = {"a": Number(of="y"), "b": Category(of="z")}
    data = DataSection(source=Sklearn(name="iris"), fields=fields, split=Split(test=0.1, stratify="lable"))
    data.resolve(Path(), report)
    assert len(report.diagnostics) == 3
    assert "did you mean `label`?" in report.diagnostics[2].helps


@pytest.mark.parametrize(
    ("old", "new", "field", "code", "words"),
    [
        ("130", "", Number(of="horsepower"), "missing-value", "cars.csv, line 2, column `horsepower`: no value"),
        ("130", "", Number(of="1 / horsepower"), "missing-value", "cars.csv, line 2, column `horsepower`"),
        (
            "130",
            "?",
            Number(of="horsepower"),
            "text-in-number",
            "cars.csv, line 2, column `horsepower`: `?` is not a number",
        ),
        ("130", "?", Number(of="*"), "text-in-number", "column `horsepower`: `?`"),
        ("130", "1e99", Number(of="horsepower"), "not-finite", "line 2, column `horsepower`: 1e+99"),
        (
            "130",
            "0",
            Number(of="1 / horsepower"),
            "not-finite",
            "cars.csv, line 2: `1 / horsepower` is inf where `horsepower` is 0",
        ),
        ("130", "130", Number(of="horsepowr"), "unknown-column", "did you mean `horsepower`?"),
        ("130", "130", Number(of="name"), "text-in-number", "`a` is not a number"),
        ("japan", "", Category(of="origin"), "missing-value", "cars.csv, line 3, column `origin`: no value"),
        (
            "japan",
            "jpn",
            Category(of="origin", classes=("usa", "japan", "europe")),
            "unknown-class",
            "line 3, column `origin`: `jpn`",
        ),
    ],
)
def test_faults_name_file_row_and_column(
    *, cars: Path, old: str, new: str, field: Field, code: str, words: str, fault: Fault
) -> None:
    (cars / "cars.csv").write_text(CARS.replace(old, new))
    found, text = fault(lambda: open_data(section({"f": field}), cars, 0))
    assert found == code, text
    assert words in text


def test_class_that_training_lacks(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "a.csv").write_text("k\n10\n9\n")
    (tmp_path / "b.csv").write_text("k\n9\n11\n")
    data = DataSection(source=Csv(path={"train": "a.csv", "test": "b.csv"}), fields={"k": Category(of="k")})
    code, text = fault(lambda: open_data(data, tmp_path, 0))
    assert code == "unknown-class"
    assert "b.csv, line 3, column `k`: `11` is none of the 2 classes" in text
    assert "`9`, `10`" in text


def test_standardize_is_for_inputs_and_fitted_on_training_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,10\n3,20\n")
    (tmp_path / "b.csv").write_text("x,y\n100,1000\n")
    fields: dict[str, Field] = {"x": Number(of="x"), "y": Number(of="y")}
    data = DataSection(source=Csv(path={"train": "a.csv", "test": "b.csv"}), fields=fields, standardize=True)
    fitted = open_data(data, tmp_path, 0, inputs=("x",)).fitted.fields
    x = fitted["x"]
    assert x.offset is not None
    assert x.scale is not None
    assert (x.offset.tolist(), x.scale.tolist()) == ([2], [1])
    assert fitted["y"].offset is None


def test_standardized_target_comes_back_in_its_own_units(cars: Path) -> None:
    data = open_data(section({"y": Number(of="mpg", standardize=True)}), cars, 0)
    y = data.fitted.fields["y"]
    assert y.offset is not None
    assert y.scale is not None
    z = (data.columns["y"] - y.offset) * y.scale
    assert np.allclose([z.mean(), z.std()], [0, 1], atol=1e-6)
    assert np.allclose(z / y.scale + y.offset, data.columns["y"])


def test_images_come_to_0_to_1() -> None:
    digits = open_data(DataSection(source=Sklearn(name="digits")), Path(), 0, inputs=("image",))
    image = digits.fitted.fields["image"]
    assert digits.columns["image"].dtype == np.uint8
    assert image.offset is not None
    assert image.scale is not None
    assert image.scale.shape == (1, 1, 1)
    assert (digits.columns["image"].max() - image.offset) * image.scale == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_standardized_by_channel(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 6, 7, channels)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", image=pixels, floats=(pixels / 255).astype(np.float32))
    fields: dict[str, Field] = {
        "image": Image(of="image", standardize=True),
        "floats": Image(of="floats", standardize=True),
    }
    data = open_data(DataSection(source=Npz(path="a.npz"), fields=fields, split=Split(test=10)), tmp_path, 3)
    for name in fields:
        f = data.fitted.fields[name]
        assert f.offset is not None
        assert f.scale is not None
        assert f.offset.shape == (1, 1, channels)
        seen = (data.columns[name][data.splits["train"]].astype(np.float64) - f.offset) * f.scale
        assert np.allclose(seen.mean((0, 1, 2)), 0, atol=1e-5)
        assert np.allclose(seen.std((0, 1, 2)), 1, atol=1e-5)


def test_constant_columns_cannot_be_standardized(cars: Path, tmp_path: Path, fault: Fault) -> None:
    data = section({"x": Number(of=("weight", "note"), standardize=True)})
    code, text = fault(lambda: open_data(data, cars, 0))
    assert code == "constant-column"
    assert "`note` in `x` is 1 in every training row" in text
    np.savez(tmp_path / "a.npz", image=np.full((5, 2, 2, 1), 7, np.uint8))
    images = DataSection(source=Npz(path="a.npz"), standardize=True)
    assert "channel 0 of `image` is 7" in fault(lambda: open_data(images, tmp_path, 0, inputs=("image",)))[1]


def test_constant_number_is_found_whatever_its_rounding(tmp_path: Path, fault: Fault) -> None:
    np.savez(tmp_path / "a.npz", x=np.full((1001, 1), 0.1))
    data = DataSection(source=Npz(path="a.npz"), standardize=True)
    assert fault(lambda: open_data(data, tmp_path, 0, inputs=("x",)))[0] == "constant-column"


def test_float_pixels_lie_between_0_and_1(tmp_path: Path, fault: Fault) -> None:
    np.savez(tmp_path / "a.npz", image=np.linspace(0, 2, 12).reshape(3, 2, 2, 1))
    data = DataSection(source=Npz(path="a.npz"), fields={"image": Image(of="image")})
    assert "a.npz, row 2, column `image`" in fault(lambda: open_data(data, tmp_path, 0))[1]


def test_not_finite_numbers_of_an_archive(tmp_path: Path, fault: Fault) -> None:
    x = np.zeros((40, 3), np.float32)
    x[17, 1] = np.nan
    np.savez(tmp_path / "a.npz", x=x, y=x + np.inf)
    data = DataSection(source=Npz(path="a.npz"))
    assert "a.npz, row 18, column `x` at [1]: no value" in fault(lambda: open_data(data, tmp_path, 0, needed=("x",)))[1]
    assert fault(lambda: open_data(data, tmp_path, 0, needed=("y",)))[0] == "not-finite"


def test_stratified_split_by_a_made_field(cars: Path) -> None:
    (cars / "cars.csv").write_text("k,x\n" + "a,1\nb,2\n" * 20)
    fields: dict[str, Field] = {"label": Category(of="k"), "x": Number(of="x")}
    data = open_data(section(fields, split=Split(test=10, stratify="label")), cars, 0)
    assert np.bincount(data.columns["label"][data.splits["test"]]).tolist() == [5, 5]


def test_unknown_names_are_told_once_the_data_are_open(cars: Path, fault: Fault) -> None:
    np.savez(cars / "a.npz", x=np.ones((4, 2)), label=np.arange(4))
    data = DataSection(source=Npz(path="a.npz"))
    code, text = fault(lambda: open_data(data, cars, 0, needed=("x", "lable")))
    assert code == "unknown-field"
    assert "did you mean `label`?" in text
    stratified = DataSection(source=Npz(path="a.npz"), split=Split(test=1, stratify="x"))
    assert fault(lambda: open_data(stratified, cars, 0))[0] == "wrong-kind"


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_moments_do_not_hang_on_chunks(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    column: NDArray[Any] = np.random.default_rng(1).integers(0, 256, (101, 3, 5)).astype(dtype)
    train = np.arange(0, 101, 2)
    monkeypatch.setattr(fitting, "_CHUNK_BYTES", 70)
    mean, deviation = fitting.moments(column, train, (5,))
    assert np.allclose(mean, column[train].mean((0, 1), dtype=np.float64))
    assert np.allclose(deviation, column[train].std((0, 1), dtype=np.float64))


def test_fitted_goes_to_files_and_back(cars: Path) -> None:
    import json

    fields: dict[str, Field] = {"x": Number(of="*"), "origin": Category(of="origin"), "w": Number(of="weight")}
    (cars / "cars.csv").write_text(CARS.replace("1\n", "2\n", 1))
    data = open_data(section(fields, standardize=True), cars, 0, inputs=("x",))
    back = Fitted.from_parts(json.loads(json.dumps(data.fitted.to_json())), data.fitted.to_arrays())
    assert back.to_json() == data.fitted.to_json()
    assert all(np.array_equal(back.to_arrays()[name], array) for name, array in data.fitted.to_arrays().items())
    again = open_data(section(fields, standardize=True), cars, 0, inputs=("x",), fitted=back)
    assert again.fitted.to_json() == data.fitted.to_json()
    assert again.fingerprint == data.fingerprint


def beyond(data: Dataset, name: str) -> int:
    """How many elements can be read behind the last row of a column."""
    column = data.columns[name]
    base = column
    while isinstance(base.base, np.ndarray):
        base = base.base
    end = column.__array_interface__["data"][0] + column.nbytes
    return int(base.__array_interface__["data"][0] + base.nbytes - end) // column.itemsize


@pytest.mark.parametrize("source", [Logic(gate="xor"), Sklearn(name="iris"), Sklearn(name="breast_cancer")])
def test_vectors_can_be_read_to_the_end_of_the_last_row(source: Source) -> None:
    data = open_data(DataSection(source=source), Path(), 0)
    assert all(beyond(data, name) >= 15 for name in data.columns)
    assert all(column.flags.c_contiguous for column in data.columns.values())


def test_idx_fields_stay_beside_made_ones(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, *range(8)]))
    (tmp_path / "y").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))
    label = Category(of="y", classes=(0, 1, 2))
    data = DataSection(source=Idx(fields={"image": "x", "y": "y"}), fields={"label": label})
    assert {name: str(t) for name, t in open_data(data, tmp_path, 0).fields.items()} == {
        "image": "image [2, 2, 1]",
        "label": "category [] of 3",
    }


@pytest.mark.data
def test_mnist_standardized(real_data: Path) -> None:
    data = open_data(DataSection(source=Mnist(), standardize=True), Path(), 0, inputs=("image",))
    image = data.fitted.fields["image"]
    assert image.offset is not None
    assert image.scale is not None
    assert abs(float(image.offset.item()) / 255 - 0.1307) < 1e-4
    assert abs(1 / (255 * float(image.scale.item())) - 0.3081) < 1e-4


@pytest.mark.data
def test_real_tables(real_data: Path, fault: Fault) -> None:
    folder = real_data / "tabular"
    iris = DataSection(source=Csv(path="iris.csv"), fields={"x": Number(of="*"), "species": Category(of="species")})
    data = open_data(iris, folder, 0)
    assert data.columns["x"].shape == (150, 4)
    assert data.fields["species"] == fieldtype.category(("setosa", "versicolor", "virginica"))
    mpg = DataSection(source=Csv(path="mpg.csv"), fields={"x": Number(of=("weight", "weight / horsepower"))})
    assert "mpg.csv, line 34, column `horsepower`: no value" in fault(lambda: open_data(mpg, folder, 0))[1]
    assert fault(lambda: Csv(path="wine.csv").open(folder))[0] == "no-header"
