"""Adam and its family: a running mean of gradients, divided by the root of a running mean of their squares."""

from __future__ import annotations

from typing import ClassVar

from .optimizer_base import LearningRate, Optimizer
from .specification import specification


@specification
class _TwoMoments(Optimizer):
    """Checks of what the family shares."""

    learning_rate: LearningRate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta1", "[0, 1)")
        self._check("beta2", "[0, 1)")
        self._check("epsilon", "(0, inf)")
        self._check("weight_decay", "[0, inf)")


@specification
class Adam(_TwoMoments):
    """Adaptive moment estimation, t counting updates from 1.

    m ← β₁·m + (1 - β₁)·g;  v ← β₂·v + (1 - β₂)·g²;
    w ← w - learning_rate / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + epsilon).

    Source: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the decay of the mean of gradients.
        beta2: β₂ in [0, 1), the decay of the mean of squared gradients.
        epsilon: Above 0; keeps the denominator away from zero.
        weight_decay: Added to the gradient, times the weight; at least 0. See `AdamW` for the decoupled form.
        amsgrad: Divide by the largest v so far, as `AMSGrad` does; it keeps one more state, v_max.

    Example:
        >>> Adam(learning_rate=3e-4)
        Adam(learning_rate=0.0003)
    """

    amsgrad: bool = False
    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_flag("amsgrad")

    @property
    def native_name(self) -> str:
        """The kernel's name: ``"amsgrad"`` with amsgrad, else the optimizer's own."""
        return AMSGrad.name if self.amsgrad else self.name

    def settings(self) -> dict[str, float]:
        """All numbers but the learning rate, by name, as the native side takes them."""
        numbers = super().settings()
        del numbers["amsgrad"]
        return numbers | {"decoupled_weight_decay": float(isinstance(self, AdamW))} if self.amsgrad else numbers


@specification
class AdamW(Adam):
    """Adam with decoupled weight decay: w ← w - learning_rate·weight_decay·w, then Adam's step.

    Adam divides a decay that comes with the gradient by √v, so that weights with large gradients hardly decay; here
    all decay alike.

    Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the decay of the mean of gradients.
        beta2: β₂ in [0, 1), the decay of the mean of squared gradients.
        epsilon: Above 0; keeps the denominator away from zero.
        weight_decay: The decay of a step in units of the learning rate; at least 0.
        amsgrad: Divide by the largest v so far, as `AMSGrad` does.

    Example:
        >>> AdamW(learning_rate=1e-3, weight_decay=0.1)
        AdamW(weight_decay=0.1)
    """

    weight_decay: float = 1e-2
    name: ClassVar[str] = "adamw"


@specification
class AMSGrad(_TwoMoments):
    """Adam with a denominator that never shrinks; the same as ``Adam(amsgrad=True)``.

    m and v as in `Adam`;  v_max ← max(v_max, v);
    w ← w - learning_rate / (1 - β₁ᵗ) · m / (√v_max / √(1 - β₂ᵗ) + epsilon).

    Source: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the decay of the mean of gradients.
        beta2: β₂ in [0, 1), the decay of the mean of squared gradients.
        epsilon: Above 0; keeps the denominator away from zero.
        weight_decay: Added to the gradient, times the weight; at least 0.
        decoupled_weight_decay: Decay the weight itself instead, as `AdamW` does.

    Example:
        >>> AMSGrad().settings() == Adam(amsgrad=True).settings()
        True
    """

    decoupled_weight_decay: bool = False
    name: ClassVar[str] = "amsgrad"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_flag("decoupled_weight_decay")


@specification
class NAdam(_TwoMoments):
    """Adam with Nesterov's momentum, whose weight μ grows from β₁/2 towards β₁.

    m and v as in `Adam`;  μₜ = β₁·(1 - ½·0.96^(t·momentum_decay));  Πₜ = μ₁·…·μₜ;
    w ← w - learning_rate · ((1 - μₜ) / (1 - Πₜ) · g + μₜ₊₁ / (1 - Πₜ₊₁) · m) / (√v / √(1 - β₂ᵗ) + epsilon).

    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the decay of the mean of gradients.
        beta2: β₂ in [0, 1), the decay of the mean of squared gradients.
        epsilon: Above 0; keeps the denominator away from zero.
        weight_decay: Added to the gradient, times the weight; at least 0.
        momentum_decay: At least 0; how fast μ grows.
        decoupled_weight_decay: Decay the weight itself instead, as `AdamW` does.

    Example:
        >>> NAdam(beta1=0.95)
        NAdam(beta1=0.95)
    """

    learning_rate: LearningRate = 2e-3
    momentum_decay: float = 4e-3
    decoupled_weight_decay: bool = False
    name: ClassVar[str] = "nadam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("momentum_decay", "[0, inf)")
        self._check_flag("decoupled_weight_decay")


@specification
class RAdam(_TwoMoments):
    """Rectified Adam: the first steps, while v is known too badly, go by momentum alone.

    m and v as in `Adam`;  ρ∞ = 2 / (1 - β₂) - 1;  ρ = ρ∞ - 2·t·β₂ᵗ / (1 - β₂ᵗ);
    where ρ > 5:  r = √((ρ - 4)·(ρ - 2)·ρ∞ / ((ρ∞ - 4)·(ρ∞ - 2)·ρ)) and
    w ← w - learning_rate / (1 - β₁ᵗ) · r · √(1 - β₂ᵗ) · m / (√v + epsilon);
    else  w ← w - learning_rate / (1 - β₁ᵗ) · m.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the decay of the mean of gradients.
        beta2: β₂ in [0, 1), the decay of the mean of squared gradients.
        epsilon: Above 0; keeps the denominator away from zero.
        weight_decay: Added to the gradient, times the weight; at least 0.
        decoupled_weight_decay: Decay the weight itself instead, as `AdamW` does.

    Example:
        >>> RAdam(weight_decay=1e-4)
        RAdam(weight_decay=0.0001)
    """

    decoupled_weight_decay: bool = False
    name: ClassVar[str] = "radam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_flag("decoupled_weight_decay")


@specification
class Adamax(_TwoMoments):
    """Adam with the largest recent gradient in place of the root of the mean square.

    m ← β₁·m + (1 - β₁)·g;  u ← max(β₂·u, |g| + epsilon);  w ← w - learning_rate / (1 - β₁ᵗ) · m / u.

    Source: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1, in PyTorch's form.

    Args:
        learning_rate: Step size, at least 0, or a callable of the step.
        beta1: β₁ in [0, 1), the decay of the mean of gradients.
        beta2: β₂ in [0, 1), the decay of the largest gradient.
        epsilon: Above 0; keeps the denominator away from zero.
        weight_decay: Added to the gradient, times the weight; at least 0.

    Example:
        >>> Adamax().learning_rate
        0.002
    """

    learning_rate: LearningRate = 2e-3
    name: ClassVar[str] = "adamax"
