"""The formulas of activations and losses in one line each, as the explanation prints them beside their numbers."""

from __future__ import annotations

from ..activations import Activation
from ..losses import Loss

# name: f(z), f'(z)
ACTIVATION_FORMULAS: dict[str, tuple[str, str]] = {
    "linear": ("z", "1"),
    "relu": ("max(z, 0)", "1 where z > 0, else 0"),
    "leaky_relu": ("z where z > 0, else {0}·z", "1 where z > 0, else {0}"),
    "relu6": ("min(max(z, 0), 6)", "1 where 0 < z < 6, else 0"),
    "hard_tanh": ("min(max(z, -1), 1)", "1 where -1 < z < 1, else 0"),
    "hard_sigmoid": ("min(max(z + 3, 0), 6) / 6", "1/6 where -3 < z < 3, else 0"),
    "elu": ("z where z > 0, else {0}·(exp(z) - 1)", "1 where z > 0, else y + {0}"),
    "selu": ("1.0507·(z where z > 0, else 1.6733·(exp(z) - 1))", "1.0507 where z > 0, else y + 1.7581"),
    "celu": ("z where z > 0, else {0}·(exp(z/{0}) - 1)", "1 where z > 0, else exp(z/{0})"),
    "exponential": ("exp(z)", "y"),
    "tanh": ("tanh(z)", "1 - y²"),
    "sigmoid": ("1 / (1 + exp(-z))", "y·(1 - y)"),
    "softsign": ("z / (1 + |z|)", "1 / (1 + |z|)²"),
    "softplus": ("log(1 + exp({0}·z)) / {0}", "1 / (1 + exp(-{0}·z))"),
    "gelu": ("z·Φ(z)", "Φ(z) + z·φ(z)"),
    "gelu_tanh": ("½·z·(1 + tanh(u)), u = √(2/π)·(z + 0.044715·z³)", "½·(1 + tanh(u)) + ½·z·(1 - tanh²(u))·u'"),
    "silu": ("z·σ(z)", "σ(z) + z·σ(z)·(1 - σ(z))"),
    "mish": ("z·tanh(s), s = log(1 + exp(z))", "tanh(s) + z·σ(z)·(1 - tanh²(s))"),
    "softmax": ("exp(zᵢ) / Σⱼ exp(zⱼ)", "∂yᵢ/∂zⱼ = yᵢ·(1 where i = j, else 0, - yⱼ)"),
    "log_softmax": ("zᵢ - log Σⱼ exp(zⱼ)", "∂yᵢ/∂zⱼ = (1 where i = j, else 0) - exp(yⱼ)"),
}

# name: the loss of one sample, its derivative in the output o (or the logit z) for the batch of n samples
LOSS_FORMULAS: dict[str, tuple[str, str]] = {
    "mse": ("(1/k) Σⱼ (oⱼ - tⱼ)²", "2·(o - t) / (n·k)"),
    "mae": ("(1/k) Σⱼ |oⱼ - tⱼ|", "sign(o - t) / (n·k)"),
    "huber": ("(1/k) Σⱼ (e²/2 where |e| ≤ d, else d·(|e| - d/2)), e = oⱼ - tⱼ", "max(-d, min(e, d)) / (n·k)"),
    "log_cosh": ("(1/k) Σⱼ log cosh(oⱼ - tⱼ)", "tanh(o - t) / (n·k)"),
    "quantile": ("mean of max(q·e, (q - 1)·e), e = t - o, q the level", "(-q where e > 0, 1 - q where e < 0) / (n·k)"),
    "poisson": ("(1/k) Σⱼ (exp(zⱼ) - tⱼ·zⱼ)", "(exp(z) - t) / (n·k)"),
    "gaussian_nll": (
        "(1/k) Σⱼ ½·(log v + (t - m)²/v), v = softplus(r) + ε",
        "(m - t)/v/(n·k) in the mean m, ½·(1 - (t - m)²/v)/v·σ(r)/(n·k) in the raw number r",
    ),
    "cosine": ("1 - o·t / (|o|·|t|)", "(cos·o/|o| - t/|t|) / (|o|·n)"),
    "cross_entropy": ("-Σⱼ tⱼ·log softmax(z)ⱼ", "(softmax(z) - t) / n"),
    "binary_cross_entropy": ("(1/k) Σⱼ (log(1 + exp(zⱼ)) - tⱼ·zⱼ)", "(sigmoid(z) - t) / (n·k)"),
    "focal": (
        "(1/k) Σⱼ a·m^γ·ce, p = σ(zⱼ), m = |t - p|, ce = -log(1 - m) for t of 0 and 1",
        "a·m^γ·(γ·(1 - 2t)·ce·p·(1 - p)/m + p - t) / (n·k)",
    ),
    "categorical_focal": (
        "-Σⱼ tⱼ·(1 - pⱼ)^γ·log pⱼ, p = softmax(z)",
        "(pⱼ·Σ s - sⱼ) / n, s = t·(1 - p)^γ·(1 - γ·p·log(p)/(1 - p))",
    ),
    "kl_divergence": ("Σⱼ tⱼ·(log tⱼ - log softmax(z)ⱼ)", "(softmax(z) - t) / n"),
    "hinge": ("(1/k) Σⱼ max(0, 1 - tⱼ·oⱼ), t of -1 and 1", "-t / (n·k) where t·o < 1, else 0"),
    "squared_hinge": ("(1/k) Σⱼ max(0, 1 - tⱼ·oⱼ)², t of -1 and 1", "-2·t·max(0, 1 - t·o) / (n·k)"),
}


def of_activation(function: Activation) -> tuple[str, str]:
    """f(z) and f'(z) of an activation, its parameter put in.

    Example:
        >>> import bpnative as bp
        >>> of_activation(bp.activations.LeakyReLU(negative_slope=0.1))
        ('z where z > 0, else 0.1·z', '1 where z > 0, else 0.1')
    """
    value, slope = ACTIVATION_FORMULAS[function.name]
    parameter = f"{function.parameter:g}"
    return value.format(parameter), slope.format(parameter)


def of_loss(loss: Loss) -> tuple[str, str]:
    """The loss of a sample and its derivative, in words for a function of the user's own.

    Example:
        >>> import bpnative as bp
        >>> of_loss(bp.MSE())
        ('(1/k) Σⱼ (oⱼ - tⱼ)²', '2·(o - t) / (n·k)')
    """
    own = "as your function gives it"
    value, slope = LOSS_FORMULAS.get(loss.name, (own, own))
    if loss.name == "poisson" and not getattr(loss, "log_input", True):
        value, slope = "(1/k) Σⱼ (oⱼ - tⱼ·log(oⱼ + ε))", "(1 - t/(o + ε)) / (n·k)"
    settings = repr(loss).partition("(")[2][:-1]
    if settings and loss.name in LOSS_FORMULAS:
        value += f"   with {settings}"
    return value, slope
