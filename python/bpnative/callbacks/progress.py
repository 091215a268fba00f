"""What `Trainer.fit` shows: a bar on a terminal, one line an epoch in logs. It looks at the clock and seldom writes."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ..specification import check_flag
from .base import Callback, Run, ShowLimit

if TYPE_CHECKING:
    from ..trainer import Trainer

# A bar is drawn at most ten times a second, which the eye takes for steady.
SECONDS_BETWEEN = 0.1


class Progress(Callback):
    """Shows where a run is: the callback that `Trainer.fit` adds by itself, see its argument ``progress``.

    Each of the first hundred epochs has a line of its own, and then ten a second and the last; on a terminal a bar
    below shows epoch, loss, the last epoch's metrics, samples a second and the time that is left. The bar is tqdm's
    where tqdm is installed (``pip install 'bpnative[progress]'``), else a plain line; it has no colour.

    Args:
        bar: Whether to draw the bar.
        stream: Where to write; None takes standard output when the run begins.

    Example:
        >>> Progress.line(0, 10, 60000, 2.0, {"loss": 0.25, "accuracy": 0.9125})
        'epoch  1/10  loss 0.2500  accuracy 0.9125  2.0 s, 30,000 samples/s'
    """

    def __init__(self, bar: bool, stream: TextIO | None = None) -> None:
        self._with_bar, self._given_stream = bar, stream
        self._bar: _Bar | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        """Start the clock."""
        self._stream: Any = self._given_stream or sys.stdout
        self._epochs = trainer.history.params["epochs"]
        self._begin = self._drawn = time.perf_counter()
        self._limit, self._metrics = ShowLimit(), dict[str, float]()
        self._waiting: tuple[Any, ...] = ()
        self._bar = _make_bar(self._stream) if self._with_bar else None

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Note when the epoch began."""
        self._epoch_begin = time.perf_counter()
        self._loss, self._steps = 0.0, 0

    def on_run_end(self, trainer: Trainer, run: Run) -> None:
        """Draw the bar, if the last drawing is long enough ago."""
        if self._bar is None:
            return
        self._loss, self._steps = self._loss + float(run.losses.sum()), self._steps + len(run.losses)
        now = time.perf_counter()
        if now - self._drawn < SECONDS_BETWEEN:
            return
        self._drawn = now
        done, total = run.epoch * run.samples + run.samples_done, self._epochs * run.samples
        self._bar.draw(
            f"epoch {run.epoch + 1:>{len(str(self._epochs))}}/{self._epochs}",
            {**self._metrics, "loss": self._loss / self._steps},
            done,
            total,
            now - self._begin,
        )

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> None:
        """Print the epoch's line; a later one takes its place where epochs are too short for a line each."""
        now = time.perf_counter()
        samples = trainer.history.params["samples"]
        if self._bar is not None:
            self._metrics = dict(logs)
        self._waiting = (epoch, self._epochs, samples, now - self._epoch_begin, logs)
        if epoch + 1 == self._epochs or self._limit.may_show():
            self._print_waiting()

    def on_train_end(self, trainer: Trainer) -> None:
        """Clear the bar, and print the last epoch's line if it was left out."""
        if self._waiting:
            self._print_waiting()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print_waiting(self) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(self.line(*self._waiting), file=self._stream, flush=True)
        self._waiting = ()

    @staticmethod
    def line(epoch: int, epochs: int, samples: int, seconds: float, logs: Mapping[str, float]) -> str:
        """The line of an epoch."""
        numbers = "  ".join(_numbers(logs))
        rate = samples / max(seconds, 1e-9)
        return f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}  {numbers}  {seconds:.1f} s, {rate:,.0f} samples/s"


def _numbers(logs: Mapping[str, float]) -> list[str]:
    shown = (f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.3g}" for value in logs.values())
    return [f"{name} {value}" for name, value in zip(logs, shown, strict=True)]


