"""Initializers against torch.nn.init: the moments of what both draw, orthogonality, and the gains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import initializers as i

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'bpnative[peers]'")
init = torch.nn.init

SHAPE = (300, 500)
CUT = 0.8796256610342398
DRAWS: dict[str, tuple[i.Initializer, Callable[[Any], Any]]] = {
    "he_normal": (i.HeNormal(), lambda w: init.kaiming_normal_(w, nonlinearity="relu")),
    "he_uniform": (i.HeUniform(), lambda w: init.kaiming_uniform_(w, nonlinearity="relu")),
    "glorot_normal": (i.GlorotNormal(gain="tanh"), lambda w: init.xavier_normal_(w, gain=5 / 3)),
    "glorot_uniform": (i.GlorotUniform(gain="tanh"), lambda w: init.xavier_uniform_(w, gain=5 / 3)),
    "lecun_normal": (i.LecunNormal(), lambda w: init.kaiming_normal_(w, nonlinearity="linear")),
    "lecun_uniform": (i.LecunUniform(), lambda w: init.kaiming_uniform_(w, nonlinearity="linear")),
    "orthogonal": (i.Orthogonal(gain="relu"), lambda w: init.orthogonal_(w, gain=2**0.5)),
    "truncated_normal": (i.TruncatedNormal(CUT, mean=0.0), lambda w: init.trunc_normal_(w, std=1.0)),
    "normal": (i.Normal(0.3, mean=0.2), lambda w: init.normal_(w, 0.2, 0.3)),
    "uniform": (i.Uniform(-0.2, 0.7), lambda w: init.uniform_(w, -0.2, 0.7)),
    "constant": (i.Constant(0.3), lambda w: init.constant_(w, 0.3)),
    "zeros": (i.Zeros(), init.zeros_),
}


def test_every_name_is_compared() -> None:
    assert set(DRAWS) == set(i.INITIALIZERS)


@pytest.mark.parametrize("name", DRAWS)
def test_moments(name: str) -> None:
    torch.manual_seed(0)
    ours = DRAWS[name][0](SHAPE, np.random.default_rng(0))
    theirs = DRAWS[name][1](torch.empty(SHAPE, dtype=torch.float64)).numpy()
    for power in (1, 2, 3, 4):
        error = np.sqrt(((ours**power).var() + (theirs**power).var()) / ours.size)
        assert abs((ours**power).mean() - (theirs**power).mean()) <= 4 * error + 1e-15, power
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.15)


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains(name: str) -> None:
    if name in bp.activations.ACTIVATIONS or name in i.base.GAINS:
        assert i.gain(name) == pytest.approx(init.calculate_gain(name), rel=1e-15)
    slope = 0.37
    wanted = init.calculate_gain("leaky_relu", slope)
    assert i.gain(bp.activations.LeakyReLU(slope)) == pytest.approx(wanted, rel=1e-15)
