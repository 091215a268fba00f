"""Layers without parameters: activations by themselves, noise, and the scaling of raw inputs."""

from __future__ import annotations

from typing import ClassVar

from . import activations
from .layer_base import LayerSpecification, Settings, native_activation
from .specification import check_number, shorten, specification


@specification
class Activation(LayerSpecification):
    """An activation as a layer of its own: y = f(x), for use after a normalization. Shapes: (n, k) to (n, k).

    A name or an object of `bpnative.activations` in a list of layers stands for it.

    Args:
        function: f, a name such as ``"relu"`` or an object of `bpnative.activations`.

    Raises:
        TypeError: It is neither.
        ValueError: The name is unknown; the nearest one is suggested.

    Source: as of the activation.

    Example:
        >>> import bpnative as bp
        >>> bp.Network([bp.Dense(8), bp.BatchNorm(), "relu", bp.Dense(1)], input_size=4).layers[2].specification
        Activation('relu')
    """

    function: str | activations.Activation
    name: ClassVar[str] = "activation"

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", shorten(activations.get(self.function)))

    @property
    def activation(self) -> str | activations.Activation:
        """The activation: its name, or an object where it has settings of its own."""
        return self.function

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it."""
        return self.name, native_activation(self.function)


@specification
class Dropout(LayerSpecification):
    """Dropout: while training, each value is 0 with probability `rate`, else x / (1 - rate); afterwards y = x.

    Which values drop is a function of the network's seed, the step, the layer and the place in the batch alone, so a
    run is repeatable with any number of threads. Backward: dx = dy · y / x, the same mask.
    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout: a simple way to prevent neural networks
    from overfitting", JMLR 2014, in the inverted form.

    Args:
        rate: In [0, 1).

    Raises:
        TypeError: `rate` is no number.
        ValueError: `rate` is outside of [0, 1).

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Dropout(0.5)], input_size=4, seed=0)
        >>> sorted(set(net.forward([[1.0] * 4] * 50, training=True).ravel().tolist()))
        [0.0, 2.0]
        >>> net.predict([[1.0] * 4]).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """

    rate: float
    name: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        rate = check_number(self.rate, f"rate of {type(self).__name__}", "[0, 1)")
        object.__setattr__(self, "rate", min(rate, 1 - 2.0**-24))

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it."""
        return self.name, {"rate": self.rate}


@specification
class AlphaDropout(Dropout):
    """Dropout for layers of selu: dropped values become selu's lower limit, and mean 0 and variance 1 stay.

    With α′ = -1.7581: y = a·x + b where kept, a·α′ + b where dropped, a = 1/√((1 - rate)(1 + rate·α′²)),
    b = -a·rate·α′. Outside of training y = x.
    Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-normalizing neural networks", NIPS 2017.

    Args:
        rate: In [0, 1).

    Raises:
        TypeError: `rate` is no number.
        ValueError: `rate` is outside of [0, 1).

    Example:
        >>> AlphaDropout(0.1)
        AlphaDropout(0.1)
    """

    name: ClassVar[str] = "alpha_dropout"


@specification
class GaussianNoise(LayerSpecification):
    """Noise added while training: y = x + stddev·n, n standard normal; afterwards y = x. Backward: dx = dy.

    As repeatable as `Dropout`.
    Source: Bishop, "Training with noise is equivalent to Tikhonov regularization", Neural Computation 1995; the normal
    numbers by Box & Muller, 1958.

    Args:
        stddev: Standard deviation of the noise, from 0 to 1e30.

    Raises:
        TypeError: `stddev` is no number.
        ValueError: `stddev` is out of range.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.GaussianNoise(0.5)], input_size=100, seed=0)
        >>> round(float(net.forward([[0.0] * 100] * 100).std()), 1)
        0.5
    """

    stddev: float
    name: ClassVar[str] = "gaussian_noise"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stddev", check_number(self.stddev, "stddev of GaussianNoise", "[0, 1e30]"))

    def native(self) -> tuple[str, Settings]:
        """The layer as the compiled module takes it."""
        return self.name, {"deviation": self.stddev}


@specification
class Normalize(LayerSpecification):
    """Scales raw inputs: y = (x - mean) / deviation, by column, so that features go in as they are.

    Mean and standard deviation are those of the first `Trainer.fit`'s X (or of ``net.layers[0].adapt(X)``); they stay
    in the model and are not trained. A constant column gets deviation 1. Columns that an `Embedding` behind it takes as
    codes are left as they are. It must be the first layer.
    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998, section 4.3.

    Example:
        >>> import bpnative as bp
        >>> net = bp.Network([bp.Normalize(), bp.Dense(1)], input_size=1, seed=0)
        >>> net.layers[0].adapt([[10.0], [30.0]])
        >>> net.layers[0].statistics["mean"].tolist()
        [20.0]
    """

    name: ClassVar[str] = "normalize"

    def first_statistic(self, tensor: str) -> float:
        """What a tensor of statistics starts from: mean 0, scale 1."""
        return 1.0 if tensor == "scale" else 0.0
