"""The libraries that the bench compares with compute what bpnative computes, so that their times can be compared."""

from __future__ import annotations

import tempfile
from contextlib import closing

import pytest

from bpnative.benchmark.peers import PEERS, installed
from bpnative.benchmark.rounds import Worker

OTHERS = [name for name, info in PEERS.items() if info.optional]


@pytest.mark.parametrize("name", OTHERS)
def test_same_result_as_numpy(name: str) -> None:
    if not installed(name):
        pytest.skip(f"{' or '.join(PEERS[name].needs)} is not installed: pip install 'bpnative[peers]'")
    workloads = ["small", "mnist", "gelu", "reader-tiny", "reader-mnist"]
    if name == "torch-compiled":
        workloads = ["tiny"]  # compiling takes many seconds, and it is the network of "torch"
    compared = []
    with (
        tempfile.TemporaryFile() as errors,
        closing(Worker(name, 1, errors)) as other,
        closing(Worker("numpy", 1, errors)) as numpys,
    ):
        for workload in workloads:
            request = {"do": "prepare", "workload": workload, "quick": True, "dtype": "float32"}
            answer = other.ask(**request)
            if "skip" not in answer:
                assert answer["result"] == pytest.approx(numpys.ask(**request)["result"], rel=0.01), workload
                compared.append(workload)
    assert compared
