"""A step size of its own for every weight: RMSprop, Adagrad, Adadelta, and by the gradient's sign Lion and Rprop."""

from __future__ import annotations

from typing import ClassVar

from .optimizer_base import LearningRate, Optimizer
from .specification import specification


@specification
class RMSprop(Optimizer):
    """The gradient divided by the root of a running mean of its square.

    v ← α·v + (1 - α)·g²;  with centered  ḡ ← α·ḡ + (1 - α)·g and v - ḡ² in v's place below;
    d = g / (√v + epsilon);  w ← w - learning_rate·d, or with momentum  b ← momentum·b + d, w ← w - learning_rate·b.

    Sources: Tieleman & Hinton, "Lecture 6.5: rmsprop", Neural Networks for Machine Learning, 2012; centered: Graves,
    "Generating sequences with recurrent neural networks", 2013; in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        alpha: α in [0, 1), the decay of the running means (Keras calls it rho).
        epsilon: Above 0; keeps the denominator away from zero.
        weight_decay: Added to the gradient, times the weight; at least 0.
        momentum: In [0, 1]; 0 keeps no buffer.
        centered: Divide by the standard deviation instead.

    Example:
        >>> RMSprop(momentum=0.9, centered=True)
        RMSprop(momentum=0.9, centered=True)
    """

    learning_rate: LearningRate = 1e-2
    alpha: float = 0.99
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False
    name: ClassVar[str] = "rmsprop"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("alpha", "[0, 1)")
        self._check("epsilon", "(0, inf)")
        self._check("weight_decay", "[0, inf)")
        self._check("momentum", "[0, 1]")
        self._check_flag("centered")


@specification
class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of all its squares so far, t counting updates from 1.

    v ← v + g²;  w ← w - learning_rate / (1 + (t - 1)·learning_rate_decay) · g / (√v + epsilon).

    Source: Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR
    2011, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        learning_rate_decay: At least 0.
        weight_decay: Added to the gradient, times the weight; at least 0.
        initial_accumulator_value: What v starts at; at least 0.
        epsilon: Above 0; keeps the denominator away from zero.

    Example:
        >>> Adagrad(initial_accumulator_value=0.1)
        Adagrad(initial_accumulator_value=0.1)
    """

    learning_rate: LearningRate = 1e-2
    learning_rate_decay: float = 0.0
    weight_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    epsilon: float = 1e-10
    name: ClassVar[str] = "adagrad"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("learning_rate_decay", "[0, inf)")
        self._check("weight_decay", "[0, inf)")
        self._check("initial_accumulator_value", "[0, inf)")
        self._check("epsilon", "(0, inf)")


@specification
class Adadelta(Optimizer):
    """Steps in units of the steps made so far, so that no learning rate is needed.

    v ← ρ·v + (1 - ρ)·g²;  d = √(u + epsilon) / √(v + epsilon) · g;  u ← ρ·u + (1 - ρ)·d²;  w ← w - learning_rate·d.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701, 2012, in PyTorch's form.

    Args:
        learning_rate: A factor of the step, at least 0, or a callable of the step; 1 is the paper's.
        rho: ρ in [0, 1), the decay of both running means.
        epsilon: Above 0; it also sets how large the first steps are.
        weight_decay: Added to the gradient, times the weight; at least 0.

    Example:
        >>> Adadelta(rho=0.95)
        Adadelta(rho=0.95)
    """

    learning_rate: LearningRate = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    weight_decay: float = 0.0
    name: ClassVar[str] = "adadelta"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("rho", "[0, 1)")
        self._check("epsilon", "(0, inf)")
        self._check("weight_decay", "[0, inf)")


@specification
class Lion(Optimizer):
    """The sign of an interpolated momentum: every weight moves by the learning rate, with one state only.

    w ← w - learning_rate · (sign(β₁·m + (1 - β₁)·g) + weight_decay·w);  m ← β₂·m + (1 - β₂)·g.

    The paper advises a learning rate 3 to 10 times smaller than AdamW's, and a weight decay as much larger.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the share of the momentum in the sign.
        beta2: β₂ in [0, 1), the decay of the momentum.
        weight_decay: The decoupled decay of a step in units of the learning rate; at least 0.

    Example:
        >>> Lion(learning_rate=3e-4, weight_decay=0.1)
        Lion(learning_rate=0.0003, weight_decay=0.1)
    """

    learning_rate: LearningRate = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    name: ClassVar[str] = "lion"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta1", "[0, 1)")
        self._check("beta2", "[0, 1)")
        self._check("weight_decay", "[0, inf)")


@specification
class Rprop(Optimizer):
    """Resilient backpropagation, for full batches: only the sign of the gradient counts.

    Each weight has a step Δ, at first the learning rate. Where g has the sign of the gradient before,
    Δ ← min(eta_plus·Δ, step_max); where it turned, Δ ← max(eta_minus·Δ, step_min) and g counts as 0 now and in the next
    comparison; then  w ← w - sign(g)·Δ.

    The learning rate is the first Δ alone: a schedule changes nothing later, except that 0 holds weights and states.

    Source: Riedmiller & Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm",
    ICNN 1993, in PyTorch's form.

    Args:
        learning_rate: The first step of every weight, at least 0, or a callable of the step.
        eta_minus: In (0, 1).
        eta_plus: Above 1.
        step_min: Above 0, the smallest step.
        step_max: At least step_min, the largest step.

    Example:
        >>> Rprop(eta_plus=1.1)
        Rprop(eta_plus=1.1)
    """

    learning_rate: LearningRate = 1e-2
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    step_min: float = 1e-6
    step_max: float = 50.0
    name: ClassVar[str] = "rprop"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("eta_minus", "(0, 1)")
        self._check("eta_plus", "(1, inf)")
        self._check("step_min", "(0, inf)")
        self._check("step_max", "(0, inf)")
        if self.step_max < self.step_min:
            raise ValueError(f"expected step_max of at least step_min={self.step_min!r}, got {self.step_max!r}")
