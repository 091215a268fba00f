"""Pictures: each is rendered to PNG in memory, and the data drawn are the data given. Without matplotlib only text."""

import io
import subprocess
import sys

import numpy as np
import pytest

import bpnative as bp

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed: pip install 'bpnative[plot]'")
colors = pytest.importorskip("matplotlib.colors")


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    pyplot.close("all")


def png(drawn):
    """Render what a function returned; the size of the picture in pixels."""
    figure = getattr(drawn, "figure", drawn)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    data = buffer.getvalue()
    assert data.startswith(b"\x89PNG")
    buffer.seek(0)
    image = pyplot.imread(buffer)
    assert image[..., :3].std() > 0.01, "the picture is empty"
    return image.shape


@pytest.fixture(scope="module")
def fitted():
    random = np.random.default_rng(0)
    X = random.standard_normal((200, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    trainer = bp.Trainer(bp.mlp([2, 16, 2], activation="tanh", seed=0), loss="cross_entropy", metrics=["accuracy"])
    trainer.fit(X[:150], y[:150], epochs=8, validation_data=(X[150:], y[150:]))
    return trainer, X, y


def test_the_curve_is_the_history(fitted):
    trainer, _, _ = fitted
    ax = bp.plot.curve(trainer.history, "accuracy")
    training, validation = ax.lines
    np.testing.assert_array_equal(training.get_ydata(), trainer.history["accuracy"])
    np.testing.assert_array_equal(validation.get_ydata(), trainer.history["val_accuracy"])
    assert training.get_xdata().tolist() == list(range(1, 9))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]
    png(ax)


def test_a_later_fit_counts_its_epochs_from_1_and_an_axes_given_is_used(fitted):
    _, ax = pyplot.subplots()
    assert bp.plot.curve({"loss": [3.0, 1.0]}, ax=ax) is ax
    assert ax.lines[0].get_xdata().tolist() == [1, 2]
    assert ax.get_legend() is None
    png(ax)


def test_one_epoch_is_seen():
    ax = bp.plot.curve({"loss": [3.0]})
    assert ax.lines[0].get_marker() == "o"
    png(ax)


@pytest.mark.parametrize("metrics", [0, 1, 2, 3, 4])
def test_the_history_has_a_panel_for_each_column(metrics):
    columns = {"loss": [2.0, 1.0], "val_loss": [3.0, 2.0]} | {f"m{i}": [0.5, 0.6] for i in range(metrics)}
    figure = bp.plot.history(columns)
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", *(f"m{i}" for i in range(metrics))]
    assert len(figure.axes[0].lines) == 2
    png(figure)


def test_the_learning_rate_is_the_schedule(fitted):
    schedule = bp.schedules.OneCycle(1e-3, steps=300)
    ax = bp.plot.learning_rate(schedule, 300)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), schedule.values(0, 300))
    png(ax)
    trainer = fitted[0]
    assert len(bp.plot.learning_rate(trainer).lines[0].get_ydata()) == trainer.step_count
    assert set(bp.plot.learning_rate(bp.Adam(0.25), 3).lines[0].get_ydata()) == {0.25}
    png(bp.plot.learning_rate(0.0, 3))


def test_the_confusion_matrix_is_the_counts(fitted):
    trainer, X, y = fitted
    outputs = trainer.network.predict(X)
    ax = bp.plot.confusion_matrix(y, outputs, classes=["outside", "inside"])
    expected = [[int(((y == i) & (outputs.argmax(axis=1) == j)).sum()) for j in range(2)] for i in range(2)]
    assert [int(text.get_text()) for text in ax.texts] == [count for row in expected for count in row]
    shares = np.array(expected) / np.sum(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(ax.images[0].get_array(), shares)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["outside", "inside"]
    png(ax)


def test_many_classes_fit():
    y = np.arange(60)
    ax = bp.plot.confusion_matrix(y, y[::-1])
    assert not ax.texts
    png(ax)


def test_the_reliability_diagram_is_the_table():
    random = np.random.default_rng(1)
    p = random.random(300)
    y = (random.random(300) < p**2).astype(int)
    table = bp.reliability(p, y, bins=8)
    ax = bp.plot.calibration(p, y, bins=8)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), table.accuracy)
    np.testing.assert_allclose(ax.lines[1].get_xdata(), table.confidence)
    shares, gaps = ax.containers
    np.testing.assert_allclose([bar.get_height() for bar in shares], table.count / 300)
    np.testing.assert_allclose([bar.get_height() for bar in gaps], table.confidence - table.accuracy)
    png(ax)


