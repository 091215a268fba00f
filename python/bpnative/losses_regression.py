"""Losses of numbers: specifications only; value and derivative are computed natively, in one pass.

The notation is that of `bpnative.losses`: n samples, k targets a sample, y the target, p the output, wᵢ the weights.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .losses_base import Loss, check_numbers
from .specification import check_flag, check_number, specification

Array = npt.NDArray[Any]


@specification
class MSE(Loss):
    """Mean squared error: lossᵢ = (1/k) Σⱼ (pᵢⱼ - yᵢⱼ)².

    Its derivative in pᵢⱼ for the batch is 2·wᵢ·(pᵢⱼ - yᵢⱼ) / (n·k).

    Shapes: output (n, k); target (n, k), or (n,) where k = 1. As PyTorch's ``MSELoss``.
    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 1986.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[1.0], [3.0]], [[0.0], [0.0]], bp.MSE()).value
        5.0
    """

    name: ClassVar[str] = "mse"
    targets: ClassVar[str] = "values"


@specification
class MAE(Loss):
    """Mean absolute error: lossᵢ = (1/k) Σⱼ |pᵢⱼ - yᵢⱼ|; its minimum is the median.

    Its derivative in pᵢⱼ for the batch is wᵢ·sign(pᵢⱼ - yᵢⱼ) / (n·k), 0 where they are equal.

    Shapes: output (n, k); target (n, k), or (n,) where k = 1. As PyTorch's ``L1Loss``.
    Source: Boscovich 1757; see Koenker & Bassett, "Regression quantiles", Econometrica 1978.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[1.0], [3.0]], [[0.0], [0.0]], bp.MAE()).value
        2.0
    """

    name: ClassVar[str] = "mae"
    targets: ClassVar[str] = "values"


@specification
class Huber(Loss):
    """Squares near the target, straight lines far from it: outliers pull with a bounded force.

    With e = pᵢⱼ - yᵢⱼ each output's loss is e²/2 where |e| ≤ delta, else delta·(|e| - delta/2), and lossᵢ their mean
    over j. Its derivative in pᵢⱼ for the batch is wᵢ·max(-delta, min(e, delta)) / (n·k).

    Args:
        delta: Where the square ends, above 0.

    Shapes: output (n, k); target (n, k), or (n,) where k = 1. As PyTorch's ``HuberLoss``.
    Source: Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 1964.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[1.0], [3.0]], [[0.0], [0.0]], bp.Huber(delta=2.0)).losses.tolist()
        [0.5, 4.0]
    """

    name: ClassVar[str] = "huber"
    targets: ClassVar[str] = "values"
    delta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", check_number(self.delta, "delta of Huber", "(0, inf)"))

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        return {"delta": [self.delta]}


@specification
class LogCosh(Loss):
    """A smooth relative of `Huber`: lossᵢ = (1/k) Σⱼ log cosh(pᵢⱼ - yᵢⱼ).

    Its derivative in pᵢⱼ for the batch is wᵢ·tanh(pᵢⱼ - yᵢⱼ) / (n·k).

    Shapes: output (n, k); target (n, k), or (n,) where k = 1. As Keras's ``LogCosh``.
    Source: Green, "Bayesian reconstructions from emission tomography data using a modified EM algorithm", IEEE
    Transactions on Medical Imaging 1990.

    Example:
        >>> import bpnative as bp
        >>> round(bp.kernels.loss([[1.0]], [[0.0]], bp.LogCosh()).value, 4)
        0.4338
    """

    name: ClassVar[str] = "log_cosh"
    targets: ClassVar[str] = "values"


@specification
class Quantile(Loss):
    """Pinball loss: its minimum is a quantile of the targets, so that several levels give an interval.

    With e = yᵢⱼ - pᵢ and level q an output's loss is max(q·e, (q - 1)·e), and lossᵢ their mean over all outputs. Its
    derivative in pᵢ for the batch is wᵢ·(-q where e > 0, 1 - q where e < 0, 0 at 0) / (n·outputs).

    Args:
        levels: One level, or several, each between 0 and 1: 0.5 is the median, (0.05, 0.5, 0.95) an interval of 90 %
            and the median.

    Shapes: output (n, k·L) for k targets and L levels, column j·L + l the level l of target j: for each target all
    levels; target (n, k), or (n,) where k = 1. Metrics that compare outputs with targets take the level nearest to
    0.5. As scikit-learn's ``mean_pinball_loss``.
    Source: Koenker & Bassett, "Regression quantiles", Econometrica 1978.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[1.0, 3.0]], [[2.0]], bp.Quantile(levels=(0.25, 0.75))).losses.tolist()
        [0.25]
    """

    name: ClassVar[str] = "quantile"
    targets: ClassVar[str] = "values"
    levels: float | tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", check_numbers(self.levels, "levels of Quantile", "(0, 1)"))

    def _levels(self) -> tuple[float, ...]:
        return self.levels if isinstance(self.levels, tuple) else (self.levels,)

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        return {"levels": list(self._levels())}

    def target_columns(self, n_outputs: int) -> int:
        """Outputs divided by levels.

        Raises:
            ValueError: It leaves a remainder.
        """
        count = len(self._levels())
        if n_outputs % count:
            raise ValueError(
                f"expected a last layer of {count} units for each target, one for each of the levels "
                f"{self._levels()} of Quantile, got {n_outputs} outputs"
            )
        return n_outputs // count

    def compared_columns(self, n_outputs: int) -> list[int] | None:
        """For each target the level nearest to 0.5."""
        levels = self._levels()
        nearest = min(range(len(levels)), key=lambda level: abs(levels[level] - 0.5))
        return list(range(nearest, n_outputs, len(levels)))


@specification
class Poisson(Loss):
    """Negative log-likelihood of counts: lossᵢ = (1/k) Σⱼ exp(pᵢⱼ) - yᵢⱼ·pᵢⱼ, the output the logarithm of the rate.

    Its derivative in pᵢⱼ for the batch is wᵢ·(exp(pᵢⱼ) - yᵢⱼ) / (n·k). The term log(y!), which no weight changes, is
    left out. A last layer with ``activation="exponential"`` fuses with it: the network then predicts rates.

    Args:
        log_input: False: outputs are rates themselves, of a last layer that makes them positive (softplus), and the
            loss is p - y·log(p + epsilon); a negative rate gives NaN.
        epsilon: Keeps that logarithm finite at a rate of 0; above 0.

    Shapes: output (n, k); target (n, k) of numbers of at least 0, or (n,) where k = 1. As PyTorch's ``PoissonNLLLoss``.
    Source: Nelder & Wedderburn, "Generalized linear models", Journal of the Royal Statistical Society A 1972.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[0.0]], [[3.0]], bp.Poisson()).dz.tolist()
        [[-2.0]]
    """

    name: ClassVar[str] = "poisson"
    targets: ClassVar[str] = "counts"
    fused: ClassVar[str] = "exponential"
    log_input: bool = True
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_input", check_flag(self.log_input, "log_input of Poisson"))
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon of Poisson", "(0, inf)"))

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        return {"log_input": [float(self.log_input)], "epsilon": [self.epsilon]}


@specification
class GaussianNLL(Loss):
    """Negative log-likelihood of a normal distribution of which the network gives mean and variance.

    With mean m = pᵢⱼ, raw number r = pᵢ₍ⱼ₊ₖ₎ and variance v = log(1 + exp(r)) + epsilon it is
    lossᵢ = (1/k) Σⱼ ½·(log v + (yᵢⱼ - m)² / v). Its derivatives for the batch are wᵢ·(m - yᵢⱼ) / v / (n·k) in m and
    wᵢ·½·(1 - (yᵢⱼ - m)² / v) / v · sigmoid(r) / (n·k) in r.

    Softplus makes the variance positive, and not exp (r a log-variance): an exponential runs over at r = ±90 in
    float32 and multiplies the gradient by it on the way there, while this variance never falls below epsilon and grows
    no faster than r.

    Args:
        epsilon: The least variance, above 0.

    Shapes: output (n, 2k): the k means, then the k raw numbers; target (n, k), or (n,) where k = 1. Metrics that
    compare outputs with targets take the means; `mean_and_variance` reads the outputs. As PyTorch's
    ``GaussianNLLLoss`` with that variance.
    Source: Nix & Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994; the
    variance by softplus: Lakshminarayanan, Pritzel & Blundell, "Simple and scalable predictive uncertainty estimation
    using deep ensembles", NIPS 2017.

    Example:
        >>> import bpnative as bp
        >>> result = bp.kernels.loss([[1.0, 0.5413249]], [[3.0]], bp.GaussianNLL())
        >>> round(result.value, 3), result.dz.round(3).tolist()
        (2.0, [[-2.0, -0.948]])
    """

    name: ClassVar[str] = "gaussian_nll"
    targets: ClassVar[str] = "values"
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon of GaussianNLL", "(0, inf)"))

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        return {"epsilon": [self.epsilon]}

    def target_columns(self, n_outputs: int) -> int:
        """Half of the outputs.

        Raises:
            ValueError: Their number is odd.
        """
        if n_outputs % 2:
            raise ValueError(
                f"expected a last layer of 2 units for each target, means and then variances, for gaussian_nll, "
                f"got {n_outputs} outputs"
            )
        return n_outputs // 2

    def compared_columns(self, n_outputs: int) -> list[int] | None:
        """The means."""
        return list(range(n_outputs // 2))

    def mean_and_variance(self, output: Array) -> tuple[Array, Array]:
        """What a network's output says: means and variances, (n, k) each, of an output (n, 2k).

        Example:
            >>> mean, variance = GaussianNLL(epsilon=1e-6).mean_and_variance(np.array([[1.0, 0.0]]))
            >>> mean.tolist(), variance.round(4).tolist()
            ([[1.0]], [[0.6931]])
        """
        k = self.target_columns(output.shape[1])
        return output[:, :k], np.logaddexp(0.0, output[:, k:]) + self.epsilon


@specification
class Cosine(Loss):
    """One minus the cosine of the angle between output and target: lossᵢ = 1 - pᵢ·yᵢ / (|pᵢ|·|yᵢ|).

    A length below epsilon counts as epsilon. Its derivative in pᵢ for the batch is wᵢ·(cos·pᵢ/|pᵢ| - yᵢ/|yᵢ|) /
    (|pᵢ|·n).

    Args:
        epsilon: The least length, above 0.

    Shapes: output and target (n, k); each row is one vector, so there is no mean over outputs. As 1 minus PyTorch's
    ``CosineSimilarity``.
    Source: Salton, Wong & Yang, "A vector space model for automatic indexing", Communications of the ACM 1975.

    Example:
        >>> import bpnative as bp
        >>> bp.kernels.loss([[3.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [1.0, 0.0]], bp.Cosine()).losses.tolist()
        [0.0, 1.0]
    """

    name: ClassVar[str] = "cosine"
    targets: ClassVar[str] = "values"
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon of Cosine", "(0, inf)"))

    def settings(self) -> dict[str, list[float]]:
        """The settings by name, as native code takes them."""
        return {"epsilon": [self.epsilon]}
