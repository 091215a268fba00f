"""Schedules: each a formula, whole sequences at once and step by step; what a trainer does with them and remembers."""

from __future__ import annotations

import math
import pickle
import re
from typing import Any

import numpy as np
import pytest

import bpnative as bp
from bpnative import around
from bpnative import schedules as s


def by_repr(value: object) -> str:
    """The same in every process: a function's address is not."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


RNG = np.random.default_rng(5)
X = RNG.standard_normal((40, 3))
Y = X @ np.array([1.0, -2.0, 0.5])

EXAMPLES: list[s.Schedule] = [
    s.Constant(0.1),
    s.Step(0.1, 7),
    s.Step(0.1, every=7, factor=0.5),
    s.MultiStep(0.1, [3, 5, 90]),
    s.MultiStep(0.1, ()),
    s.Exponential(0.1, 0.97),
    s.Polynomial(0.1, 50, power=2.0, minimum=0.01),
    s.InverseScaling(0.1, power=0.3, per_step=40),
    s.Cosine(0.1, 60, minimum=0.001),
    s.CosineRestarts(0.1, 5, multiplier=3),
    s.CosineRestarts(0.1, 7),
    s.OneCycle(0.1, 80),
    s.OneCycle(0.1, 80, anneal="linear", three_phase=True, warmup_fraction=0.37),
    s.OneCycle(0.1, 1, cycle_momentum=False),
    s.OneCycle(0.1, 10, warmup_fraction=0.1),
    s.OneCycle(0.1, 10, warmup_fraction=1.0),
    s.OneCycle(0.1, 2, three_phase=True, warmup_fraction=0.5),
    s.Warmup(s.Cosine(0.1, 50), 10, start=0.0),
    s.Warmup(s.OneCycle(0.1, 50), 10),
    s.Warmup(0.1, 3),
    s.Warmup(s.PerEpoch(s.Step(0.1, 2)), 5),
    s.Warmup(s.ReduceOnPlateau(0.1, "loss"), 5),
    s.PerEpoch(s.Exponential(0.1, 0.5)),
    s.PerEpoch(s.OneCycle(0.1, 5)),
    s.Adaptive(0.1, n_iter_no_change=2),
    s.Adaptive(),
    s.ReduceOnPlateau(0.1, monitor="val_accuracy", patience=0, cooldown=2),
]


def test_every_name_has_an_example():
    assert {type(example).name for example in EXAMPLES} == set(s.SCHEDULES)
    for name, kind in s.SCHEDULES.items():
        assert kind.name == name
        assert kind.__name__ in s.__all__
        assert "Source" in kind.__doc__
        assert "Example:" in kind.__doc__


@pytest.mark.parametrize("schedule", EXAMPLES, ids=by_repr)
class TestEach:
    def test_repr_and_pickle_rebuild_it(self, schedule):
        for again in (eval(repr(schedule), dict(vars(s))), pickle.loads(pickle.dumps(schedule))):
            assert type(again) is type(schedule)
            assert again == schedule
            assert hash(again) == hash(schedule)

    def test_values_are_good_and_do_not_depend_on_where_a_run_is_cut(self, schedule):
        whole = schedule.values(0, 150)
        assert whole.dtype == np.float64
        assert whole.shape == (150,)
        assert (whole >= 0).all()
        assert (whole <= 0.1 + 1e-15).all()
        parts = [schedule.values(first, min(7, 150 - first)) for first in range(0, 150, 7)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
        assert [schedule(step) for step in range(150)] == whole.tolist()
        assert schedule.values(3, 0).shape == (0,)

    def test_momenta(self, schedule):
        momenta = schedule.momentum_values(0, 150)
        if momenta is not None:
            assert momenta.shape == (150,)
            assert (momenta >= 0.85 - 1e-12).all()
            assert (momenta <= 0.95 + 1e-12).all()
            parts = [schedule.momentum_values(first, 30) for first in range(0, 150, 30)]
            np.testing.assert_array_equal(np.concatenate(parts), momenta)

    @pytest.mark.parametrize("kind", [bp.SGD, bp.Adam])
    def test_it_trains_by_fit_and_by_steps_to_the_same_bits(self, schedule, kind, monkeypatch):
        settings = {"momentum": 0.9} if kind is bp.SGD else {}
        validation = (X, Y > 0) if "val_" in repr(schedule) else None
        loss, target, metrics = ("binary_cross_entropy", Y > 0, ["accuracy"]) if validation else ("mse", Y, [])

        def trainer():
            optimizer = kind(learning_rate=schedule, **settings)
            return bp.Trainer(bp.mlp([3, 5, 1], seed=0), loss, optimizer=optimizer, metrics=metrics)

        fitted, stepped, cut = trainer(), trainer(), trainer()
        history = fitted.fit(X, target, epochs=3, batch_size=8, shuffle=False, validation_data=validation)
        for epoch in range(3):
            for first in range(0, 40, 8):
                stepped.step(X[first : first + 8], target[first : first + 8])
            logs = {column: values[epoch] for column, values in history.items()}
            stepped._rates.end_epoch(stepped, logs)
        monkeypatch.setattr(around, "RUN_SECONDS", 1e-9)
        for epochs in (1, 2):
            cut.fit(X, target, epochs=epochs, batch_size=8, shuffle=False, validation_data=validation)
            cut = pickle.loads(pickle.dumps(cut))
        assert not np.array_equal(fitted.network.parameters, trainer().network.parameters)
        for other in (stepped, cut):
            np.testing.assert_array_equal(other.network.parameters, fitted.network.parameters)
            assert other.schedule_state == fitted.schedule_state


# ---- formulas by hand ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (s.MultiStep(1.0, [1, 1, 3], 0.5), [1, 0.25, 0.25, 0.125, 0.125]),
        (s.Polynomial(1.0, 2, minimum=0.5), [1, 0.75, 0.5, 0.5, 0.5]),
        (s.Polynomial(1.0, 2, power=2.0), [1, 0.25, 0, 0, 0]),
        (s.Cosine(1.0, 2), [1, 0.5, 0, 0, 0]),
        (s.CosineRestarts(1.0, 2, 1), [1, 0.5, 1, 0.5, 1]),
        (s.CosineRestarts(1.0, 1, 2, 0.5), [1, 1, 0.75, 1, 0.5 + 0.25 * (1 + math.cos(math.pi / 4))]),
        (s.InverseScaling(1.0, 1.0), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        (s.Warmup(s.Polynomial(1.0, 2), 2, 0.5), [0.5, 0.75, 1, 0.5, 0]),
        (s.Warmup(lambda step: 1.0 / (1 + step), 2, 0.0), [0, 0.5, 1, 1 / 2, 1 / 3]),
        (s.PerEpoch(lambda epoch: 0.25 + epoch), [0.25] * 5),
    ],
    ids=by_repr,
)
def test_values_by_hand(schedule, expected):
    np.testing.assert_allclose(schedule.values(0, 5), expected, rtol=1e-14, atol=1e-16)


def test_far_restarts():
    far = 3 * (2**40 - 1)  # the first step of the 41st cosine
    assert s.CosineRestarts(1.0, 3, 2)(far) == 1.0
    assert s.CosineRestarts(1.0, 3, 2)(far - 1) < 1e-12


def test_by_name():
    assert s.get("step", 0.1, every=3) == s.Step(0.1, 3)
    with pytest.raises(ValueError, match="unknown schedule 'cosin': did you mean 'cosine'"):
        s.get("cosin", 0.1)


# ---- by epochs and results -----------------------------------------------------------------------------------------
class Watch(bp.Callback):
    """Keeps the rates of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_run_end(self, trainer: bp.Trainer, run: bp.Run) -> None:
        self.rates += run.learning_rates.tolist()