def outlines(ax):
    return [patch for patch in ax.patches if type(patch).__name__ == "StepPatch"]


def test_histograms_of_weights_are_the_weights(fitted):
    trainer, _, _ = fitted
    ax = bp.plot.weights(trainer)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["0 Dense weight", "0 Dense bias", "1 Dense weight", "1 Dense bias"]
    tensors = [view for layer in trainer.network.layers for view in layer.tensors.values()]
    for row, (patch, tensor) in enumerate(zip(outlines(ax), tensors, strict=True)):
        tops, edges, _ = patch.get_data()
        counts = np.histogram(tensor, edges)[0]
        assert counts.sum() == tensor.size
        np.testing.assert_allclose(row - tops, 0.85 * counts / counts.max(), atol=1e-12)
    png(ax)


def test_histograms_of_gradients_are_sizes_and_name_the_zeros():
    net = bp.Network(
        [bp.Dense(4, activation="relu", bias_initializer=[-100.0, 0, 0, 0]), bp.Dense(2)], input_size=3, seed=0
    )
    trainer = bp.Trainer(net, loss="mse")
    gradient = trainer.gradients(np.ones((5, 3)), np.ones((5, 2)))[1]
    ax = bp.plot.gradients(trainer, gradient)
    tops, edges, _ = outlines(ax)[2].get_data()
    part = np.abs(gradient[16:24]).astype(float)
    counts = np.histogram(np.log10(part[part > 0]), edges)[0]
    np.testing.assert_allclose(2 - tops, 0.85 * counts / counts.max(), atol=1e-12)
    assert any(text.get_text().endswith("% zero") for text in ax.texts)
    png(ax)
    net.gradients = gradient
    assert len(outlines(bp.plot.gradients(net))) == 4


def test_residual_blocks_and_norms_have_their_rows():
    block = bp.Residual([bp.Dense(3, activation="relu"), bp.Dense(5)])
    net = bp.Network([bp.Normalize(), bp.Dense(4), bp.BatchNorm(), block], input_size=2, seed=0)
    ax = bp.plot.weights(net)
    views = [(layer.name, tensor, view) for layer in net.walk() for tensor, view in layer.tensors.items()]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    for label, (name, tensor, view), (_, part) in zip(
        labels, views, bp.plot.numbers.tensors_of(net, False), strict=True
    ):
        assert label.startswith(name)
        assert label.endswith(tensor)
        np.testing.assert_array_equal(part, view.ravel())
    png(ax)


def test_the_decision_boundary_is_what_the_network_answers(fitted):
    trainer, X, y = fitted
    ax = bp.plot.decision_boundary(trainer, X, y, resolution=30)
    mesh = next(item for item in ax.collections if type(item).__name__ == "QuadMesh")
    xs = np.linspace(*ax.get_xlim(), 30)
    ys = np.linspace(*ax.get_ylim(), 30)
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    answers = np.asarray(mesh.get_array()).ravel()
    assert (answers == trainer.network.predict(points).argmax(axis=1)).mean() > 0.99  # ends of axes are rounded
    drawn = [item.get_offsets() for item in ax.collections if type(item).__name__ == "PathCollection"]
    np.testing.assert_allclose(np.concatenate(drawn), np.concatenate([X[y == 0], X[y == 1]]))
    png(ax)


