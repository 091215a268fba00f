"""Optimizers with the settings that take different ways through their kernels; what the tests of optimizers walk.

The oracle's settings have the names of the specification's fields, so that one list serves both.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import bpnative as bp
from bpnative.optimizers import Optimizer

DECAY = 0.03
OPTIMIZERS: list[Optimizer] = [
    bp.SGD(),
    bp.SGD(momentum=0.9),
    bp.SGD(momentum=0.9, nesterov=True),
    bp.SGD(weight_decay=DECAY),
    bp.SGD(momentum=0.9, weight_decay=DECAY),
    bp.SGD(momentum=0.8, nesterov=True, weight_decay=DECAY),
    bp.Adam(),
    bp.Adam(beta1=0.5, beta2=0.9, epsilon=1e-3),
    bp.Adam(beta1=0.0, beta2=0.99),
    bp.Adam(weight_decay=DECAY),
    bp.Adam(amsgrad=True),
    bp.AdamW(),
    bp.AdamW(weight_decay=0.5, beta1=0.8, beta2=0.9, epsilon=1e-3),
    bp.AdamW(weight_decay=0.0),
    bp.AdamW(amsgrad=True),
    bp.AMSGrad(),
    bp.AMSGrad(beta2=0.5, weight_decay=DECAY),
    bp.AMSGrad(beta2=0.9, weight_decay=DECAY, decoupled_weight_decay=True),
    bp.NAdam(),
    bp.NAdam(beta1=0.8, beta2=0.9, epsilon=1e-3, weight_decay=DECAY, momentum_decay=0.1),
    bp.NAdam(weight_decay=DECAY, decoupled_weight_decay=True),
    bp.RAdam(),
    bp.RAdam(beta1=0.5, beta2=0.9, epsilon=1e-3, weight_decay=DECAY),
    bp.RAdam(beta2=0.95, weight_decay=DECAY, decoupled_weight_decay=True),
    bp.Adamax(),
    bp.Adamax(beta1=0.5, beta2=0.9, epsilon=1e-3, weight_decay=DECAY),
    bp.RMSprop(),
    bp.RMSprop(alpha=0.9, epsilon=1e-3, momentum=0.9),
    bp.RMSprop(centered=True, alpha=0.9),
    bp.RMSprop(momentum=0.5, centered=True, weight_decay=DECAY, alpha=0.8),
    bp.RMSprop(weight_decay=DECAY),
    bp.Adagrad(),
    bp.Adagrad(learning_rate_decay=0.1, initial_accumulator_value=0.5, epsilon=1e-3, weight_decay=DECAY),
    bp.Adadelta(),
    bp.Adadelta(rho=0.5, epsilon=1e-3, weight_decay=DECAY),
    bp.Lion(),
    bp.Lion(beta1=0.5, beta2=0.8, weight_decay=DECAY),
    bp.Rprop(),
    bp.Rprop(eta_minus=0.25, eta_plus=1.5, step_min=0.02, step_max=0.06),
]


def oracle_settings(optimizer: Optimizer) -> dict[str, Any]:
    """Return the settings that the oracle's function takes."""
    return {
        field.name: getattr(optimizer, field.name)
        for field in dataclasses.fields(optimizer)
        if field.name != "learning_rate"
    }


def with_rate(optimizer: Optimizer, learning_rate: float) -> Optimizer:
    """Return the same optimizer with another learning rate."""
    return dataclasses.replace(optimizer, learning_rate=learning_rate)
