"""The libraries that the benchmark compares, each behind the same small interface, in a module of its own.

A module here has `build`, which imports its library, so none is needed until it is asked for.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Protocol, cast

from ..._version import __version__
from ..workloads import Data, Workload

__all__ = ["PEERS", "Peer", "PeerInfo", "build", "installed", "versions"]


class Peer(Protocol):
    """One library, set to train or predict with the network of one workload on its data.

    Attributes:
        note: what a reader of the result should know, or "".
    """

    note: str

    def reset(self) -> None:
        """Go back to the starting weights, with fresh optimizer state."""

    def fit(self, epochs: int, shuffle: bool) -> float:
        """Train for so many epochs and return the mean loss of the last."""

    def predict(self, calls: int) -> Any:
        """Predict one batch a call, walking through the data, and return the last outputs."""


@dataclasses.dataclass(frozen=True)
class PeerInfo:
    """Where a peer is found, and what it can do.

    Attributes:
        module: of this package.
        needs: packages that must be installed.
        optional: whether it takes part only when asked for.
        tasks: which tasks of `Workload` it takes part in.
    """

    module: str
    needs: tuple[str, ...]
    optional: bool = True
    tasks: tuple[str, ...] = ("fit", "predict")


PEERS: dict[str, PeerInfo] = {
    "bpnative": PeerInfo("native", (), optional=False),
    "numpy": PeerInfo("pure_numpy", ("numpy",), optional=False),
    "torch": PeerInfo("pytorch", ("torch",)),
    "torch-compiled": PeerInfo("pytorch", ("torch",)),
    "jax": PeerInfo("jax_scan", ("jax",)),
    "sklearn": PeerInfo("scikit_learn", ("sklearn",)),
    "onnxruntime": PeerInfo("onnx_runtime", ("onnxruntime", "onnx"), tasks=("predict",)),
}
"""Name → where it is. The first is the library that the others are compared with."""


def installed(name: str) -> bool:
    """Whether every package that the peer needs can be imported."""
    return all(importlib.util.find_spec(package) is not None for package in PEERS[name].needs)


def versions(names: Iterable[str]) -> dict[str, str]:
    """Name and version of every package behind these peers."""
    distributions = {"sklearn": "scikit-learn"}
    packages = dict.fromkeys(package for name in names for package in PEERS[name].needs)
    found = {package: metadata.version(distributions.get(package, package)) for package in packages}
    return {"bpnative": __version__, **found}


def build(name: str, workload: Workload, data: Data, threads: int) -> Peer:
    """Import the peer's library and prepare it.

    Args:
        name: a key of `PEERS`.
        workload: what it is to do.
        data: what it is to do it with.
        threads: how many threads it may use.

    Raises:
        NotImplementedError: the library has no such activation, loss or optimizer; the message says which.
    """
    module = importlib.import_module(f".{PEERS[name].module}", __package__)
    return cast(Peer, module.build(name, workload, data, threads))
