"""Arrays that offer DLPack alone, and those of PyTorch and JAX: taken wherever arrays are, refused with a reason."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import bpnative as bp
from bpnative.dlpack import has_dlpack_alone, unpacked

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3)).astype(np.float32)
LABELS = RNG.integers(0, 2, 40)
WEIGHT = RNG.random(40).astype(np.float32)


class Other:
    """Another library's array: nothing but the two methods of the protocol."""

    def __init__(self, array, device=1):
        self._array, self._device = np.asarray(array), device

    def __dlpack__(self, **settings):
        return self._array.__dlpack__(**settings)

    def __dlpack_device__(self):
        return (self._device, 0)


class Older(Other):
    """As before version 1 of the protocol."""

    def __dlpack__(self, stream=None):
        return self._array.__dlpack__(stream=stream)


LAYOUTS = {
    "plain": lambda x: x,
    "transposed": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backward": lambda x: x[::-1].copy()[::-1],
    "float64": lambda x: x.astype(np.float64),
}


def trained(x, y, weight, **settings):
    net = bp.mlp([3, 8, 2], seed=0)
    trainer = bp.Trainer(net, "cross_entropy", metrics=["accuracy"])
    history = dict(trainer.fit(x, y, sample_weight=weight, epochs=2, batch_size=8, progress=False, **settings))
    single = trainer.step(x, y, weight), trainer.gradients(x, y, weight)[0], trainer.evaluate(x, y)
    return history, single, net.predict(x).tobytes(), net.forward(x).tobytes(), net.parameters.tobytes()


@pytest.mark.parametrize("kind", [Other, Older])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_trains_as_the_array_behind_it(layout, kind):
    x = layout(X)
    before = x.copy()
    arrays = trained(x, LABELS, WEIGHT, validation_data=(x, LABELS, WEIGHT))
    others = kind(x), kind(LABELS), kind(WEIGHT)
    assert has_dlpack_alone(others[0])
    assert trained(*others, validation_data=others) == arrays
    np.testing.assert_array_equal(x, before)


def test_everywhere_else():
    np.testing.assert_array_equal(bp.Scaled(Other(X), scale=2.0)[:], 2 * X)
    (first, y), _ = bp.stratified_split(Other(X), Other(LABELS), seed=0)
    (expected, labels), _ = bp.stratified_split(X, LABELS, seed=0)
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(y, labels)
    net = bp.mlp([3, 8, 1], seed=0)
    net.layers[0].bias = Other(np.arange(8, dtype=np.float32))
    np.testing.assert_array_equal(net.layers[0].bias, np.arange(8))
    trainer = bp.Trainer(net, lambda output, target: (Other(output.mean()), Other(np.full_like(output, 1 / 40))))
    trainer.fit(Other(X), Other(LABELS), batch_size=40, progress=False)
    batches = [(Other(X[:20]), Other(LABELS[:20])), (Other(X[20:]), Other(LABELS[20:]))]
    bp.Trainer(net, "binary_cross_entropy").fit(batches, progress=False)
    with pytest.raises(TypeError, match="expected y beside X"):
        trainer.fit(Other(X))


def test_read_only_memory_is_taken_and_left_alone():
    x = X.copy()
    x.flags.writeable = False
    settings = LABELS, WEIGHT
    if np.lib.NumpyVersion(np.__version__) >= "2.2.0":  # older ones export no read-only array
        assert trained(Other(x), *settings) == trained(x, *settings)


class Broken(Other):
    def __dlpack_device__(self):
        raise RuntimeError("it is sharded")


class Liar(Other):
    def __dlpack__(self, **settings):
        return None


