"""Coverage-guided fuzzing of `netspec validate`, by atheris (``pip install atheris``).

    python tests/fuzz/run.py bytes -max_total_time=300      # any bytes
    python tests/fuzz/run.py specs -max_total_time=300      # specs with pieces cut, doubled, swapped

What follows is for libFuzzer, such as a folder that keeps what it finds. What breaks a rule of `held.py` is written to
a file ``crash-...``: put it among the bad specs of tests/specs/err, and mend it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

with atheris.instrument_imports(include=["netspec"]):
    import held

    # Kinds are imported when a spec names them; what is imported later has no eyes on it. That takes time, too, and
    # instrumented code five times as long as it does alone.
    held.SECONDS *= 5
    for path in held.SEEDS:
        with suppress(AssertionError):
            held.hold(path.read_bytes())


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """What libFuzzer calls for the next text: a mutation that keeps most of a spec, or one of its own."""
    text = data.decode("utf-8", "ignore")
    if seed % 5 == 0 or not text:
        return bytes(atheris.Mutate(data, max_size))
    return held.mutated(text, seed).encode("utf-8", "ignore")[:max_size]


def main() -> None:
    """Fuzz until libFuzzer is told to stop."""
    mode, *rest = sys.argv[1:] or ["bytes"]
    seeds = Path(tempfile.mkdtemp(prefix="netspec-fuzz-"))
    for number, path in enumerate(held.SEEDS):
        (seeds / f"{number}.yaml").write_bytes(path.read_bytes())
    limits = ["-rss_limit_mb=500", "-timeout=60", "-max_len=20000", f"-artifact_prefix={Path.cwd()}/"]
    folders = [word for word in rest if not word.startswith("-")]
    flags = [word for word in rest if word.startswith("-")]
    mutator = {"custom_mutator": _mutate} if mode == "specs" else {}
    atheris.Setup([sys.argv[0], *limits, *flags, *folders, str(seeds)], held.hold, **mutator)
    os.chdir(seeds)  # an `include` of a mutated spec leads nowhere else
    atheris.Fuzz()


if __name__ == "__main__":
    main()
