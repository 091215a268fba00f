"""Training on batches that the user's own Python makes: any iterable, or a function that returns one for each epoch."""

from __future__ import annotations

import functools
import inspect
import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .callbacks import Callback, Run
from .class_weights import ClassWeight, with_class_weight
from .meter import Meter
from .samples import Array, Samples

if TYPE_CHECKING:
    from .checkpoint import Keeper
    from .trainer import Trainer

BatchSource: TypeAlias = "Iterable[Any] | Callable[[], Iterable[Any]] | Callable[[int], Iterable[Any]]"

# Batches made ahead: one to be trained on next, one that is being made.
AHEAD = 2
# How long the end of an epoch waits for the thread; one that is held up in the user's code ends when that returns.
PATIENCE = 0.1


class Batches:
    """Batches ``(X, y)`` or ``(X, y, sample_weight)`` of an iterable, or of a factory that is called for each epoch.

    A factory that needs an argument, or has one named epoch, is given the number of the epoch, from 0.

    Raises:
        TypeError: It is neither.
        ValueError: It is an iterator, which can be gone through once, and there are several epochs.

    Example:
        >>> Batches([([[1.0]], [2.0])], epochs=3).n
        0
    """

    def __init__(self, source: Any, epochs: int, class_weight: ClassWeight = None) -> None:
        if not callable(source) and not hasattr(source, "__iter__"):
            kind = type(source).__name__
            raise TypeError(
                f"expected y beside X, or X as an iterable of (X, y) batches or a function that returns one, got {kind}"
            )
        if isinstance(class_weight, str):
            raise ValueError("class_weight='balanced' needs all labels at once: give a dict or an array with batches")
        if epochs > 1 and iter_is_self(source):
            raise ValueError(
                f"expected an iterable that can be gone through {epochs} times, got the iterator {source!r}: pass a "
                f"function that returns a new one for each epoch, for example its generator function"
            )
        self.source, self.class_weight = source, class_weight
        self._of_epoch = _of_epoch(source) if callable(source) else None
        self.n = 0  # samples of an epoch, known when the first has ended

    def check_again(self) -> None:
        """Whether a run that was stopped can get its batches again.

        Raises:
            ValueError: They come from an iterator.
        """
        if iter_is_self(self.source):
            raise ValueError(
                f"checkpoint needs batches that can be gone through again, got the iterator {self.source!r}: pass a "
                f"function that returns a new one, for example its generator function, a list, or X and y"
            )

    def checked(self, trainer: Trainer, epoch: int = 0, skip: int = 0) -> Iterator[Samples]:
        """The batches of an epoch, as native code takes them; none shares memory with the user's.

        The first `skip` are passed over, those that a run had trained on before it was stopped.

        Raises:
            TypeError: A batch is no tuple, or holds no real numbers.
            ValueError: A batch does not fit the network and the loss, or there are fewer than those to skip.
        """
        batches = self.source if self._of_epoch is None else self._of_epoch(epoch)
        iterator, number = iter(batches), -1
        try:
            for number, batch in enumerate(iterator):
                if number >= skip:
                    yield self._check(trainer, number, batch)
            if number + 1 < skip:
                raise ValueError(
                    f"the run that is resumed had trained on {skip} batches of epoch {epoch}, the source gave only "
                    f"{number + 1}: it must give the same batches again; remove the checkpoint to begin anew"
                )
        finally:
            close = getattr(iterator, "close", None)
            if callable(self.source) and callable(close):
                close()

    def _check(self, trainer: Trainer, number: int, batch: Any) -> Samples:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            kind = f"{len(batch)} values" if isinstance(batch, (tuple, list)) else type(batch).__name__
            raise TypeError(f"expected batch {number} as (X, y) or (X, y, sample_weight), got {kind}")
        names = (f"X of batch {number}", f"y of batch {number}", f"sample_weight of batch {number}")
        checker = trainer._data
        x, y, weight = checker.dataset(batch[0], batch[1], batch[2] if len(batch) == 3 else None, names)
        trainer.check_metrics(y)
        weight = with_class_weight(self.class_weight, y, weight, checker.n_outputs, checker.loss, checker.dtype)
        # A generator may fill the same arrays again while this batch waits for its turn.
        return Samples(_own(x, batch), _own(y, batch), None if weight is None else _own(weight, batch))


def _own(array: Array, given: Sequence[Any]) -> Array:
    return array if array.flags.owndata and not any(array is value for value in given) else array.copy()


def iter_is_self(source: object) -> bool:
    """Whether it is an iterator, which can be gone through once.

    Example:
        >>> iter_is_self([1]), iter_is_self(iter([1]))
        (False, True)
    """
    return not callable(source) and hasattr(source, "__next__")


