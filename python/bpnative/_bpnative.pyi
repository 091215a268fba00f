# What the compiled module offers to this package; users meet it through bpnative and bpnative.kernels, where the
# docstrings are. Arrays are C-contiguous, aligned and native-endian; anything else is a TypeError or ValueError.
# tools/check_stub holds this file against the module: names, arguments and which of them have a default.
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

_Floats: TypeAlias = npt.NDArray[np.floating[Any]]  # float32 or float64, the same in all arrays of one call
_Labels: TypeAlias = npt.NDArray[np.int32]
# Rows of X: an array; bytes with scale and offset; or of sparse ones starts (n + 1), columns and values, as compressed
# rows have them.
_Bytes: TypeAlias = tuple[npt.NDArray[np.uint8], float, float]
_Rows: TypeAlias = _Floats | _Bytes | tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], _Floats]

__version__: str

def config() -> dict[str, Any]: ...
def get_num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def stop_threads() -> None: ...
def activation_names() -> list[str]: ...
def loss_names() -> list[str]: ...
def optimizer_names() -> list[str]: ...
def layer_names() -> list[str]: ...
def fma_peak(dtype: str, isa: str, seconds: float) -> float: ...

class Network:
    def __init__(
        self,
        dtype: str,
        input_size: int,
        layers: Sequence[tuple[str, Mapping[str, float | int | bool | str | list[float]], Sequence[int]]],
    ) -> None: ...
    noise_seed: int
    forwards: int
    @property
    def statistics(self) -> npt.NDArray[Any]: ...
    @property
    def statistics_tensors(self) -> list[tuple[int, str, int, tuple[int, ...]]]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    @property
    def parameters(self) -> npt.NDArray[Any]: ...
    @property
    def gradients(self) -> npt.NDArray[Any]: ...
    @property
    def tensors(self) -> list[tuple[int, str, int, tuple[int, ...]]]: ...
    def set_trainable(self, layer: int, trainable: bool) -> None: ...
    def set_l2(self, layer: int, l2: float) -> None: ...
    @property
    def takes_sparse(self) -> bool: ...
    def predict(self, out: _Floats, x: _Rows) -> None: ...
    def forward(self, out: _Floats, x: _Floats, training: bool) -> None: ...
    def backward(self, input_gradient: _Floats, output_gradient: _Floats) -> None: ...

class Trainer:
    def __init__(
        self,
        network: Network,
        loss: str | None,
        loss_settings: Mapping[str, Sequence[float]],
        optimizer: str,
        groups: Sequence[Mapping[str, float]],
        group_of_layer: Sequence[int],
        average: Mapping[str, float] | None,
    ) -> None: ...
    @property
    def state(self) -> dict[str, npt.NDArray[Any]]: ...
    @property
    def average(self) -> npt.NDArray[Any] | None: ...
    def swap_average(self) -> None: ...
    step_count: int
    def train(
        self,
        losses: npt.NDArray[np.float64],
        outputs: _Floats | None,
        x: _Rows,
        y: _Floats | _Labels,
        sample_weight: _Floats | None,
        order: npt.NDArray[np.int64],
        learning_rate: npt.NDArray[np.float64],
        batch_size: int,
        accumulate: int = 1,
        clip_norm: float = 0.0,
        clip_value: float = 0.0,
        momentum: npt.NDArray[np.float64] | None = None,
        penalty: npt.NDArray[np.float64] | None = None,
    ) -> None: ...
    def update(
        self,
        learning_rate: npt.NDArray[np.float64],
        clip_norm: float = 0.0,
        clip_value: float = 0.0,
        momentum: npt.NDArray[np.float64] | None = None,
        penalty: float = 1.0,
    ) -> None: ...
    def penalty(self) -> float: ...
    def add_penalties(self) -> None: ...
    def gradients(self, gradient: _Floats, x: _Rows, y: _Floats | _Labels, sample_weight: _Floats | None) -> float: ...
    def evaluate(
        self, outputs: _Floats | None, x: _Rows, y: _Floats | _Labels, sample_weight: _Floats | None
    ) -> float: ...

def matmul(out: _Floats, a: _Floats, b: _Floats, isa: str) -> None: ...
def dense_forward(
    y: _Floats, x: _Floats, weight: _Floats, bias: _Floats | None, activation: str, parameter: float, isa: str
) -> None: ...
def dense_backward(
    dx: _Floats | None,
    dw: _Floats,
    db: _Floats | None,
    dz: _Floats,
    x: _Floats,
    weight: _Floats,
    input_activation: str,
    parameter: float,
    isa: str,
) -> None: ...
def activation(y: _Floats, z: _Floats, name: str, parameter: float, isa: str) -> None: ...
def activation_derivative(dz: _Floats, dy: _Floats, z: _Floats, name: str, parameter: float, isa: str) -> None: ...
def loss(
    dz: _Floats,
    losses: _Floats,
    z: _Floats,
    target: _Floats | _Labels,
    sample_weight: _Floats | None,
    name: str,
    settings: Mapping[str, Sequence[float]],
    isa: str,
) -> float: ...
def optimizer_states(name: str, settings: Mapping[str, float]) -> list[tuple[str, float]]: ...
def optimizer_update(
    name: str,
    weight: _Floats,
    gradient: _Floats,
    states: Sequence[_Floats],
    settings: Mapping[str, float],
    step: int,
    learning_rate: float,
    isa: str,
) -> None: ...
def random_words(
    out: npt.NDArray[np.uint32], seed: int, step: int, layer: int, first: int, group: int, isa: str
) -> None: ...
def average_update(mean: _Floats, weight: _Floats, fraction: float, isa: str) -> None: ...
