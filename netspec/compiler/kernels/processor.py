"""Which processor the kernels are for: its vector features, the register tile that suits it, its kind of arithmetic.

``NETSPEC_CPU`` (``avx512``, ``avx2``, ``sse``, ``neon``) overrides what is detected: one machine tests the others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

# `generic` with explicit features: what the override of a test, or an older machine, compiles for.
_OVERRIDES = {
    "avx512": ("x86-64-v4", "", "x86_64"),
    "avx2": ("x86-64-v3", "", "x86_64"),
    "sse": ("x86-64", "", "x86_64"),
    "neon": ("generic", "+neon", "aarch64"),
}


@dataclass(frozen=True)
class Tile:
    """Rows and vectors of 16 columns that one step of a matrix product keeps in registers.

    ``overlaps``: registers are left over for an optimizer's update between the multiply-adds. With 16 registers there
    are not: Adam's update of 392 x 256 weights at batch 64 then takes 282 us so and 191 us after each tile (AVX2).
    """

    rows: int
    vectors: int
    overlaps: bool = False
    tall: int = 0
    """Rows where nothing but sums is held at a time; 0: as many as ever."""


@dataclass(frozen=True)
class Processor:
    """What code is generated for.

    ``fused``: multiply-adds round once. ``name`` and ``features`` are LLVM's; ``triple`` is empty for this machine.
    """

    architecture: str
    level: str
    name: str
    features: str
    fused: bool
    overridden: bool = False

    @property
    def tile(self) -> Tile:
        """The tile that fills the registers of this processor without spilling."""
        six, most = Tile(6, 1), Tile(8, 2, overlaps=True, tall=14)
        return {"avx512": most, "avx2": six, "neon": six}.get(self.level, Tile(2, 1))

    @property
    def arithmetic(self) -> str:
        """What decides the bits of a result: equal strings, equal bits."""
        flushes = "flush" if self.architecture in ("x86_64", "aarch64") else "denormals"
        return f"float32 {'fma' if self.fused else 'mul-add'} {flushes}"


def architecture() -> str:
    """``x86_64``, ``aarch64`` or what the machine calls itself."""
    import platform

    machine = platform.machine().lower()
    return {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def current() -> Processor:
    """The processor that kernels are compiled for now."""
    return _processor(os.environ.get("NETSPEC_CPU", ""))


@lru_cache
def _processor(override: str) -> Processor:
    if override:
        if override not in _OVERRIDES:
            raise ValueError(f"NETSPEC_CPU must be one of {', '.join(_OVERRIDES)}, got {override!r}")
        name, features, kind = _OVERRIDES[override]
        return Processor(kind, override, name, features, override != "sse", overridden=True)
    import llvmlite.binding as llvm

    detected = dict(llvm.get_host_cpu_features())
    level = _level(architecture(), detected)
    features = llvm.FeatureMap(detected).flatten()
    fused = level in ("avx512", "avx2", "neon")
    return Processor(architecture(), level, llvm.get_host_cpu_name(), features, fused)


def _level(kind: str, features: dict[str, bool]) -> str:
    if kind == "aarch64":
        return "neon"
    if all(features.get(name) for name in ("avx512f", "avx512dq", "avx512vl", "avx512bw")):
        return "avx512"
    return "avx2" if features.get("avx2") and features.get("fma") else "sse"


def vector_features() -> tuple[str, ...]:
    """What this machine has for vectors, by LLVM's names, whatever ``NETSPEC_CPU`` says."""
    import llvmlite.binding as llvm

    families = ("sse", "avx", "fma", "f16c", "amx", "neon", "sve", "bf16")
    return tuple(
        sorted(name for name, has in llvm.get_host_cpu_features().items() if has and name.startswith(families))
    )


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
