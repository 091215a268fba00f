"""Orthogonal weights: a random rotation, drawn evenly from all of them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..specification import specification
from .base import Gain, Initializer, Shape, Values, gain


@specification
class Orthogonal(Initializer):
    """gain times a random matrix with orthonormal rows (or columns, where n_out > n_in): keeps lengths exactly.

    A matrix of standard normal values is decomposed, A = Q·R, and Q's columns take the signs of R's diagonal: without
    that Q would depend on how the decomposition is made, with it Q is drawn evenly from all rotations and reflections
    (Haar measure). The decomposition is NumPy's (LAPACK): its last bits can differ between processors.

    Sources: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014; Mezzadri, "How to generate random matrices from the classical compact groups", 2007; PyTorch's
    ``init.orthogonal_``.

    Args:
        gain: A number above 0, or the activation that follows, see `gain`.

    Raises:
        TypeError, ValueError: The gain is neither.

    Example:
        >>> weight = Orthogonal()((3, 5), np.random.default_rng(0))
        >>> bool(np.allclose(weight @ weight.T, np.eye(3)))
        True
    """

    gain: Gain = 1.0
    name: ClassVar[str] = "orthogonal"

    def __post_init__(self) -> None:
        self._check_gain(self.gain)

    def __call__(self, shape: Shape, generator: np.random.Generator) -> Values:
        """Draw one weight.

        Raises:
            ValueError: The shape is not (n_out, n_in).
        """
        if len(shape) != 2:
            raise ValueError(f"expected a weight of shape (n_out, n_in) for Orthogonal, got shape {shape}")
        rows, columns = shape
        normal = generator.standard_normal((max(shape), min(shape)))
        q, r = np.linalg.qr(normal)
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return gain(self.gain) * np.ascontiguousarray(q if rows >= columns else q.T)