WRONG = {
    "CUDA": (Other(X, 2), "expected X in the memory of the CPU, got Other on device 0 of CUDA: copy it to the CPU"),
    "unknown device": (Other(X, 99), "device 0 of type 99"),
    "no device": (Broken(X), "got Broken without a device: it is sharded"),
    "complex": (Other(X.astype(complex)), "expected X as real numbers, got dtype complex128"),
    "columns": (Other(X[:, :2]), r"expected X with 3 columns .*, got shape \(40, 2\)"),
    "nothing": (Other(np.float32(1.0)), r"got shape \(\)"),
    "no capsule": (Liar(X), "of a type that NumPy has, got Liar"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_objects(name):
    value, message = WRONG[name]
    net = bp.mlp([3, 1], seed=0)
    for call in (net.predict, lambda x: bp.Trainer(net, "mse").fit(x, LABELS, progress=False)):
        with pytest.raises((TypeError, ValueError), match=message):
            call(value)


def test_no_memory_is_no_wrong_type():
    class Large(Other):
        def __dlpack__(self, **settings):
            raise MemoryError("it is large")

    with pytest.raises(MemoryError, match="it is large"):
        bp.mlp([3, 1], seed=0).predict(Large(X))


def test_what_numpy_reads_is_left_to_it():
    for value in (X, [1.0], np.float32(1), memoryview(b"12"), "text", None):
        assert not has_dlpack_alone(value)
        assert unpacked(value, "X") is value


@pytest.mark.parametrize("view", [lambda t: t, lambda t: t.repeat_interleave(2, 0)[::2], lambda t: t.T.contiguous().T])
def test_pytorch(view):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, y, weight = view(torch.from_numpy(X.copy())), torch.from_numpy(LABELS), torch.from_numpy(WEIGHT)
    assert trained(x, y, weight) == trained(X, LABELS, WEIGHT)

    class Alone:
        """A tensor behind the protocol alone."""

        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, **settings):
            return self.tensor.__dlpack__(**settings)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    assert trained(Alone(x), Alone(y), Alone(weight)) == trained(X, LABELS, WEIGHT)
    net = bp.mlp([3, 1], seed=0)
    for wrong, message in [
        (x.bfloat16(), "got Tensor of bfloat16: convert it to float32 first"),
        (Alone(x.bfloat16()), "of a type that NumPy has, got Alone: .*convert it first, for example to float32"),
        (x.clone().requires_grad_(), "detach"),
        (x.to("meta"), "meta"),
    ]:
        with pytest.raises(TypeError, match=message):
            net.predict(wrong)


def test_jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    arrays = [jax.numpy.asarray(array) for array in (X, LABELS, WEIGHT)]
    assert trained(*arrays) == trained(X, LABELS, WEIGHT)
    assert trained(arrays[0].T.T[::1], *arrays[1:]) == trained(X, LABELS, WEIGHT)
    half = arrays[0].astype(jax.numpy.bfloat16)
    for value, kind in ((half, "ArrayImpl"), (np.asarray(half), "ndarray")):
        with pytest.raises(TypeError, match=rf"expected X .*, got {kind} of bfloat16: convert it to float32 first"):
            bp.mlp([3, 1], seed=0).predict(value)


def test_bfloat16_in_estimators():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    estimators = importlib.import_module("bpnative.sklearn")
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    with pytest.raises(TypeError, match=r"expected X .*, got ArrayImpl of bfloat16: convert it to float32 first"):
        estimators.MLPRegressor().fit(jax.numpy.asarray(X, jax.numpy.bfloat16), LABELS)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    estimators = importlib.import_module("bpnative.sklearn")
    for model, y in ((estimators.MLPClassifier, LABELS), (estimators.MLPRegressor, X[:, 0])):
        both = []
        for of in (lambda array: array, Other):
            fitted = model(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
            own = {"X_val": of(X), "y_val": of(y), "sample_weight_val": of(WEIGHT)}
            fitted.fit(of(X), of(y), of(WEIGHT), **own)
            first = {"classes": of(np.arange(2))} if model is estimators.MLPClassifier else {}
            online = model(hidden_layer_sizes=(4,), random_state=0).partial_fit(of(X), of(y), **first)
            both.append(
                (
                    fitted.validation_scores_,
                    fitted.predict(of(X)).tobytes(),
                    fitted.score(of(X), of(y), of(WEIGHT)),
                    online.predict(of(X)).tobytes(),
                )
            )
        assert both[0] == both[1]
        with pytest.raises(TypeError, match="expected X in the memory of the CPU, got Other on device 0 of CUDA"):
            model().fit(Other(X, 2), y)
        with pytest.raises(TypeError, match="expected y in the memory of the CPU, got Other on device 0 of ROCm"):
            model().fit(X, Other(y, 10))