def test_samples_of_yes_have_the_color_of_yes():
    net = bp.Network([bp.Dense(1, weight_initializer=[[1.0, 0.0]], activation="sigmoid")], input_size=2)
    ax = bp.plot.decision_boundary(net, [[-3.0, 0.0], [3.0, 1.0]], [0, 1], resolution=20)
    contour = next(item for item in ax.collections if type(item).__name__ == "QuadContourSet")
    low, high = (colors.to_rgb(contour.get_facecolor()[i]) for i in (0, -1))
    no, yes = (item.get_facecolor()[0][:3] for item in ax.collections if type(item).__name__ == "PathCollection")
    assert np.linalg.norm(np.subtract(no, low)) < np.linalg.norm(np.subtract(no, high))
    assert np.linalg.norm(np.subtract(yes, high)) < np.linalg.norm(np.subtract(yes, low))
    png(ax)


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
def test_one_output_is_shaded(loss):
    trainer = bp.Trainer(bp.mlp([2, 4, 1], activation="tanh", seed=0), loss, bp.Adam(0.05))
    X = np.random.default_rng(0).standard_normal((20, 2))
    y = (X[:, 0] > 0).astype(float)
    png(bp.plot.decision_boundary(trainer, X, y, resolution=10))
    png(bp.plot.decision_boundary(trainer, X, resolution=10))
    if loss == "binary_cross_entropy":
        noisy = np.where(np.arange(20) % 5 == 0, 1 - y, y)
        trainer.fit(X, y, epochs=50)
        png(bp.plot.decision_boundary(bp.calibrate(trainer, X, noisy), X, y, resolution=10))


NET = bp.mlp([3, 2], seed=0)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: bp.plot.curve({"loss": [1.0]}, "los"), ValueError, "did you mean 'loss'"),
        (lambda: bp.plot.curve({"loss": []}), ValueError, "at least one epoch"),
        (lambda: bp.plot.curve([1.0]), TypeError, "history of a fit"),
        (lambda: bp.plot.curve({"loss": [1.0]}, ax=3), TypeError, "matplotlib Axes"),
        (lambda: bp.plot.learning_rate(0.1), TypeError, "expected steps"),
        (lambda: bp.plot.learning_rate(0.1, 0), ValueError, "steps of at least 1"),
        (lambda: bp.plot.learning_rate(bp.LBFGS(), 3), TypeError, "LBFGS"),
        (lambda: bp.plot.confusion_matrix([0, 1], [0]), ValueError, "2 rows"),
        (lambda: bp.plot.confusion_matrix([0, 0.5], [0, 1]), ValueError, "whole numbers from 0"),
        (lambda: bp.plot.confusion_matrix([0, -1], [0, 1]), ValueError, "whole numbers from 0"),
        (lambda: bp.plot.confusion_matrix([0, np.nan], [0, 1]), ValueError, "whole numbers from 0"),
        (lambda: bp.plot.confusion_matrix([0, 2], [0, 1], classes="ab"), ValueError, "labels 0 to 1"),
        (lambda: bp.plot.calibration([2.0], [1]), ValueError, "softmax or sigmoid"),
        (lambda: bp.plot.weights("net"), TypeError, "Network or bpnative.Trainer"),
        (lambda: bp.plot.weights(bp.Network([bp.Dropout(0.5)], input_size=2)), ValueError, "with parameters"),
        (lambda: bp.plot.gradients(bp.mlp([3, 2], seed=0)), ValueError, "all gradients are 0"),
        (lambda: bp.plot.gradients(NET, np.ones(3)), ValueError, r"shape \(8,\)"),
        (lambda: bp.plot.gradients(NET, np.full(8, np.nan)), ValueError, "NaN"),
        (lambda: bp.plot.decision_boundary(NET, [[0, 0]]), ValueError, "2 inputs"),
        (lambda: bp.plot.decision_boundary(3, [[0, 0]]), TypeError, "Network or bpnative.Trainer"),
        (lambda: bp.plot.decision_boundary(bp.mlp([2, 2]), [[0, 0]], [1, 2]), ValueError, "1 rows"),
        (lambda: bp.plot.decision_boundary(bp.mlp([2, 2]), [[0, 0, 0]]), ValueError, r"\(n, 2\)"),
        (lambda: bp.plot.decision_boundary(bp.mlp([2, 2]), [[0, 0]], resolution=1), ValueError, "at least 2"),
    ],
)
def test_wrong_inputs(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_matplotlib_is_imported_by_drawing_alone_and_no_display_is_needed(tmp_path):
    program = """
import sys
import bpnative as bp
assert not any(name.partition(".")[0] == "matplotlib" for name in sys.modules)
bp.plot.text.history({"loss": [1.0, 2.0]})
assert not any(name.partition(".")[0] == "matplotlib" for name in sys.modules)
bp.plot.history({"loss": [1.0, 2.0]}).savefig("loss.png")
"""
    environment = {"PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path)), "MPLCONFIGDIR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