def clock(seconds: float) -> str:
    """A length of time as people read it.

    Example:
        >>> clock(62.4), clock(3723)
        ('1:02', '1:02:03')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class _Bar(Protocol):
    """What draws a bar on the last line of a terminal."""

    def draw(self, head: str, logs: Mapping[str, float], done: int, total: int, seconds: float) -> None:
        """Show this; total is 0 where it is not known."""

    def clear(self) -> None:
        """Leave an empty line, with the cursor at its beginning."""

    def close(self) -> None:
        """Leave nothing."""


def _make_bar(stream: Any) -> _Bar:
    try:
        return _TqdmBar(importlib.import_module("tqdm").tqdm, stream)
    except ImportError:
        return PlainBar(stream)


class PlainBar:
    """A line that is written over itself, never longer than the terminal is wide. The cursor rests at its beginning.

    Example:
        >>> bar = PlainBar(sys.stdout)
        >>> bar.text("epoch 1/10", {"loss": 0.25}, done=3, total=10, seconds=6.0, columns=80)
        'epoch 1/10 [========>....................]  loss 0.2500  0 samples/s  0:14 left'
        >>> bar.text("epoch 1/10", {"loss": 0.25}, done=3, total=10, seconds=6.0, columns=24)
        'epoch 1/10  loss 0.2500'
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._length = stream, 0

    def draw(self, head: str, logs: Mapping[str, float], done: int, total: int, seconds: float) -> None:
        """Write the line over the last one."""
        text = self.text(head, logs, done, total, seconds, _columns(self._stream))
        self._stream.write(f"\r{text}{' ' * (self._length - len(text))}\r")
        self._stream.flush()
        self._length = len(text)

    def clear(self) -> None:
        """Write blanks over the line."""
        if self._length:
            self._stream.write(f"\r{' ' * self._length}\r")
            self._stream.flush()
            self._length = 0

    close = clear

    @staticmethod
    def text(head: str, logs: Mapping[str, float], done: int, total: int, seconds: float, columns: int) -> str:
        """The line: what there is room for in one column less than these, the least important left out first."""
        rate = done / max(seconds, 1e-9)
        numbers = _numbers({"loss": logs["loss"], **logs})
        left = f"{clock((total - done) / max(rate, 1e-9))} left" if total and done else ""
        ranked = [numbers[0], left, f"{rate:,.0f} samples/s", *numbers[1:]]
        room, chosen = columns - 1 - len(head), set[str]()
        for piece in filter(None, ranked):
            if room < len(piece) + 2:
                break
            room -= len(piece) + 2
            chosen.add(piece)
        width = min(room - 3, 30)
        drawn = ""
        if total and width >= 5:
            full = min(width, width * done // total)
            drawn = f" [{('=' * full + '>' + '.' * width)[:width]}]"
        order = [*numbers, f"{rate:,.0f} samples/s", left]
        return (head + drawn + "".join(f"  {piece}" for piece in order if piece in chosen))[: max(columns - 1, 0)]


class _TqdmBar:
    """The same with tqdm, without its monitoring thread."""

    def __init__(self, tqdm: Any, stream: TextIO) -> None:
        class Bar(tqdm):  # type: ignore[misc]
            monitor_interval = 0

        Bar.set_lock(threading.RLock())
        self._kind = Bar
        self._bar: Any = None
        self._stream, self._ends = stream, 0
        self._settings = {"file": stream, "leave": False, "ascii": " >=", "unit": " samples", "unit_scale": True}

    def draw(self, head: str, logs: Mapping[str, float], done: int, total: int, seconds: float) -> None:
        """Set tqdm's numbers, and let it draw."""
        if self._bar is None:
            shape = "{desc} [{bar:15}] {remaining} left, {rate_fmt}{postfix}"
            self._bar = self._kind(total=total or None, bar_format=shape, delay=1e9, **self._settings)
            self._bar.start_t -= seconds
            self._bar.delay = 0
        # Narrower than the terminal, so that the ^C of somebody who has seen enough stays on the line and is cleared.
        self._ends = max(_columns(self._stream) - 1, 1)
        self._bar.ncols = max(self._ends - 2, 1)
        self._bar.total, self._bar.n = total or None, done
        self._bar.set_description_str(head, refresh=False)
        self._bar.set_postfix_str("  ".join(_numbers({"loss": logs["loss"], **logs})), refresh=False)
        self._bar.refresh()

    def clear(self) -> None:
        """Leave an empty line."""
        if self._ends:
            self._bar.clear()
            self._stream.write(f"\r{' ' * self._ends}\r")
            self._stream.flush()
            self._ends = 0

    def close(self) -> None:
        """Leave nothing."""
        self.clear()
        if self._bar is not None:
            self._bar.close()


def _columns(stream: TextIO) -> int:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        columns = os.get_terminal_size(stream.fileno()).columns
        if columns:
            return columns
    import shutil  # milliseconds of every import, for what few programs need

    return shutil.get_terminal_size().columns


def gather(callbacks: Callback | Iterable[Callback], progress: bool | None) -> list[Callback]:
    """The callbacks of a run, after what shows its progress where that is wanted.

    Args:
        callbacks: One, or several in the order in which they are called.
        progress: True shows, False doesn't; None shows a bar on a terminal and lines in a log, and nothing where
            standard output is caught in memory.

    Raises:
        TypeError: One is no `Callback`.

    Example:
        >>> gather([], False)
        []
    """
    chosen = [callbacks] if isinstance(callbacks, Callback) else list(callbacks)
    for callback in chosen:
        if not isinstance(callback, Callback):
            raise TypeError(f"expected callbacks as objects of bpnative.Callback, got {callback!r}")
    stream = sys.stdout
    wanted = _is_terminal_or_file(stream) if progress is None else check_flag(progress, "progress")
    if not wanted or stream is None:
        return chosen
    # First, so that what other callbacks print at the end of an epoch stands on a line of its own.
    return [Progress(bar=stream.isatty(), stream=stream), *chosen]


def _is_terminal_or_file(stream: Any) -> bool:
    """Whether somebody will read it: a stream in memory is a program's or a test's, which asks if it wants lines."""
    try:
        return bool(stream.isatty()) or stream.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False
