"""MNIST, handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from netspec.data import fieldtype
from netspec.data.cache import cached_table
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.locate import Download
from netspec.data.source import Source
from netspec.data.sources.idx import read_idx_table
from netspec.data.table import Table

_DOWNLOAD = Download(
    "mnist",
    {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    11_594_722,
    "CC BY-SA 3.0",
)


class Mnist(Source):
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, fields ``image [28, 28, 1]`` and ``label``.

    Pixels are bytes, scaled to 0 to 1 when they are read; ``label`` is a category of 10. The four files are looked for
    in ``$NETSPEC_DATA/mnist``, packed or not, then in the cache folder; else they are downloaded, if the extra
    ``[data]`` is installed, and checked against their SHA-256.

    Example:
        data: {source: mnist}
        network:
          inputs: {image: [28, 28, 1]}
          layers: [flatten, {dense: 10}]
        loss: cross_entropy

    Errors:
        data-absent: the files are not on this machine and are not to be downloaded; which belong where is told
        download-failed: no server gave them, or what came has another SHA-256
        wrong-data: the files hold something else

    Reference:
        LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition.
    """

    kind: ClassVar[str] = "mnist"
    download: ClassVar[Download] = _DOWNLOAD

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"image": fieldtype.image(28, 28, 1), "label": fieldtype.category(fieldtype.numbered_classes(10))}

    def sizes(self) -> Mapping[str, int]:
        return {"train": 60_000, "test": 10_000}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        found = list(self.download.locate(offline=offline).values())
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
