"""What recurrent networks hold in mind, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest
from gallery import trained


@pytest.mark.parametrize(("memory", "least", "most"), [("simple", 0.2, 0.6), ("gated", 0.99, 1)])
def test_gates_hold_what_a_simple_network_forgets(memory: str, least: float, most: float, tmp_path: Path) -> None:
    """That the LSTM does, the spec says itself."""
    test = trained("rnn/long_gap", tmp_path / "run", f"vars.memory={memory}").test
    assert test is not None
    assert least <= test["accuracy"] <= most
