"""Pictures made of characters: what they show is the data; matplotlib's absence is told with what to install."""

import subprocess
import sys

import numpy as np
import pytest

import bpnative as bp


def read_curve(text, mark):
    """The values that marks stand for, from left to right, by the numbers at the side."""
    values = {}
    for line in text.splitlines():
        side, bar, cells = line.partition(" |")
        if bar:
            values |= {column: float(side) for column, cell in enumerate(cells) if cell == mark}
    return [values[column] for column in sorted(values)]


def test_a_curve_can_be_read_back():
    loss = [4.0, 2.0, 1.5, 1.0]
    text = bp.plot.text.history({"loss": loss, "val_loss": [5.0, 4.0, 3.0, 2.5]}, width=20, height=9)
    assert text.startswith("loss: * training, o validation\n")
    np.testing.assert_allclose(read_curve(text, "*"), loss)
    np.testing.assert_allclose(read_curve(text, "o"), [5.0, 4.0, 3.0, 2.5])
    assert text.splitlines()[-2].split() == ["1", "4"]


def test_many_epochs_are_means_of_columns():
    values = np.linspace(10.0, 0.0, 1000)
    text = bp.plot.text.history({"loss": values}, width=50, height=21)
    read = read_curve(text, "*")
    assert len(read) == 50
    np.testing.assert_allclose(read, np.linspace(10.0, 0.0, 50), atol=0.36)


@pytest.mark.parametrize("epochs", [1, 2, 31, 40, 59, 60, 61])
def test_any_number_of_epochs_fits(epochs):
    text = bp.plot.text.history({"loss": np.linspace(1.0, 0.0, epochs)})
    marks = sum(line.count("*") for line in text.splitlines())
    assert marks == min(epochs, 60)
    assert max(map(len, text.splitlines())) <= 75


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [np.nan, 1.0, np.inf, 2.0], [np.nan]])
def test_constant_and_not_finite_values_are_no_trouble(values):
    text = bp.plot.text.history({"loss": values})
    assert sum(line.count("*") for line in text.splitlines()) == np.isfinite(values).sum()


def test_learning_rate_of_a_trainer():
    trainer = bp.Trainer(bp.mlp([1, 1], seed=0), "mse", bp.SGD(bp.schedules.Step(1.0, every=2, factor=0.5)))
    for _ in range(4):
        trainer.step([[1.0]], [1.0])
    text = bp.plot.text.learning_rate(trainer, width=4, height=3)
    assert read_curve(text, "*") == [1.0, 1.0, 0.5, 0.5]


def test_confusion_matrix_has_names_and_counts():
    text = bp.plot.text.confusion_matrix([0, 0, 1, 2, 2, 2], np.eye(3)[[0, 1, 1, 2, 2, 0]], ["cat", "dog", "emu"])
    cells = [line.split() for line in text.splitlines()]
    assert cells == [["cat", "dog", "emu"], ["cat", "1", "1", "·"], ["dog", "·", "1", "·"], ["emu", "1", "·", "2"]]
    with pytest.raises(ValueError, match="labels 0 to 1"):
        bp.plot.text.confusion_matrix([2], [0], ["a", "b"])


def test_histograms_count_what_there_is():
    net = bp.Network([bp.Dense(2, weight_initializer=[[-1.0, 1.0], [1.0, 1.0]])], input_size=2)
    weight, bias = bp.plot.text.weights(net).splitlines()[1:]
    assert weight.split()[:7] == ["0", "Dense", "weight", "4", "0.5", "0.866", "1"]
    cells = weight.partition("|")[2]
    assert (cells[0], cells[23], cells[1:23].strip()) == ("-", "#", "")
    assert bias.endswith("|            #           |")
    with pytest.raises(ValueError, match="all gradients are 0"):
        bp.plot.text.gradients(net)


def test_what_is_wrong_with_sizes_is_said():
    with pytest.raises(ValueError, match="width of at least 2"):
        bp.plot.text.history({"loss": [1.0]}, width=1)
    with pytest.raises(TypeError, match="height"):
        bp.plot.text.history({"loss": [1.0]}, height="a")


def test_where_matplotlib_is_missing_its_extra_is_named():
    program = """
import sys
sys.modules["matplotlib"] = None
import bpnative as bp
for draw in (lambda: bp.plot.curve({"loss": [1.0]}), lambda: bp.plot.history({"loss": [1.0]})):
    try:
        draw()
    except ImportError as error:
        print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240)
    assert result.stdout.splitlines() == ["bpnative.plot needs matplotlib: pip install 'bpnative[plot]'"] * 2
