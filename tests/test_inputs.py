"""What users pass in: every form of the same numbers gives the same result, nothing of theirs is ever written to."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import bpnative as bp
from compare import Array, assert_same_bits
from reference_cases import in_both_types

ROWS, COLUMNS, CLASSES = 90, 12, 4


def values(dtype: str = "float32") -> Array:
    """Return X: halves from -8 to 8, which every type below holds exactly."""
    return (np.random.default_rng(70).integers(-16, 17, (ROWS, COLUMNS)) / 2).astype(dtype)


def labels() -> Array:
    """Return y for classes."""
    return np.random.default_rng(71).integers(0, CLASSES, ROWS).astype(np.int32)


def weights() -> Array:
    """Return sample weights, exact in every type."""
    return (np.random.default_rng(72).integers(0, 9, ROWS) / 4).astype(np.float32)


def strided(x: Array) -> Array:
    """Return a view of every second row and third column of a larger array."""
    large = np.full([size * step for size, step in zip(x.shape, (2, 3), strict=False)], 7, x.dtype)
    view = large[tuple(slice(None, None, step) for step in (2, 3)[: x.ndim])]
    view[...] = x
    return view


def misaligned(x: Array) -> Array:
    """Return an array that starts one byte beyond where its type should."""
    room = np.empty(x.nbytes + 1, np.uint8)
    view = room[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def read_only(x: Array) -> Array:
    """Return a copy that cannot be written to."""
    copy = x.copy()
    copy.flags.writeable = False
    return copy


class HasArray:
    """An object of another library that NumPy can read."""

    def __init__(self, x: Array) -> None:
        self.x = x

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Array:
        return self.x if dtype is None else self.x.astype(dtype)


FORMS: dict[str, Callable[[Array], object]] = {
    "Fortran order": np.asfortranarray,
    "strides": strided,
    "backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "misaligned": misaligned,
    "read-only": read_only,
    "float16": lambda x: x.astype(np.float16),
    "float64": lambda x: x.astype(np.float64),
    "long double": lambda x: x.astype(np.longdouble),
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "big-endian float64": lambda x: x.astype(">f8"),
    "little-endian": lambda x: x.astype(x.dtype.newbyteorder("<")),
    "a list": lambda x: x.tolist(),
    "a list of rows": list,
    "a tuple": lambda x: tuple(map(tuple, x.tolist())) if x.ndim == 2 else tuple(x.tolist()),
    "a memory view": memoryview,
    "an object with __array__": HasArray,
    "a subclass": lambda x: x.view(type("Subclass", (np.ndarray,), {})),
}
INTEGERS = ("int8", "int16", "int32", "int64", ">i4", "uint8", "uint16", "uint32", "uint64", "bool")


def fitted(x: object, y: object, weight: object, dtype: str, loss: str = "cross_entropy") -> tuple[Array, ...]:
    """Return weights after training, predictions, losses: all that depends on the data."""
    network = bp.mlp([COLUMNS, 20, CLASSES], activation="tanh", dtype=dtype, seed=1)
    trainer = bp.Trainer(network, loss=loss, optimizer=bp.Adam(learning_rate=0.01))
    history = trainer.fit(x, y, epochs=2, batch_size=32, sample_weight=weight, validation_data=(x, y), progress=False)
    step = trainer.step(x, y, weight)
    loss_value, gradients = trainer.gradients(x, y, weight)
    output = network.forward(x, training=True)
    numbers = [*history["loss"], *history["val_loss"], step, loss_value, trainer.evaluate(x, y)["loss"]]
    return network.parameters.copy(), network.predict(x), gradients, output, np.array(numbers)


def assert_same(got: tuple[Array, ...], wanted: tuple[Array, ...], what: str) -> None:
    for ours, theirs in zip(got, wanted, strict=True):
        assert_same_bits(ours, theirs, what)


@in_both_types
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_numbers_gives_the_same_result(form: str, dtype: str) -> None:
    convert, x, y, weight = FORMS[form], values(), labels(), weights()
    plain = fitted(x.astype(dtype), y, weight.astype(dtype), dtype)
    assert_same(fitted(convert(x), y, weight, dtype), plain, f"X as {form}")
    assert_same(fitted(x, y, convert(weight), dtype), plain, f"sample_weight as {form}")
    assert_same(fitted(x, convert(y.astype(np.float32)), weight, dtype), plain, f"labels as floats, {form}")
    targets = np.eye(CLASSES, dtype=np.float32)[y] * np.float32(0.75)
    wanted = fitted(x.astype(dtype), targets.astype(dtype), None, dtype, "mse")
    assert_same(fitted(x, convert(targets), None, dtype, "mse"), wanted, f"y as {form}")


@in_both_types
@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_are_numbers(kind: str, dtype: str) -> None:
    x = np.random.default_rng(73).integers(0, 2 if kind == "bool" else 100, (ROWS, COLUMNS))
    y, plain = labels(), x.astype(dtype)
    wanted = fitted(plain, y, None, dtype)
    assert_same(fitted(x.astype(kind), y, None, dtype), wanted, f"X of {kind}")
    if kind != "bool":
        assert_same(fitted(plain, y.astype(kind), None, dtype), wanted, f"labels of {kind}")
    assert_same(fitted(plain, y[:, None], None, dtype), wanted, "labels as a column")
    assert_same(
        fitted(plain, np.eye(CLASSES)[y], None, dtype), fitted(plain, np.eye(CLASSES)[y].astype(bool), None, dtype), ""
    )


def test_memory_maps(tmp_path: object) -> None:
    x, y = values(), labels()
    path = f"{tmp_path}/x.npy"
    np.save(path, x)
    assert_same(fitted(np.load(path, mmap_mode="r"), y, None, "float32"), fitted(x, y, None, "float32"), "memmap")


def test_one_output_takes_flat_targets() -> None:
    x, y = values(), values()[:, 0]
    results = []
    for target in (y, y[:, None], y.tolist(), strided(y[:, None])):
        network = bp.mlp([COLUMNS, 8, 1], seed=2)
        bp.Trainer(network, loss="mse").fit(x, target, epochs=2, batch_size=16, progress=False)
        results.append(network.parameters)
    for other in results[1:]:
        assert_same_bits(other, results[0])


@in_both_types
def test_the_users_arrays_are_never_written(dtype: str) -> None:
    """Read-only inputs pass everywhere, and writable ones hold afterwards what they held before."""
    x, y, weight = values(dtype), labels(), weights().astype(dtype)
    targets = np.eye(CLASSES, dtype=dtype)[y]
    given = [x, y, weight, targets]
    copies = [array.copy() for array in given]
    fitted(x, y, weight, dtype)
    fitted(x, targets, weight, dtype, "mse")
    fitted(x, targets, weight, dtype)
    network = bp.mlp([COLUMNS, 7, CLASSES], activation="sigmoid", dtype=dtype, seed=0)
    network.forward(x, training=True)
    network.backward(targets)
    z = values(dtype)
    for name in bp._bpnative.activation_names():
        bp.kernels.activation(z, name)
        bp.kernels.activation_derivative(z, z, name)
    assert_same_bits(z, values(dtype))
    for array, copy in zip(given, copies, strict=True):
        assert_same_bits(array, copy)
    frozen = [read_only(array) for array in given]
    fitted(frozen[0], frozen[1], frozen[2], dtype)
    fitted(frozen[0], frozen[3], frozen[2], dtype, "mse")


def test_results_belong_to_the_caller() -> None:
    """Predictions and gradients are arrays of their own: the next call does not change them under the user's hands."""
    x, y = values(), labels()
    network = bp.mlp([COLUMNS, 9, CLASSES], seed=3)
    trainer = bp.Trainer(network, loss="cross_entropy")
    first, output = network.predict(x), network.forward(x, training=True)
    gradients, dx = trainer.gradients(x, y)[1], network.backward(np.ones_like(output))
    kept = [array.copy() for array in (first, output, gradients, dx)]
    trainer.fit(x, y, epochs=1, progress=False)
    network.predict(-x)
    network.forward(-x, training=True)
    network.backward(output)
    for array, copy in zip((first, output, gradients, dx), kept, strict=True):
        assert array.flags.writeable
        assert_same_bits(array, copy)


