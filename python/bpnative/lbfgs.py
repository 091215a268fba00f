"""L-BFGS for small problems, whole data at once: SciPy drives, the network gives loss and gradient."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from . import optimizers
from .around import end_epoch, evaluate, running
from .batches import Batches
from .callbacks import Callback
from .history import History
from .optimizers import SGD, LearningRate, Optimizer
from .samples import Samples, SampleSource
from .schedules import Rates
from .specification import Specification, check_count, check_number, specification

if TYPE_CHECKING:
    from .trainer import Trainer


@specification
class LBFGS(Specification):
    """Limited-memory BFGS, given as ``optimizer=``: each epoch is one iteration over the whole data.

    w ← w - a·H·g, where H is the inverse Hessian as the last `history` steps and changes of the gradient tell it, and a
    line search finds the length a (strong Wolfe conditions). For smooth losses, full batches and up to some ten
    thousand weights it needs far fewer passes than gradient descent; memory holds the activations of all samples.

    `Trainer.fit` runs at most `epochs` iterations, by default `max_iterations`, and stops where it has converged;
    ``history.params["converged"]`` and ``["message"]`` say why it stopped. `batch_size` and `shuffle` have no meaning,
    `Callback.on_run_end` is not called. The iteration is in float64, for a float32 network too. Frozen layers stay as
    they are. However a run ends, the network has the best weights so far. A further fit begins with an empty history.

    Source: Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989; Byrd, Lu, Nocedal &
    Zhu, "A limited memory algorithm for bound constrained optimization", 1995, as ``scipy.optimize.minimize(method=
    "L-BFGS-B")`` has it. Needs SciPy: ``pip install 'bpnative[scipy]'``.

    Args:
        max_iterations: The most iterations of a fit, at least 1.
        tolerance: Converged where the largest element of the gradient is no larger, at least 0.
        history: How many pairs of steps and changes of the gradient are kept, at least 1.
        loss_tolerance: Converged where the loss falls by no more than this part of it in an iteration, at least 0.
        max_line_search: The most evaluations of one line search, at least 1.

    Raises:
        TypeError: An argument has the wrong type; `Trainer.step` is called: there are no single steps.
        ValueError: An argument is out of range.
        ImportError: SciPy is not installed, when `fit` is called.

    Example:
        >>> import bpnative as bp
        >>> LBFGS(max_iterations=50)
        LBFGS(max_iterations=50)
        >>> bp.Trainer(bp.mlp([2, 8, 1], seed=0), "mse", optimizer="lbfgs").optimizer
        LBFGS()
    """

    max_iterations: int = 200
    tolerance: float = 1e-5
    history: int = 10
    loss_tolerance: float = 1e-9
    max_line_search: int = 20
    name: ClassVar[str] = "lbfgs"

    def __post_init__(self) -> None:
        for name in ("max_iterations", "history", "max_line_search"):
            object.__setattr__(self, name, check_count(getattr(self, name), f"{name} of LBFGS"))
        for name in ("tolerance", "loss_tolerance"):
            object.__setattr__(self, name, check_number(getattr(self, name), f"{name} of LBFGS", "[0, inf)"))

    @property
    def learning_rate(self) -> NoReturn:
        """There is none: reading it is a TypeError."""
        _no_rate()

    def check_alone(self, **others: object) -> None:
        """Whether a trainer asks for nothing that belongs to steps.

        Raises:
            ValueError: It does.

        Example:
            >>> LBFGS().check_alone(clip_norm=None)
        """
        given = [name for name, value in others.items() if value is not None and value != ()]
        if given:
            raise ValueError(f"LBFGS makes no single steps: leave out {', '.join(given)}, or use another optimizer")

    def run(
        self,
        trainer: Trainer,
        samples: SampleSource | Batches,
        validation: SampleSource | None,
        epochs: int,
        callbacks: Sequence[Callback],
    ) -> History:
        """The iterations of one `Trainer.fit`, on data that were checked."""
        if isinstance(samples, Batches):
            raise ValueError("LBFGS needs all data at once: pass arrays X and y, not batches")
        whole = samples.block(0, samples.n)
        minimize = _scipy_minimize()
        iterations = min(epochs, self.max_iterations)
        settings = {"epochs": iterations, "batch_size": whole.n, "shuffle": False}
        options = {
            "maxiter": iterations,
            "maxfun": (iterations + 1) * (self.max_line_search + 1),
            "maxcor": self.history,
            "gtol": self.tolerance,
            "ftol": self.loss_tolerance,
            "maxls": self.max_line_search,
        }
        with running(trainer, whole, validation, settings, callbacks) as history:
            way = _Way(trainer, whole, validation, callbacks)
            try:
                result = minimize(
                    way.loss_and_gradient,
                    way.best,
                    method="L-BFGS-B",
                    jac=True,
                    callback=way.end_iteration,
                    options=options,
                )
                history.params |= {"converged": bool(result.success), "message": str(result.message)}
                if way.begun:  # converged at the start, or a line search that found nothing better
                    way.end_iteration(way.best)
            except _Stopped:
                history.params |= {"converged": False, "message": "stopped by a callback"}
            finally:
                trainer.network.parameters[...] = way.best
        return history


class _Stopped(Exception):
    """A callback wants the run to end."""


class _Way:
    """The way of one run: what SciPy calls, the best point so far, and the epoch that is under way."""

    def __init__(
        self,
        trainer: Trainer,
        samples: Samples,
        validation: SampleSource | None,
        callbacks: Sequence[Callback],
    ) -> None:
        self.trainer, self.samples, self.validation = trainer, samples, validation
        self.callbacks = callbacks
        self.best: npt.NDArray[np.float64] = trainer.network.parameters.astype(np.float64)
        self.best_loss = math.inf
        self.last, self.last_loss = self.best, math.nan
        self.epoch, self.begun, self.start = 0, False, 0.0
        self._gradient = np.empty_like(trainer.network.parameters)

    def loss_and_gradient(self, point: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        """What SciPy asks for; the first time in an iteration begins its epoch."""
        if not self.begun:
            self.begun, self.start = True, time.perf_counter()
            for callback in self.callbacks:
                callback.on_epoch_begin(self.trainer, self.epoch)
        with np.errstate(over="ignore"):
            self.trainer.network.parameters[...] = point
        x, y, weight = self.samples
        loss = self.trainer._native.gradients(self._gradient, x, y, weight)
        self.last, self.last_loss = point.copy(), loss
        if loss < self.best_loss:
            self.best, self.best_loss = self.last, loss
        return loss, self._gradient.astype(np.float64)

    def end_iteration(self, point: npt.NDArray[np.float64]) -> None:
        """What SciPy calls at the end of each iteration, with the point that it has come to."""
        trainer = self.trainer
        trainer.network.parameters[...] = point
        known = np.array_equal(point, self.last)  # the line search ends where it looked last, as a rule
        logs = evaluate(trainer, self.samples) if trainer.metrics or not known else {}
        if known:
            logs = {"loss": self.last_loss} | {name: value for name, value in logs.items() if name != "loss"}
        trainer._native.step_count += 1
        end_epoch(trainer, self.epoch, logs, self.validation, self.start, self.callbacks)
        self.epoch, self.begun = self.epoch + 1, False
        if trainer.stop_training:
            raise _Stopped


class NoRates(Rates):
    """What stands for `Rates` in a trainer with `LBFGS`: single steps are an error.

    Example:
        >>> NoRates().of_step(0)
        Traceback (most recent call last):
        TypeError: LBFGS makes no single steps, it needs the whole data: call fit, or choose another optimizer for step
    """

    def __init__(self) -> None:
        self._schedule, self.state, self.fixed = None, {}, None

    def of_step(self, step: int) -> NoReturn:
        """Raise a TypeError."""
        raise TypeError(
            "LBFGS makes no single steps, it needs the whole data: call fit, or choose another optimizer for step"
        )

    def replaced(self, learning_rate: LearningRate) -> NoReturn:
        """Raise a TypeError: there is no learning rate to be set."""
        _no_rate()


def get(optimizer: str | Optimizer | LBFGS) -> Optimizer | LBFGS:
    """The specification for a name or a specification, ``"lbfgs"`` included.

    Raises:
        ValueError: No optimizer has this name; the nearest one is suggested.
        TypeError: It is neither a name nor a specification.

    Example:
        >>> get("lbfgs"), get("adam")
        (LBFGS(), Adam())
    """
    if isinstance(optimizer, LBFGS):
        return optimizer
    return LBFGS() if isinstance(optimizer, str) and optimizer == LBFGS.name else optimizers.get(optimizer)


def rates_of(optimizer: Optimizer | LBFGS) -> Rates:
    """The rates of a trainer's optimizer.

    Example:
        >>> rates_of(SGD(learning_rate=0.5)).of_step(3)[0].tolist()
        [0.5]
    """
    return NoRates() if isinstance(optimizer, LBFGS) else Rates(optimizer)


def native_of(optimizer: Optimizer | LBFGS) -> Optimizer:
    """The optimizer of the compiled trainer: with L-BFGS a plain one that never steps.

    Example:
        >>> native_of(LBFGS())
        SGD()
    """
    return SGD() if isinstance(optimizer, LBFGS) else optimizer


def _no_rate() -> NoReturn:
    raise TypeError("LBFGS has no learning rate: a line search finds the length of each step")


def _scipy_minimize() -> Any:
    try:
        return importlib.import_module("scipy.optimize").minimize
    except ImportError as error:
        raise ImportError("LBFGS needs SciPy: pip install 'bpnative[scipy]'") from error
