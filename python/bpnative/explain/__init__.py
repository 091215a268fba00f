"""A step of training looked into, and backpropagation held against finite differences."""

from __future__ import annotations

from .differences import GradientComparison, compare_gradients
from .explanation import Explanation
from .walk import LayerStep

__all__ = ["Explanation", "GradientComparison", "LayerStep", "compare_gradients"]