def _of_epoch(factory: Callable[..., Iterable[Any]]) -> Callable[[int], Iterable[Any]]:
    """A factory as a function of the epoch, whether it has an argument for it or not."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return lambda epoch: factory()
    named, bound = parameters.get("epoch"), isinstance(factory, functools.partial) and "epoch" in factory.keywords
    if named is not None and named.kind in (named.POSITIONAL_OR_KEYWORD, named.KEYWORD_ONLY) and not bound:
        return lambda epoch: factory(epoch=epoch)
    for first in parameters.values():
        needed = first.default is first.empty or first.name == "epoch"
        if needed and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
            return factory
        break
    return lambda epoch: factory()


class BatchPosition:
    """Where an epoch over batches stands: how large those so far were, their losses and metrics.

    Example:
        >>> import bpnative as bp
        >>> BatchPosition(bp.Trainer(bp.mlp([1, 1]), loss="mse"), epoch=0).done
        0
    """

    ended = False  # which only the source knows

    def __init__(self, trainer: Trainer, epoch: int) -> None:
        self.epoch, self.done = epoch, 0
        self.losses: list[float] = []
        self.sizes: list[int] = []
        self.meter = Meter(trainer.metrics, trainer.loss.compared_columns(trainer.network.output_size))

    def pack(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint keeps of it beside its metrics; arrays go into `tensors`."""
        tensors["epoch.losses"] = np.array(self.losses)
        tensors["epoch.sizes"] = np.array(self.sizes, np.int64)
        return {"done": self.done, "generator": None}

    def restore(self, partial: dict[str, Any], tensors: dict[str, Any]) -> None:
        """Move to where a checkpoint's run stood."""
        self.done = partial["done"]
        self.losses, self.sizes = tensors["epoch.losses"].tolist(), tensors["epoch.sizes"].tolist()


class Prefetcher:
    """Runs an iterator in a thread of its own, two items ahead; its errors are raised here.

    The thread ends with the block, or, where the iterator holds it up for longer, when that returns.

    Example:
        >>> with Prefetcher(iter([1, 2, 3])) as ahead:
        ...     list(ahead)
        [1, 2, 3]
    """

    def __init__(self, iterator: Iterator[Any]) -> None:
        # Simple queues, for Ctrl-C within a Queue or an Event may leave it locked.
        self._items: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(AHEAD):
            self._room.put(None)
        self.stopped = False
        given = iterator, self._items, self._room, weakref.ref(self)
        self._thread = threading.Thread(target=_produce, args=given, name="bpnative batches", daemon=True)

    def __enter__(self) -> Prefetcher:
        self._thread.start()
        return self

    def __iter__(self) -> Iterator[Any]:
        while True:
            last, item = self._items.get()
            self._room.put(None)
            if not last:
                yield item
            elif item is None:
                return
            else:
                raise item

    def __exit__(self, *error: object) -> None:
        self.stopped = True
        self._thread.join(PATIENCE)


def _produce(
    iterator: Iterator[Any],
    items: queue.SimpleQueue[tuple[bool, Any]],
    room: queue.SimpleQueue[None],
    consumer: weakref.ref[Prefetcher],
) -> None:
    """Hand over the items of an iterator for as long as somebody wants them."""
    end: tuple[bool, Any] = (True, None)
    try:
        for item in iterator:
            if not _wait_for_room(room, consumer):
                break
            items.put((False, item))
        # A generator is closed where it ran: its finally clauses belong to this thread.
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
    except BaseException as error:  # raised by __iter__ in the thread that asked
        end = (True, error)
    items.put(end)


def _wait_for_room(room: queue.SimpleQueue[None], consumer: weakref.ref[Prefetcher]) -> bool:
    """Whether there is room for an item; False when nobody wants any more, as the consumer says or by being gone."""
    while True:
        prefetcher = consumer()
        if prefetcher is None or prefetcher.stopped:
            return False
        del prefetcher
        try:
            room.get(timeout=0.05)
        except queue.Empty:
            continue
        return True


def train_batches(
    trainer: Trainer,
    position: BatchPosition,
    batches: Batches,
    callbacks: Sequence[Callback],
    keeper: Keeper | None = None,
) -> dict[str, float]:
    """Train on the batches of an epoch from where it stands, each a step; the mean loss and the metrics of the epoch.

    Raises:
        ValueError: There is no batch, or one does not fit.

    Example:
        >>> import bpnative as bp
        >>> trainer = bp.Trainer(bp.mlp([1, 1], seed=0), loss="mse")
        >>> list(train_batches(trainer, BatchPosition(trainer, 0), Batches([([[1.0]], [2.0])], epochs=1), []))
        ['loss']
    """
    native, outputs_of = trainer._native, trainer.network.output_size
    meter, losses, sizes, epoch = position.meter, position.losses, position.sizes, position.epoch
    with Prefetcher(batches.checked(trainer, epoch, len(losses))) as ahead:
        for x, y, weight in ahead:
            n, first_step, loss = len(x), native.step_count, np.empty(1)
            rates, momentum = trainer._rates.of_step(first_step)
            all_rates = trainer._groups.learning_rates(rates, first_step)
            outputs = np.empty((n, outputs_of), trainer.network.dtype) if trainer.metrics else None
            how = n, 1, *trainer._update[1:], momentum
            native.train(loss, outputs, x, y, weight, np.arange(n, dtype=np.int64), all_rates, *how)
            losses.append(loss.item())
            sizes.append(n)
            position.done += n
            if outputs is not None:
                meter.update(outputs, y, weight)
            if callbacks:
                run = Run(epoch, first_step, loss, rates, position.done, batches.n)
                for callback in callbacks:
                    callback.on_run_end(trainer, run)
            if keeper:
                keeper.end_run(position)
            if trainer.stop_training:
                break
        else:
            batches.n = position.done
    if not losses:
        raise ValueError(f"expected at least one batch an epoch, got none in epoch {epoch}")
    trainer.history.params["samples"] = position.done
    return {"loss": float((np.array(losses) * sizes).sum() / position.done), **meter.results()}