def rates_of_fits(schedule: Any, *epochs: int, **settings: Any) -> tuple[list[float], bp.Trainer]:
    watch = Watch()
    trainer = bp.Trainer(bp.mlp([3, 1], seed=0), "mse", optimizer=bp.SGD(learning_rate=schedule))
    for count in epochs:
        trainer.fit(X, Y, epochs=count, batch_size=20, callbacks=[watch], **settings)
    return watch.rates, trainer


def test_epochs_count_over_fits():
    rates, trainer = rates_of_fits(s.PerEpoch(s.Step(1e-3, 2, 0.5)), 3, 2)
    assert rates == [1e-3] * 4 + [5e-4] * 4 + [2.5e-4] * 2
    assert trainer.schedule_state == {"epoch": 5.0}
    trainer.learning_rate = s.PerEpoch(s.Constant(0.1))
    assert trainer.schedule_state == {"epoch": 0.0}, "a new schedule begins anew"
    trainer.learning_rate = 0.1
    assert trainer.schedule_state == {}


def test_a_warm_up_scales_what_goes_by_epochs():
    rates, _ = rates_of_fits(s.Warmup(s.PerEpoch(lambda epoch: 1e-3 * 0.5**epoch), 4, 0.0), 3)
    np.testing.assert_allclose(rates, np.array([0, 0.25, 0.25, 0.375, 0.25, 0.25]) * 1e-3)


def test_adaptive_by_hand():
    schedule = s.Adaptive(1.0, tol=0.1, n_iter_no_change=2, minimum=0.2)
    state, rates, stops = schedule.begin(), [], []
    for loss in [5, 4.95, 4, 3.95, 3.91, 4.5, 1, math.nan, 1, 1, 1]:
        state = schedule.follow(state, {"loss": loss})
        rates.append(schedule.values(0, 1, state)[0])
        stops.append(state["stop"])
    assert rates == [1, 1, 1, 1, 1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]
    assert stops == [0] * 9 + [1, 0]


