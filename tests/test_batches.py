"""Training on batches from the user's Python: iterables and factories, their errors, their thread."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

import bpnative as bp
from bpnative.batches import Prefetcher

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int32)
WEIGHT = RNG.random(90).astype(np.float32)


def trainer(**settings):
    return bp.Trainer(bp.mlp([4, 8, 2], seed=0), "cross_entropy", metrics=["accuracy"], **settings)


def cut(*arrays, size=20):
    return [tuple(array[start : start + size] for array in arrays) for start in range(0, 90, size)]


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = threading.active_count()
    yield
    deadline = time.perf_counter() + 5
    while threading.active_count() > before and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


class Loader:
    """An iterable of lists, like PyTorch's DataLoader."""

    def __iter__(self):
        return iter([list(batch) for batch in cut(X.tolist(), LABELS.tolist())])


@pytest.mark.parametrize("source", [cut(X, LABELS), tuple(cut(X, LABELS)), lambda: iter(cut(X, LABELS)), Loader()])
def test_batches_are_the_steps_of_an_array(source):
    first, second = trainer(), trainer()
    history = first.fit(source, epochs=3, validation_data=(X, LABELS))
    expected = second.fit(X, LABELS, epochs=3, batch_size=20, shuffle=False, validation_data=(X, LABELS))
    np.testing.assert_array_equal(first.network.parameters, second.network.parameters)
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-12)
    assert history.params["samples"] == 90


def test_weights_of_batches():
    first, second = trainer(), trainer()
    first.fit(cut(X, LABELS, WEIGHT), epochs=2, class_weight={1: 2.0})
    second.fit(X, LABELS, epochs=2, batch_size=20, shuffle=False, sample_weight=WEIGHT, class_weight={1: 2.0})
    np.testing.assert_array_equal(first.network.parameters, second.network.parameters)


def test_arrays_that_are_filled_again_are_copied():
    def reuse():
        x, y, w = np.empty((30, 4), np.float32), np.empty(30, np.int32), np.empty(30, np.float32)
        for start in range(0, 90, 30):
            for buffer, array in ((x, X), (y, LABELS), (w, WEIGHT)):
                buffer[...] = array[start : start + 30]
            yield x, y, w
        for buffer in (x, y, w):
            buffer[...] = 0

    first, second = trainer(), trainer()
    first.fit(reuse, epochs=2)
    second.fit(cut(X, LABELS, WEIGHT, size=30), epochs=2)
    np.testing.assert_array_equal(first.network.parameters, second.network.parameters)


def test_a_generator_serves_one_epoch():
    history = trainer().fit(batch for batch in cut(X, LABELS))
    assert len(history["loss"]) == 1
    with pytest.raises(ValueError, match=r"gone through 2 times, got the iterator.*pass a function"):
        trainer().fit((batch for batch in cut(X, LABELS)), epochs=2)


def fails():
    yield X, LABELS
    raise OSError("disk gone")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (fails, OSError, "disk gone"),
        (lambda: iter(()), ValueError, "at least one batch an epoch, got none in epoch 0"),
        (lambda: 3, TypeError, "not iterable"),
        ([X], TypeError, r"batch 0 as \(X, y\) or \(X, y, sample_weight\), got ndarray"),
        ([(X,)], TypeError, "got 1 values"),
        ([(X, LABELS), (X[:, :2], LABELS)], ValueError, "X of batch 1 with 4 columns"),
        ([(X, LABELS + 5)], ValueError, "labels 0 to 1 in y of batch 0"),
        ([(X * np.nan, LABELS)], ValueError, "finite numbers in X of batch 0"),
        ([(X, LABELS, -WEIGHT)], ValueError, "sample_weight of batch 0 of at least 0"),
    ],
)
def test_errors_of_the_source_surface(source, error, message):
    subject = trainer()
    with pytest.raises(error, match=message):
        subject.fit(source)
    assert subject.history.interrupted
    assert np.isfinite(subject.network.parameters).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.fit(X), TypeError, r"expected y beside X.*got X of type ndarray alone"),
        (lambda t: t.fit(3), TypeError, "or a function that returns one, got int"),
        (lambda t: t.fit(cut(X, LABELS), sample_weight=WEIGHT), ValueError, "sample_weight goes with arrays"),
        (lambda t: t.fit(cut(X, LABELS), validation_split=0.1), ValueError, "validation_split goes with arrays"),
        (lambda t: t.fit(cut(X, LABELS), augment=abs), ValueError, "augment goes with arrays"),
        (lambda t: t.fit(cut(X, LABELS), class_weight="balanced"), ValueError, "needs all labels at once"),
    ],
)
def test_what_does_not_go_with_batches(call, error, message):
    subject = trainer()
    with pytest.raises(error, match=message):
        call(subject)
    assert subject.step_count == 0


