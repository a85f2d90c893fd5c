"""A bounded share of the fuzzing that `run.py` does without an end."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import held
import pytest
from held import SEEDS, hold, mutated
from hypothesis import given, settings
from hypothesis import strategies as st

# On a busy machine two seconds may be over before much is done; what hangs takes longer than this, too.
held.SECONDS = 30.0


@given(st.sampled_from(SEEDS), st.integers(0, 1 << 32))
@settings(max_examples=150, deadline=None)
def test_no_mutation_of_a_spec_breaks_a_rule(path: Path, seed: int) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    hold(mutated(text, seed).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_a_rule(data: bytes) -> None:
    hold(data)


@given(st.sampled_from(SEEDS), st.integers(0, 1 << 16), st.binary(min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_no_damaged_byte_of_a_spec_breaks_a_rule(path: Path, place: int, piece: bytes) -> None:
    data = path.read_bytes()
    at = place % max(len(data), 1)
    hold(data[:at] + piece + data[at + len(piece) :])


HUGE = [
    "netspec: 1\nnetwork: {inputs: {x: [4]}, layers: [{dense: {units: 1, repeat: 1000000000}}]}\n",
    "netspec: 1\nvars: {a: '${2 ** 999999999}'}\nnetwork: {inputs: {x: [4]}, layers: [{dense: '${a}'}]}\n",
    "netspec: 1\nvars: {a: '${9 ** 9 ** 9}'}\nnetwork: {inputs: {x: ['${a}']}, layers: [{dense: 1}]}\n",
    "netspec: 1\nactivations: {f: " + "(" * 5000 + "x" + ")" * 5000 + "}\nnetwork: {inputs: {x: [4]}, layers: [f]}\n",
    "netspec: 1\nactivations: {f: " + "+".join(["x"] * 50000) + "}\nnetwork: {inputs: {x: [4]}, layers: [f]}\n",
    "netspec: 1\nactivations: {f: " + "exp(" * 300 + "x" + ")" * 300 + "}\nnetwork: {inputs: {x: [4]}, layers: [f]}\n",
    "netspec: 1\nblocks:\n"
    + "".join(f"  b{i}: {{layers: [{{b{i + 1}: {{repeat: 9}}}}]}}\n" for i in range(20))
    + "  b20: {layers: [relu]}\nnetwork: {inputs: {x: [4]}, layers: [b0]}\n",
    "netspec: 1\nnetwork: {inputs: {x: [4]}, layers: [" + "{dense: 4}, " * 20000 + "relu]}\n",
    "a: &a [1, 2]\n"
    + "".join(f"k{i}: &k{i} [{', '.join(['*k' + str(i - 1) if i else '*a'] * 9)}]\n" for i in range(30)),
    "\n" * 3_000_000 + "a: 1",
    "? " * 3000 + "a",
    "- " * 60000 + "a",
    "netspec: 1\n" + "".join(f"k{i}: 1\n" for i in range(20000)),
    "netspec: 1\nnetwork: {inputs: {x: [4]}, layers: [" + "{dens: 4}, " * 5000 + "relu]}\n",
    "netspec: 1\nname: " + "a" * 3_000_000 + "\nnetwork: {inputs: {x: [4]}, layers: [relu]}\n",
]


@pytest.mark.parametrize("text", HUGE, ids=range(len(HUGE)))
def test_what_asks_for_too_much_is_soon_told(text: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hold(text.encode())
    if sys.platform == "linux":  # kilobytes there
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
