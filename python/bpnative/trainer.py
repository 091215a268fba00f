"""The trainer: fit, step, evaluate, gradients. It checks data once, and hands whole runs of steps to native code."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _bpnative, data, lbfgs, losses
from .around import Pace, evaluate
from .averages import Average, check_average
from .batches import Batches
from .callbacks import Callback, gather
from .checkpoint import Keeper
from .class_weights import ClassWeight
from .epoch import run_epochs
from .fixed import Fixed
from .groups import Group, Groups
from .history import History
from .inputs import adapt_first
from .insight import Insight
from .io.atomic import PathLike
from .lbfgs import LBFGS
from .losses import FunctionLoss, FunctionTrainer, Loss, LossLike
from .meter import bind_all
from .metrics import Metric, MetricLike
from .network import Network
from .optimizers import LearningRate, Optimizer
from .prepare import evaluation_data, training_data
from .seeds import Seed, check_seed
from .sources import Augment
from .specification import check_count, check_flag, check_number
from .trainer_state import TrainerFiles

Array = npt.NDArray[Any]


class Trainer(TrainerFiles, Insight):
    """Trains a network: a loss, an optimizer with its state, metrics to report, and the order of samples.

    Args:
        network: The network; it is changed in place.
        loss: A name such as ``"mse"`` or ``"cross_entropy"``, an object of `bpnative.losses`, or a callable(output,
            target) -> (loss, output_gradient), see `bpnative.FunctionLoss`.
        optimizer: A name of `bpnative.optimizers`, ``"lbfgs"``, or an object such as ``bp.Adam(learning_rate=1e-3)``.
        metrics: Reported beside the loss: names such as ``"accuracy"``, ``"f1_macro"`` or ``"r2"``, objects of
            `bpnative.metrics`, or ``callable(output, target) -> float``.
        clip_norm: The gradient over all parameters is shortened to at most this length before an update; None for any.
        clip_value: Each element of the gradient is cut to at most this size before an update; None for any.
        accumulate: Minibatches whose gradients add up to one update, as that of one batch so much larger would be, in
            the memory of one of them.
        seed: What samples are shuffled with: a whole number, a NumPy Generator, or None, which takes it from the
            network's seed, so that the network's seed alone makes a run repeatable.
        groups: Layers with a learning rate or settings of their own, `bpnative.Group` objects.
        average: ``bp.EMA()`` or ``bp.SWA()`` to keep an average of the weights: see `averaged` and `use_average`.

    Attributes:
        network: The network that is trained.
        loss: The loss, as a specification.
        metrics: The metrics, as objects.
        history: The `History` of the last `fit`, also of one that was interrupted.
        stop_training: A callback sets this to True to end the run.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A name is unknown, or the loss does not go with the network's last layer.

    Example:
        >>> import bpnative as bp
        >>> net = bp.mlp([2, 16, 1], activation="tanh", seed=0)
        >>> optimizer = bp.Adam(learning_rate=0.05)
        >>> trainer = bp.Trainer(net, loss="binary_cross_entropy", optimizer=optimizer, metrics=["accuracy"])
        >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
        >>> history = trainer.fit(X, y, epochs=200)
        >>> trainer.evaluate(X, y)["accuracy"]
        1.0
    """

    network: Fixed[Network] = Fixed()
    loss: Fixed[Loss] = Fixed()
    metrics: Fixed[tuple[Metric, ...]] = Fixed()
    accumulate: Fixed[int] = Fixed()
    clip_norm: Fixed[float | None] = Fixed()
    clip_value: Fixed[float | None] = Fixed()

    def __init__(
        self,
        network: Network,
        loss: LossLike,
        optimizer: str | Optimizer | LBFGS = "adam",
        *,
        metrics: Iterable[MetricLike] = (),
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        seed: Seed = None,
        groups: Iterable[Group] = (),
        average: Average | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"expected network as a bpnative.Network, got {network!r} ({type(network).__name__})")
        self.network = network
        self.loss = losses.get(loss)
        self._average = check_average(average)
        self._set_optimizer(lbfgs.get(optimizer))
        stepping = lbfgs.native_of(self._optimizer)
        self._groups = Groups(groups, stepping, len(network.layers))
        self.accumulate = check_count(accumulate, "accumulate")
        self.clip_norm = None if clip_norm is None else check_number(clip_norm, "clip_norm", "(0, inf)")
        self.clip_value = None if clip_value is None else check_number(clip_value, "clip_value", "(0, inf)")
        self._update = (self.accumulate, self.clip_norm or 0.0, self.clip_value or 0.0)
        if isinstance(self._optimizer, LBFGS):
            self._optimizer.check_alone(groups=groups, average=average, clip_norm=clip_norm, clip_value=clip_value)
        last = network.output_activation.name
        self.loss.check_network(network.output_size, last)
        self.metrics = bind_all(metrics, self.loss.name, last)
        seed = check_seed(seed)
        self._generator = np.random.default_rng(network._training_seed if seed is None else seed)
        own = self.loss if isinstance(self.loss, FunctionLoss) else None
        shape = network.input_size, network.output_size, network.dtype
        self._data = data.Checker(*shape, self.loss, network.codes, () if own else network.native_forms)
        averaging = None if self._average is None else self._average.settings()
        of_groups = self._groups.settings, [self._groups.of_layer[layer] for layer in network.owners]
        of_loss = None if own else self.loss.name, self.loss.settings()
        native = _bpnative.Trainer(network._native, *of_loss, stepping.native_name, *of_groups, averaging)
        self._native: _bpnative.Trainer | FunctionTrainer = FunctionTrainer(network, own, native) if own else native
        self.history = History()
        self.stop_training = False
        self._fitting = threading.Lock()
        self._pace = Pace()
        self._step_order = np.arange(0, dtype=np.int64)

    @property
    def optimizer(self) -> Optimizer | LBFGS:
        """The optimizer, as a specification. Its learning rate can be changed, see `learning_rate`."""
        return self._optimizer

    @property
    def learning_rate(self) -> LearningRate:
        """The learning rate: a number, schedule or callable(step); assigning changes it from the next native call."""
        return self._optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        self._set_optimizer(self._rates.replaced(value))

    def _set_optimizer(self, optimizer: Optimizer | LBFGS) -> None:
        self._rates = lbfgs.rates_of(optimizer)
        self._optimizer = optimizer

    def fit(
        self,
        X: object,
        y: object = None,
        *,
        epochs: int | None = None,
        batch_size: int = 32,
        validation_data: Sequence[Any] | None = None,
        validation_split: float | None = None,
        sample_weight: object = None,
        class_weight: ClassWeight = None,
        augment: Augment | None = None,
        shuffle: bool = True,
        callbacks: Callback | Iterable[Callback] = (),
        progress: bool | None = None,
        checkpoint: PathLike | None = None,
        checkpoint_every: float = 60.0,
    ) -> History:
        """Train for some epochs; a further call goes on where the last one ended, optimizer state included.

        Ctrl-C ends the run between native calls, within some tens of milliseconds: ``on_train_end`` of the callbacks is
        called, the network holds the weights of the last finished step (or the best ones, with EarlyStopping),
        ``trainer.history`` the epochs so far, with ``interrupted`` set, and KeyboardInterrupt is raised, so that a
        loop or a script around `fit` stops as well. To go on instead, catch it.

        Args:
            X: (n, input_size), anything that NumPy reads as real numbers; no NaN or infinity. `Scaled` data and large
                memory maps are read block by block, SciPy's sparse matrices as they are. Without y: an iterable of
                batches (X, y) or (X, y, sample_weight), or a function() or function(epoch) that returns one for each
                epoch; each batch is a step.
            y: As the loss takes it: class labels (n,), one-hot rows or numbers (n, output_size), (n,) for one output.
            epochs: Passes over the data, at least 1; None is 1, or as many iterations as `LBFGS` may take.
            batch_size: Samples of a step, at least 1; the last batch of an epoch may be smaller.
            validation_data: (X, y) or (X, y, sample_weight), evaluated after each epoch.
            validation_split: A fraction of X to validate with instead, drawn by the trainer's seed, class by class.
            sample_weight: (n,), factors of each sample's loss, at least 0.
            class_weight: Factors by class, {class: factor} or one number a class, or "balanced"; not for validation.
            augment: callable(x) or callable(x, rng) that returns a batch to train on instead, of the same shape.
            shuffle: Whether each epoch takes the samples in a new random order.
            callbacks: Objects of `bpnative.Callback`.
            progress: True shows a bar on a terminal and one line an epoch elsewhere, False nothing; None does as True,
                except where standard output is caught in memory.
            checkpoint: A file that the run is written to, and goes on from where it is there, in the middle of an epoch
                too: whatever killed the run, it ends with the same bits as one never stopped. More epochs than before
                go on; any other setting must be as in the file. Batches in X must come again as they came before: those
                that were trained on are skipped.
            checkpoint_every: The most seconds between two writes; 0 writes after each native call. The end of each
                epoch is written as well, but of epochs so short that writing would take more than a tenth of the time
                only some; the end of the run always is. Training goes on while a thread writes.

        Returns:
            The history: a dict of lists, a number an epoch.

        Raises:
            TypeError: An argument has the wrong type, or data are no real numbers.
            ValueError: Data are empty, not finite, or do not fit the network and the loss. Nothing was changed.
            RuntimeError: A callback, or another thread, calls it while it runs.

        Example:
            >>> import bpnative as bp
            >>> trainer = bp.Trainer(bp.mlp([1, 8, 1], seed=0), loss="mse", optimizer=bp.Adam(learning_rate=0.05))
            >>> history = trainer.fit([[0.0], [0.5], [1.0]], [1.0, 2.0, 3.0], epochs=300)
            >>> history["loss"][-1] < 0.01
            True
        """
        if epochs is None:
            epochs = self._optimizer.max_iterations if isinstance(self._optimizer, LBFGS) else 1
        epochs, generator = check_count(epochs, "epochs"), self._generator if check_flag(shuffle, "shuffle") else None
        every = check_number(checkpoint_every, "checkpoint_every", "[0, inf)")
        settings = (sample_weight, class_weight, validation_data, validation_split, augment)
        samples, validation = training_data(self, X, y, epochs, *settings)
        batch_size = data.check_batch_size(batch_size, samples.n)
        chosen = gather(callbacks, progress)
        adapt_first(self.network.layers, samples)
        if isinstance(self._optimizer, LBFGS):
            self._optimizer.check_alone(checkpoint=checkpoint)
            return self._optimizer.run(self, samples, validation, epochs, chosen)
        keeper = None
        if checkpoint is not None:
            if isinstance(samples, Batches):
                samples.check_again()
            keeper = Keeper(checkpoint, every, self, samples, validation, batch_size, generator is not None, chosen)
        return run_epochs(self, samples, validation, epochs, batch_size, generator, chosen, keeper)

    def step(self, x: object, y: object, sample_weight: object = None) -> float:
        """One update with one minibatch: for online and reinforcement learning, and loops of one's own.

        Shapes, dtypes and labels are checked; NaN is passed on. Fastest with C-contiguous arrays of the network's dtype
        and int32 labels: these are taken as they are.

        Args:
            x: (n, input_size).
            y: As the loss takes it, see `fit`.
            sample_weight: (n,), at least 0.

        Returns:
            The mean loss of the minibatch, before the update.

        Raises:
            TypeError: Data are no real numbers.
            ValueError: Data are empty or do not fit the network and the loss. Nothing was changed.

        Example:
            >>> import bpnative as bp
            >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse", optimizer="sgd")
            >>> first, second = trainer.step([[1.0]], [3.0]), trainer.step([[1.0]], [3.0])
            >>> second < first
            True
        """
        samples = self._data.batch(x, y, sample_weight)
        n = len(samples.x)
        order = self._step_order
        if len(order) != n:
            order = self._step_order = np.arange(n, dtype=np.int64)
        fixed, groups = self._rates.fixed, self._groups
        if fixed and not groups.given:
            rate, momentum = fixed
        else:
            done = self._native.step_count
            rate, momentum = fixed or self._rates.of_step(done)
            rate = groups.learning_rates(rate, done) if groups.given else rate
        loss, (_, norm, value) = np.empty(1), self._update
        try:
            self._native.train(
                loss, None, samples.x, samples.y, samples.weight, order, rate, n, 1, norm, value, momentum
            )
        except ValueError:
            self._data.explain(samples)
            raise
        return loss.item()

    def gradients(self, x: object, y: object, sample_weight: object = None) -> tuple[float, Array]:
        """The loss of a batch and its gradient in all parameters, without an update.

        Args:
            x: (n, input_size).
            y: As the loss takes it, see `fit`.
            sample_weight: (n,), at least 0.

        Returns:
            The mean loss, and a new flat array laid out as ``network.parameters``.

        Raises:
            TypeError: Data are no real numbers.
            ValueError: Data are empty or do not fit the network and the loss.

        Example:
            >>> import bpnative as bp
            >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
            >>> loss, gradients = bp.Trainer(net, loss="mse").gradients([[3.0]], [5.0])
            >>> loss, gradients.tolist()
            (1.0, [6.0, 2.0])
        """
        samples = self._data.batch(x, y, sample_weight)
        gradients = np.empty_like(self.network.parameters)
        try:
            loss = self._native.gradients(gradients, samples.x, samples.y, samples.weight)
        except ValueError:
            self._data.explain(samples)
            raise
        return loss, gradients

    def evaluate(self, X: object, y: object, *, sample_weight: object = None) -> dict[str, float]:
        """The loss and the metrics over a data set, in blocks of bounded memory, without an update.

        Args:
            X: (n, input_size); no NaN or infinity.
            y: As the loss takes it, see `fit`.
            sample_weight: (n,), at least 0.

        Returns:
            ``{"loss": …}`` and each metric by name.

        Raises:
            TypeError: Data are no real numbers.
            ValueError: Data are empty, not finite, or do not fit the network and the loss.

        Example:
            >>> import bpnative as bp
            >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
            >>> bp.Trainer(net, loss="mse", metrics=["mae"]).evaluate([[1.0], [2.0]], [2.0, 6.0])
            {'loss': 2.0, 'mae': 1.0}
        """
        return evaluate(self, evaluation_data(self, X, y, sample_weight))

    def check_metrics(self, target: Array) -> None:
        """Whether the metrics can be made of such targets.

        Raises:
            ValueError: One can't.
        """
        n_outputs = self.network.output_size
        compared = self.loss.compared_columns(n_outputs)
        for metric in self.metrics:
            metric.check(target, n_outputs if compared is None else len(compared))
