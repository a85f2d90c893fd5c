"""The faces of CBCL, small grey pictures of faces and of what is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from netspec.data.locate import Download
from netspec.data.pictures.known import PictureSet


class Faces(PictureSet):
    """Faces or none: 6,977 training and 5,192 test pictures, fields ``image [19, 19, 1]`` and ``label``.

    The first face database of MIT's Center for Biological and Computational Learning, as PNG: 2,429 faces and 4,548
    others to train on, 472 and 4,720 to test, of the latter a fifth of the original's. Pixels are bytes, scaled to 0
    to 1 when they are read; ``label`` is a category of 2, face and non-face. Rows go by class and by name.

    The test pictures come from other photographs than the training ones, and those without a face are the ones that a
    detector took for one: a network that is right about nearly all held-out training pictures is wrong about many of
    these, and one face in eleven makes accuracy a poor measure. Use `roc_auc`.

    They are read from ``faces.zip`` with ``train/face/NAME.png`` and so on, which no server offers as it is: put it
    into ``$NETSPEC_DATA/faces`` or the cache folder. The original asks for academic use and a citation. They are
    decoded once by Pillow (``pip install 'netspec[data]'``).

    Example:
        data: {source: faces, standardize: true}
        network:
          inputs: {image: [19, 19, 1]}
          layers: [flatten, {dense: {units: 32, activation: relu}}, {dense: 2}]
        loss: cross_entropy
        metrics: [roc_auc]

    Errors:
        data-absent: the file is not on this machine; where it belongs is told, and how it is made
        missing-package: Pillow is not installed
        wrong-data: the file holds something else
        truncated-file: the archive is damaged: make it again
        bad-picture: a picture is damaged: make its archive again

    Reference:
        Heisele, Poggio, Pontil 2000, Face detection in still gray images, MIT AI memo 1687.
    """

    kind: ClassVar[str] = "faces"
    download: ClassVar[Download] = Download(
        "faces",
        {"faces.zip": "090fba1d869ef244c3972f5e42fc09849c747afba8a51ee92b86a21815aa4ae5"},
        (),
        5_576_915,
        "not stated",
        made="of the pictures of CBCL's face database 1 as PNG, zipped as train/face, train/non-face, test/face and "
        "test/non-face",
    )
    shape: ClassVar[tuple[int, int, int]] = (19, 19, 1)
    classes: ClassVar[tuple[str, ...]] = ("face", "non-face")
    rows: ClassVar[Mapping[str, int]] = {"train": 6_977, "test": 5_192}