def test_no_warning_and_no_change_of_numpys_modes() -> None:
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(values(), labels(), weights(), "float32")
        bp.kernels.activation(np.full((1, 4), 1e4, np.float32), "softmax")
    assert np.geterr() == before
    assert np.float64(5e-324) * 1.0 != 0.0, "subnormal numbers still exist outside of native code"
    assert np.float32(1e-40) + np.float32(0) != 0


def test_nan_in_a_single_batch_is_passed_on_and_seen() -> None:
    for dtype in ("float32", "float64"):
        x = values(dtype)
        x[3, 5] = np.nan
        network = bp.mlp([COLUMNS, 6, CLASSES], activation="relu", dtype=dtype, seed=4)
        outputs = network.predict(x)
        np.testing.assert_array_equal(np.isnan(outputs).all(axis=1), np.arange(ROWS) == 3)
        trainer = bp.Trainer(network, loss="cross_entropy")
        loss, gradients = trainer.gradients(x, labels())
        assert np.isnan(loss)
        assert np.isnan(gradients).any()
        assert np.isnan(trainer.step(x, labels()))


def test_wrong_codes_in_scaled_data_are_refused_as_in_arrays():
    right, y = np.random.default_rng(73).integers(0, 9, (ROWS, COLUMNS)).astype(np.uint8), labels()
    net = bp.Network([bp.Embedding({0: 9}), bp.Dense(CLASSES)], COLUMNS, seed=0)
    subject = bp.Trainer(net, "cross_entropy")
    wrong = right.copy()
    wrong[77, 0] = 9
    subject.fit(bp.Scaled(right), y)
    before = net.parameters.copy()
    for data in (wrong, bp.Scaled(wrong)):
        for call in (subject.fit, subject.evaluate, lambda X, y: subject.fit(right, y, validation_data=(X, y))):
            with pytest.raises(ValueError, match=r"codes 0 to 8 in column 0 of X.*, got 9.0 in row 77"):
                call(data, y)
    np.testing.assert_array_equal(net.parameters, before)
