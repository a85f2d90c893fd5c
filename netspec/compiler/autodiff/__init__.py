"""Reverse-mode differentiation of graphs."""

from netspec.compiler.autodiff.reverse import accumulate, gradients, pull_back

__all__ = ["accumulate", "gradients", "pull_back"]
