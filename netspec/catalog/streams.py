"""The keys of random numbers: one stream for each place in a spec, whatever else the spec holds."""

from __future__ import annotations

from hashlib import blake2b


def stream(seed: int, path: str) -> tuple[int, int]:
    """The key ``(hi, lo)`` of the random numbers drawn at ``path``, each below 2**24.

    24 bits each, because they enter the graph as float32, which holds such whole numbers exactly.
    """
    digest = _digest(seed, path, "netspec stream", 6)
    return digest >> 24, digest & 0xFFFFFF


def initial_key(seed: int, path: str) -> int:
    """The 128-bit Philox key of the initial values of the weight at ``path``."""
    return _digest(seed, path, "netspec weight", 16)


def _digest(seed: int, path: str, purpose: str, size: int) -> int:
    # A hash, not Python's `hash`, which differs from process to process.
    return int.from_bytes(blake2b(f"{seed}/{path}".encode(), digest_size=size, person=purpose.encode()).digest())
