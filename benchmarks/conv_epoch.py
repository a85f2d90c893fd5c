"""An epoch of LeNet-5 on MNIST: 60,000 images at batch 64, then loss and accuracy on 10,000."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.conv_step import LENET, LR, MOMENTUM, lenet
from benchmarks.harness import THREADS, Contender, Ready, compare, timed
from benchmarks.mnist import Array, engine, opened
from benchmarks.report import CONTENDERS, Section, contenders_table, times_faster

BATCH, EVALUATED = 64, 256
REQUIRED = 5.0


def make_netspec() -> Ready:
    """The engine that `netspec train` uses, in as many calls as that makes."""
    made, dataset = engine(LENET.spec), opened(LENET.spec).dataset
    rng, train = np.random.default_rng(0), np.asarray(dataset.splits["train"])

    def epoch() -> None:
        order = rng.permutation(train)
        steps, at_once = len(order) // BATCH, made.capacity(BATCH)
        whole = order[: steps * BATCH].reshape(steps, BATCH)
        for begin in range(0, steps, at_once):
            rows = whole[begin : begin + at_once]
            made.train(rows, begin, np.full(len(rows), LR))
        made.train(order[steps * BATCH :].reshape(1, -1), steps, np.array([LR]))
        made.evaluate(dataset.visit("test"))

    return Ready(timed(epoch, 1), "engine of `netspec train`")


def make_torch(way: str) -> Ready:
    """PyTorch: all images in memory as 8-bit pixels, gathered batch by batch."""
    torch: Any = import_module("torch")
    torch.set_num_threads(THREADS)
    dataset = opened(LENET.spec).dataset
    rows = {name: np.asarray(dataset.splits[name]) for name in ("train", "test")}
    images = {name: _images(torch, dataset.columns["image"][part]) for name, part in rows.items()}
    labels = {name: torch.from_numpy(dataset.columns["label"][part].astype(np.int64)) for name, part in rows.items()}
    layout = torch.channels_last if way == "channels_last" else torch.contiguous_format
    model = lenet(torch.nn).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, foreach=True)
    entropy = torch.nn.functional.cross_entropy

    def epoch() -> None:
        for part in torch.randperm(len(labels["train"])).split(BATCH):
            x = (images["train"][part].float() / 255).contiguous(memory_format=layout)
            loss = entropy(model(x), labels["train"][part])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            right = 0
            for part in torch.arange(len(labels["test"])).split(EVALUATED):
                logits = model((images["test"][part].float() / 255).contiguous(memory_format=layout))
                right += int((logits.argmax(1) == labels["test"][part]).sum())
                entropy(logits, labels["test"][part]).item()

    return Ready(timed(epoch, 1), way)


def _images(torch: Any, pixels: Array) -> Any:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).contiguous()


def run() -> list[Section]:
    """A fifth of the time of PyTorch's better way."""
    ways = ("eager", "channels_last")
    contenders = [Contender("netspec", make_netspec)]
    contenders += [Contender(f"PyTorch {way}", make_torch, (way,), ("torch",)) for way in ways]
    found = compare(contenders, rounds=7, seconds=100)
    section = Section("LeNet-5, one epoch of 60,000 at batch 64 with evaluation", CONTENDERS)
    contenders_table(section, found)
    peers = [one for name, one in found.items() if name != "netspec" and one]
    if peers:
        best = min(peers, key=lambda one: one.median)
        section.checks.extend(times_faster("LeNet-5 epoch with evaluation", found["netspec"], best, REQUIRED))
    return [section]