def test_adaptive_divides_and_then_ends_the_run():
    schedule = s.Adaptive(1e-3, tol=1e9, n_iter_no_change=1, minimum=3e-5)
    rates, trainer = rates_of_fits(schedule, 20)
    assert trainer.stop_training
    # The first epoch is no failure: there is nothing to compare with.
    stairs = [1e-3] * 3 + [1e-3 / 5] * 2 + [1e-3 / 25] * 2 + [1e-3 / 125] * 2
    np.testing.assert_allclose(rates, np.repeat(stairs, 2))
    assert len(trainer.history["loss"]) == 9


def test_reduce_on_plateau_in_a_run():
    schedule = s.ReduceOnPlateau(1e-3, monitor="val_loss", patience=1, min_delta=1e9, factor=0.5, min_lr=3e-4)
    rates, trainer = rates_of_fits(schedule, 3, 4, validation_data=(X, Y))
    np.testing.assert_allclose(rates, np.repeat([1e-3] * 3 + [5e-4] * 2 + [3e-4] * 2, 2))
    assert trainer.schedule_state["learning_rate"] == 3e-4


def test_what_is_watched_must_be_there_before_anything_changes():
    trainer = bp.Trainer(
        bp.mlp([3, 1], seed=0), "mse", optimizer=bp.SGD(learning_rate=s.Warmup(s.ReduceOnPlateau(0.1), 3))
    )
    history, before = trainer.history, trainer.network.parameters.copy()
    with pytest.raises(ValueError, match="ReduceOnPlateau watches 'val_loss', this run has only 'loss': pass val"):
        trainer.fit(X, Y)
    assert trainer.history is history
    assert trainer.step_count == 0
    np.testing.assert_array_equal(trainer.network.parameters, before)


def test_a_callback_has_the_last_word():
    class Set(bp.Callback):
        def on_epoch_end(self, trainer, epoch, logs):
            if epoch == 1:
                assert trainer.schedule_state == {"epoch": 2.0}
                trainer.learning_rate = 0.0

    watch = Watch()
    trainer = bp.Trainer(bp.mlp([3, 1], seed=0), "mse", optimizer=bp.SGD(learning_rate=s.PerEpoch(s.Constant(1e-3))))
    trainer.fit(X, Y, epochs=3, batch_size=40, callbacks=[Set(), watch])
    assert watch.rates == [1e-3, 1e-3, 0.0]


def test_a_pickled_trainer_of_another_schedule_is_rejected():
    trainer = bp.Trainer(bp.mlp([3, 1], seed=0), "mse", optimizer=bp.SGD(learning_rate=s.Adaptive(0.1)))
    state = trainer.__getstate__()
    with pytest.raises(ValueError, match=r"expected the state of a schedule with \['best'.*got \['epoch'\]"):
        bp.Trainer.__new__(bp.Trainer).__setstate__(state | {"schedule_state": {"epoch": 1.0}})


# ---- momentum ------------------------------------------------------------------------------------------------------
def test_the_momentum_holds_for_its_step_only():
    """After a schedule that moved it, the optimizer's own momentum is back."""
    for kind, settings in ((bp.SGD, {"momentum": 0.5}), (bp.Adam, {})):
        moved, plain = (bp.Trainer(bp.mlp([3, 1], seed=0), "mse", kind(learning_rate=0.01, **settings)) for _ in "12")
        moved.learning_rate = s.OneCycle(0.01, 9)
        moved.step(X, Y)
        plain.network.parameters = moved.network.parameters
        for name, view in plain.state.items():
            view[...] = moved.state[name]
        plain._native.step_count = 1
        moved.learning_rate = 0.01
        for trainer in (moved, plain):
            trainer.step(X, Y)
        np.testing.assert_array_equal(moved.network.parameters, plain.network.parameters)


