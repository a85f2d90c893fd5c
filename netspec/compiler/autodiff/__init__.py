"""Reverse-mode differentiation of graphs."""

from netspec.compiler.autodiff.reverse import gradients

__all__ = ["gradients"]