def test_an_endless_source_is_stopped_and_closed():
    closed = []

    def endless():
        try:
            yield from itertools.cycle(cut(X, LABELS))
        finally:
            closed.append(threading.current_thread().name)

    class Stop(bp.Callback):
        def on_run_end(self, trainer, run):
            assert run.samples == 0
            trainer.stop_training = run.samples_done >= 200

    subject = trainer()
    assert len(subject.fit(endless, epochs=3, callbacks=Stop())["loss"]) == 1
    assert subject.step_count in (10, 11, 12)
    time.sleep(0.1)
    assert closed == ["bpnative batches"]


def test_ctrl_c_does_not_wait_for_a_slow_source():
    held_up = threading.Event()

    def slow():
        yield X, LABELS
        held_up.wait(120)

    class Interrupt(bp.Callback):
        def on_run_end(self, trainer, run):
            self.at = time.perf_counter()
            raise KeyboardInterrupt

    callback, subject = Interrupt(), trainer()
    with pytest.raises(KeyboardInterrupt):
        subject.fit(slow, callbacks=callback)
    assert time.perf_counter() - callback.at < 30.0  # a tenth of a second on a quiet machine, 120 for the source
    assert subject.history.interrupted
    held_up.set()


@pytest.mark.parametrize("started", [False, True])
def test_ctrl_c_while_the_thread_starts_leaves_none_behind(started, monkeypatch):
    threads, start = [], threading.Thread.start

    def interrupted(thread):
        if started:
            threads.append(thread)
            start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer().fit(lambda: cut(X, LABELS, size=5))
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def test_a_consumer_that_is_gone_without_a_word_leaves_no_thread_behind():
    """As when Ctrl-C comes before the end of a block has begun."""
    ahead = Prefetcher(itertools.count()).__enter__()
    assert next(iter(ahead)) == 0
    thread = ahead._thread
    del ahead
    thread.join(5)
    assert not thread.is_alive()


def test_batches_are_made_while_others_are_trained_on():
    made, seen = [], []

    class Watch(bp.Callback):
        def on_run_end(self, trainer, run):
            if len(seen) == 0:
                deadline = time.perf_counter() + 10
                while len(made) < 3 and time.perf_counter() < deadline:
                    time.sleep(0.001)
            seen.append(len(made))

    def source():
        for batch in cut(X, LABELS, size=10):
            made.append(threading.get_ident())
            yield batch

    trainer().fit(source, callbacks=Watch())
    assert seen[0] >= 3
    assert max(after - number for number, after in enumerate(seen, 1)) <= 4
    assert set(made) != {threading.get_ident()}


def test_batches_are_not_accumulated_in_silence():
    subject = bp.Trainer(bp.mlp([1, 1], seed=0), "mse", accumulate=2)
    with pytest.raises(ValueError, match="accumulate goes with arrays X and y"):
        subject.fit([([[1.0]], [2.0])])
    assert subject.step_count == 0
