"""ONNX, PyTorch and scikit-learn: weights to the bit, outputs to rounding, and what has no counterpart is named."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import bpnative as bp
from bpnative import activations

X = np.random.default_rng(0).standard_normal((40, 6)) * 2
ACTIVATIONS = [kind() for kind in activations.ACTIVATIONS.values()]
WITH_SETTINGS = [activations.LeakyReLU(0.2)]
for name, settings in (("elu", (0.7,)), ("celu", (0.7,)), ("softplus", (1.5,))):
    if name in activations.ACTIVATIONS:
        WITH_SETTINGS.append(activations.ACTIVATIONS[name](*settings))


def network(activation="relu", dtype="float32", last="linear", outputs=3):
    layers = [bp.Dense(8, activation=activation, bias_initializer="he_uniform"), bp.Dense(5, bias=False)]
    return bp.Network([*layers, bp.Dense(outputs, activation=last)], 6, dtype=dtype, seed=1)


def close(found, expected, dtype):
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def same_layers(one, other):
    assert len(one.layers) == len(other.layers)
    for mine, theirs in zip(one.layers, other.layers, strict=True):
        np.testing.assert_array_equal(mine.weight, theirs.weight, strict=True)
        if mine.bias is None:
            assert theirs.bias is None
        else:
            np.testing.assert_array_equal(mine.bias, theirs.bias, strict=True)
        assert mine.activation == theirs.activation


# ---- ONNX ----------------------------------------------------------------------------------------------------------
class TestOnnx:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")

    def run(self, path, x):
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = self.runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return session.run(None, {"input": x})

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("activation", [*ACTIVATIONS, *WITH_SETTINGS], ids=repr)
    @pytest.mark.parametrize("place", ["hidden", "last"])
    def test_onnxruntime_agrees_and_it_comes_back(self, activation, dtype, place, tmp_path):
        net = network(**{"activation" if place == "hidden" else "last": activation}, dtype=dtype)
        path = str(tmp_path / "net.onnx")
        bp.to_onnx(net, path)
        model = self.onnx.load(path)
        assert (model.opset_import[0].version, model.ir_version) == (17, 8)
        for rows in (1, 40):
            x = X[:rows].astype(dtype)
            try:
                (found,) = self.run(path, x)
            except self.runtime.capi.onnxruntime_pybind11_state.NotImplemented:
                assert (dtype, activation.name) == ("float64", "gelu")  # onnxruntime has its Erf for float32 alone
                from onnx.reference import ReferenceEvaluator

                (found,) = ReferenceEvaluator(path).run(None, {"input": x})
            assert found.dtype == dtype
            np.testing.assert_allclose(found, net(x), rtol=1e-5, atol=1e-5)
        same_layers(net, bp.from_onnx(path))

    def test_preparation_and_labels(self, tmp_path):
        path = str(tmp_path / "net.onnx")
        mean, scale, x = X.mean(axis=0), X.std(axis=0), X.astype(np.float32)
        net = network(last="softmax")
        expected = net((x - mean) / scale)
        for labels in ([7, -1, 2**40], ["a", "ß", "c"]):
            bp.to_onnx(net, path, mean=mean, scale=scale, labels=labels)
            output, label = self.run(path, x)
            close(output, expected, "float32")
            assert label.tolist() == [labels[index] for index in expected.argmax(axis=1)]
        for last, threshold in (("sigmoid", 0.5), ("linear", 0.0)):
            net = network("tanh", last=last, outputs=1)
            bp.to_onnx(net, path, labels=["no", "yes"])
            output, label = self.run(path, x)
            assert label.tolist() == [["no", "yes"][int(value > threshold)] for value in output[:, 0]]
            assert set(label) == {"no", "yes"}
        beyond = ({"mean": [1e39] * 6}, {"scale": [1e-50] * 6})  # infinite, zero in float32
        for wrong in ({"labels": [1]}, {"labels": [1.5, 2.5]}, {"mean": [1.0]}, {"scale": np.zeros(6)}, *beyond):
            with pytest.raises(ValueError, match="expected"):
                bp.to_onnx(net, path, **wrong)

    def test_what_cannot_be_read_is_named(self, tmp_path):
        path = tmp_path / "net.onnx"
        path.write_bytes(b"no model")
        with pytest.raises(ValueError, match="expected an ONNX model"):
            bp.from_onnx(path)
        bp.to_onnx(network(), path)
        model = self.onnx.load(path)
        model.graph.node[1].op_type = "Sin"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=r"ends in the Sin that makes 'layers\.0\.relu\.0'"):
            bp.from_onnx(path)

    @pytest.mark.parametrize("outputs", [1, 4])
    def test_matmul_and_add(self, outputs, tmp_path):
        make, numpy_helper = self.onnx.helper, self.onnx.numpy_helper
        weight, bias = np.float32(X[:outputs].T), np.float32(X[0, :outputs])
        nodes = [
            make.make_node("Identity", ["input"], ["i"]),
            make.make_node("MatMul", ["i", "w"], ["m"]),
            make.make_node("Add", ["b", "m"], ["s"]),
            make.make_node("Dropout", ["s"], ["d"]),
            make.make_node("Tanh", ["d"], ["output"]),
        ]
        info = make.make_tensor_value_info
        constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")]
        graph = make.make_graph(
            nodes, "g", [info("input", 1, ["n", 6])], [info("output", 1, ["n", outputs])], constants
        )
        path = tmp_path / "net.onnx"
        path.write_bytes(
            make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8).SerializeToString()
        )
        net = bp.from_onnx(path)
        np.testing.assert_array_equal(net.layers[0].weight, weight.T)
        np.testing.assert_array_equal(net.layers[0].bias, bias)
        close(net(X), np.tanh(X.astype(np.float32) @ weight + bias), "float32")


# ---- PyTorch -------------------------------------------------------------------------------------------------------
class TestTorch:
    torch = pytest.importorskip("torch")

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("activation", [*ACTIVATIONS, *WITH_SETTINGS], ids=repr)
    def test_there_and_back(self, activation, dtype):
        net = network(activation, dtype)
        net.layers[1].trainable = False
        module = bp.to_torch(net)
        with self.torch.no_grad():
            close(module(self.torch.from_numpy(X.astype(dtype))).numpy(), net(X), dtype)
        other = bp.from_torch(module)
        same_layers(net, other)
        assert [layer.trainable for layer in other.layers] == [True, False, True]
        state = bp.from_torch(module.state_dict(), activation=activation)
        np.testing.assert_array_equal(state.parameters, net.parameters)
        with self.torch.no_grad():
            module[0].weight += 1  # a copy
        assert not (bp.from_torch(module).parameters == net.parameters).all()

    def test_nested_and_narrow_modules(self):
        nn = self.torch.nn
        module = nn.Sequential(
            nn.Flatten(), nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5), nn.Tanh()), nn.Linear(4, 2)
        )
        with self.torch.no_grad():
            close(bp.from_torch(module)(X), module.eval()(self.torch.tensor(X, dtype=self.torch.float32)), "float32")
        narrow = nn.Linear(3, 2).bfloat16()
        np.testing.assert_array_equal(bp.from_torch(narrow).layers[0].weight, narrow.weight.detach().float().numpy())

    def test_what_has_no_counterpart_is_named(self):
        nn = self.torch.nn
        for module, message in (
            (nn.Sequential(nn.Linear(2, 2), nn.Conv1d(1, 1, 1)), r"module\.1 is Conv1d"),
            (nn.Sequential(nn.Tanh(), nn.ReLU()), "no layer of the module tells how many columns"),
            (nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=0)), r"module\.1 is Softmax"),
        ):
            with pytest.raises(ValueError, match=message):
                bp.from_torch(module)


# ---- scikit-learn --------------------------------------------------------------------------------------------------
class TestSklearn:
    sklearn = pytest.importorskip("sklearn")

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
    def test_multilayer_perceptrons(self, activation, dtype):
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        x = X.astype(dtype)
        settings = {"hidden_layer_sizes": (7, 5), "activation": activation, "max_iter": 20, "random_state": 0}
        three, two = np.arange(40) % 3, np.arange(40) % 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for kind, y in (
                (MLPClassifier, three),
                (MLPClassifier, two),
                (MLPClassifier, np.stack([two, three > 0], 1)),
                (MLPRegressor, x[:, 0]),
                (MLPRegressor, x[:, :2]),
            ):
                estimator = kind(**settings)
                with pytest.raises(ValueError, match="not: call its fit"):
                    bp.from_sklearn(estimator)
                estimator.fit(x, y)
                net = bp.from_sklearn(estimator)
                assert net.dtype == dtype
                for layer, weight, bias in zip(net.layers, estimator.coefs_, estimator.intercepts_, strict=True):
                    np.testing.assert_array_equal(layer.weight, weight.T)
                    np.testing.assert_array_equal(layer.bias, bias)
                if isinstance(estimator, MLPRegressor):
                    close(net(x), estimator.predict(x).reshape(len(x), -1), dtype)
                else:
                    expected = estimator.predict_proba(x)
                    two_classes = y.ndim == 1 and net.output_size == 1
                    close(net(x), expected[:, 1:] if two_classes else expected, dtype)

    def test_linear_models(self):
        from sklearn import linear_model, pipeline, preprocessing

        three = np.arange(40) % 3
        for estimator, y in (
            (linear_model.LinearRegression(), X[:, 0]),
            (linear_model.Ridge(), X[:, :2]),
            (linear_model.LinearRegression(fit_intercept=False), X[:, 0]),
        ):
            close(bp.from_sklearn(estimator.fit(X, y))(X), estimator.predict(X).reshape(40, -1), "float64")
        for y in (three, three > 0):
            estimator = linear_model.LogisticRegression().fit(X, y)
            expected = estimator.predict_proba(X)
            close(bp.from_sklearn(estimator)(X), expected if y is three else expected[:, 1:], "float64")
        with pytest.raises(TypeError, match="got Pipeline; pass its last step"):
            bp.from_sklearn(pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()))