def test_a_schedule_without_momentum_leaves_the_optimizers():
    results = []
    for settings in ({"cycle_momentum": False}, {"base_momentum": 0.9, "max_momentum": 0.9}):
        schedule = s.OneCycle(0.01, 9, **settings)
        trainer = bp.Trainer(bp.mlp([3, 1], seed=0), "mse", bp.SGD(learning_rate=schedule, momentum=0.9))
        trainer.fit(X, Y, batch_size=8, shuffle=False)
        results.append(trainer.network.parameters.copy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_one_cycle_needs_a_momentum():
    with pytest.raises(ValueError, match=r"OneCycle\(0.1, 9\) moves the momentum, got SGD with momentum=0.0: pass any"):
        bp.Trainer(bp.mlp([3, 1], seed=0), "mse", bp.SGD(learning_rate=s.OneCycle(0.1, 9)))
    trainer = bp.Trainer(bp.mlp([3, 1], seed=0), "mse", bp.SGD(learning_rate=0.1))
    with pytest.raises(ValueError, match="moves the momentum"):
        trainer.learning_rate = s.Warmup(s.OneCycle(0.1, 9), 2)
    assert trainer.learning_rate == 0.1
    order, rates, momenta = np.arange(40), np.array([0.1]), np.array([0.9])
    x, y = X.astype(np.float32), Y.astype(np.float32)[:, None]
    with pytest.raises(ValueError, match="has no momentum"):
        trainer._native.train(np.empty(1), None, x, y, None, order, rates, 40, momentum=momenta)


# ---- errors --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: s.Constant(-1.0), ValueError, r"learning_rate of Constant as a finite number in \[0, inf\), got -1"),
        (lambda: s.Constant("0.1"), TypeError, "learning_rate of Constant as a number"),
        (lambda: s.Step(0.1, 0), ValueError, "every of Step of at least 1, got 0"),
        (lambda: s.Step(0.1, 2.5), TypeError, "every of Step as a whole number"),
        (lambda: s.Step(0.1, 2, 0.0), ValueError, "factor of Step"),
        (lambda: s.MultiStep(0.1, 3), TypeError, "milestones of MultiStep as a list of steps, got 3"),
        (lambda: s.MultiStep(0.1, [5, 3]), ValueError, r"rising order, got \[5, 3\]: sort them"),
        (lambda: s.MultiStep(0.1, [0.5]), TypeError, "each milestone of MultiStep as a whole number"),
        (lambda: s.Exponential(0.1, math.inf), ValueError, "factor of Exponential"),
        (lambda: s.Polynomial(0.1, 5, minimum=0.2), ValueError, r"minimum of Polynomial .* \[0, 0.1\], got 0.2"),
        (lambda: s.InverseScaling(0.1, per_step=0.0), ValueError, "per_step of InverseScaling"),
        (lambda: s.Cosine(0.1, 0), ValueError, "steps of Cosine of at least 1"),
        (lambda: s.CosineRestarts(0.1, 5, 1.5), TypeError, "multiplier of CosineRestarts as a whole number"),
        (lambda: s.OneCycle(0.1, 5, anneal="line"), ValueError, "anneal of OneCycle as 'cos' or 'linear', got 'line'"),
        (lambda: s.OneCycle(0.1, 5, max_momentum=1.0), ValueError, "max_momentum of OneCycle"),
        (lambda: s.OneCycle(0.1, 5, three_phase=True, warmup_fraction=0.6), ValueError, r"\[0, 0.5\], got 0.6"),
        (lambda: s.Warmup(s.Cosine, 5), TypeError, "schedule of Warmup as an object, got the class Cosine"),
        (lambda: s.Warmup("cosine", 5), TypeError, "schedule of Warmup as a number"),
        (lambda: s.Warmup(0.1, 5, start=2.0), ValueError, "start of Warmup"),
        (lambda: s.PerEpoch(s.Adaptive(0.1)), ValueError, "counts steps in PerEpoch, got Adaptive.*leave PerEpoch out"),
        (lambda: s.Adaptive(0.1, divisor=1.0), ValueError, "divisor of Adaptive"),
        (lambda: s.ReduceOnPlateau(0.1, monitor=3), TypeError, "monitor of ReduceOnPlateau as the name of a column"),
        (lambda: s.ReduceOnPlateau(0.1, monitor="worst"), ValueError, "can't tell whether 'worst' should rise"),
        (lambda: s.ReduceOnPlateau(0.1, mode="up"), ValueError, "'auto', 'min' or 'max', got 'up'"),
        (lambda: s.ReduceOnPlateau(0.1, factor=1.0), ValueError, "factor of ReduceOnPlateau"),
        (lambda: s.Constant(0.1).values(-1, 3), ValueError, "step of at least 0, got -1"),
        (lambda: s.Constant(0.1)(0.5), TypeError, "step as a whole number"),
        (lambda: s.Exponential(1.0, 10.0).values(300, 20), ValueError, "learning rate of step 309 as a finite number"),
        (lambda: s.Warmup(lambda step: -1.0, 2).values(0, 1), ValueError, "learning rate of step 0"),
    ],
)
def test_wrong_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_rate_that_overflows_stops_the_step_at_which_it_does():
    trainer = bp.Trainer(bp.mlp([3, 1], seed=0), "mse", bp.SGD(learning_rate=s.Exponential(1e-200, 1e160)))
    for _ in range(2):
        trainer.step(X * 0, Y * 0)
    before = trainer.network.parameters.copy()
    with pytest.raises(ValueError, match="learning rate of step 2"):
        trainer.step(X * 0, Y * 0)
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert trainer.step_count == 2
