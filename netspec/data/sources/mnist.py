"""MNIST, handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from netspec.data import fieldtype
from netspec.data.cache import cached_table
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.locate import locate
from netspec.data.source import Source
from netspec.data.sources.idx import read_idx_table
from netspec.data.table import Table

_FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_URLS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")


class Mnist(Source):
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, fields ``image [28, 28, 1]`` and ``label``.

    Reference:
        LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition.
    """

    kind: ClassVar[str] = "mnist"

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"image": fieldtype.image(28, 28, 1), "label": fieldtype.category(fieldtype.numbered_classes(10))}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        found = list(locate("mnist", _FILES, _URLS, offline=offline).values())
        table = cached_table("mnist", found, lambda: _decode(found))
        if dict(table.types) != self.describe(base):
            shown = ", ".join(f"`{name}` is {t}" for name, t in table.types.items())
            raise data_error(
                "wrong-data", f"these are not the files of MNIST: {shown}", notes=[f"they lie in {found[0].parent}"]
            )
        return table


def _decode(found: list[Path]) -> Table:
    images, labels, test_images, test_labels = ([path] for path in found)
    return read_idx_table(
        {"image": {"train": images, "test": test_images}, "label": {"train": labels, "test": test_labels}}
    )
