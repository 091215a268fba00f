"""The dense layer, as a specification."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from . import activations, initializers
from .activations import Activation
from .initializers import InitializerLike
from .layer_base import LayerSpecification, Settings, native_activation, plain_initializer
from .specification import check_count, check_flag, check_number, shorten, specification


@specification
class Dense(LayerSpecification):
    """A fully connected layer: y = f(x @ weight.T + bias).

    Shapes: x (n, n_in), weight (units, n_in), bias (units,), y (n, units), as in PyTorch's ``Linear``. Backward, with
    dz = dy · f'(z): dx = dz @ weight, dweight = dz.T @ x, dbias = dz.sum(axis=0).
    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 1986.

    Args:
        units: Number of outputs, at least 1.
        activation: f, a name such as ``"relu"`` or an object of `bpnative.activations`.
        bias: Whether there is a bias.
        weight_initializer: A name, an object of `bpnative.initializers`, an array of shape (units, n_in) or a
            callable(shape, generator). None chooses by the activation: ``"he_uniform"`` for relu and leaky_relu,
            ``"glorot_uniform"`` for all others; uniform as in Keras, PyTorch and scikit-learn.
        bias_initializer: The same, shape (units,).
        trainable: Whether training changes the layer; `Network.layers` can change this later.
        l1: Penalty on the weight: the loss gets l1·Σ|w|, and its gradient l1·sign(w) (Tibshirani 1996).
        l2: Penalty on the weight: the loss gets l2/2·Σw², and its gradient l2·w (Hoerl & Kennard 1970; Krogh & Hertz,
            "A simple weight decay can improve generalization", NIPS 1991).
        max_norm: After each update no unit's weights (a row) are longer than this; None for any length (Srivastava et
            al., "Dropout", JMLR 2014).

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: `units` is below 1, a penalty is negative, or a name is unknown; the nearest one is suggested.

    Example:
        >>> Dense(256, activation="relu")
        Dense(256, activation='relu')
    """

    units: int
    activation: str | Activation = "linear"
    bias: bool = True
    weight_initializer: InitializerLike | None = None
    bias_initializer: InitializerLike = "zeros"
    trainable: bool = True
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float | None = None
    name: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "units", check_count(self.units, "units of Dense"))
        set_field(self, "activation", shorten(activations.get(self.activation)))
        set_field(self, "bias", check_flag(self.bias, "bias of Dense"))
        set_field(self, "trainable", check_flag(self.trainable, "trainable of Dense"))
        if self.weight_initializer is not None:
            chosen = initializers.normalize(self.weight_initializer, "weight_initializer")
            set_field(self, "weight_initializer", chosen)
        set_field(self, "bias_initializer", initializers.normalize(self.bias_initializer, "bias_initializer"))
        for penalty in ("l1", "l2"):
            set_field(self, penalty, check_number(getattr(self, penalty), f"{penalty} of Dense", "[0, 1e30]"))
        if self.max_norm is not None:
            set_field(self, "max_norm", check_number(self.max_norm, "max_norm of Dense", "(0, 1e30]"))

    def output_size(self, input_size: int) -> int:
        """Columns that come out where `input_size` columns go in."""
        return self.units

    def parameter_count(self, input_size: int) -> int:
        """Weights and biases where `input_size` columns go in."""
        return self.units * (input_size + self.bias)

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it."""
        restraints = {"l1": self.l1, "l2": self.l2, "max_norm": self.max_norm or 0.0}
        return self.name, {"units": self.units, "bias": self.bias, **native_activation(self.activation), **restraints}

    def initializer(self, tensor: str) -> InitializerLike:
        """What the tensor ``"weight"`` or ``"bias"`` starts from."""
        if tensor == "bias":
            return self.bias_initializer
        if self.weight_initializer is None:
            return activations.get(self.activation).default_initializer
        return self.weight_initializer

    def without_values(self) -> Dense:
        """The same layer, without initializers that are arrays or functions: they need not be kept once drawn."""
        return dataclasses.replace(
            self,
            weight_initializer=plain_initializer(self.weight_initializer, None),
            bias_initializer=plain_initializer(self.bias_initializer, "zeros"),
        )
