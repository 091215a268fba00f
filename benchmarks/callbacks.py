"""What do callbacks cost: a run of `fit` with all of them, or with one, beside the same run with none, by turns.

Progress with its bar, CSVLogger, a checkpoint at its default settings, EarlyStopping, StopOnNaN(restore=True) and
TensorBoard, without validation; the ratio is the median of those of the rounds.
"""

import itertools
import os
import statistics
import tempfile
import time
import warnings

import bpnative as bp
from bpnative.benchmark import WORKLOADS
from bpnative.benchmark.workloads import make_data
from turns import arguments, report

EPOCHS = {"tiny": 1000, "mnist": 8}
NONE = ""
EACH = {
    "progress": lambda folder, stream: bp.callbacks.Progress(bar=True, stream=stream),
    "csv": lambda folder, stream: bp.CSVLogger(f"{folder}/run.csv"),
    "early stopping": lambda folder, stream: bp.EarlyStopping(patience=10**6, monitor="loss"),
    "nan": lambda folder, stream: bp.StopOnNaN(restore=True),
    "tensorboard": lambda folder, stream: bp.TensorBoard(f"{folder}/runs"),
}


def data_of(workload, folder):
    """MNIST itself where its files are, else data of its shape."""
    if workload.name == "mnist" and folder:
        return bp.datasets.load_mnist(folder)[0]
    data = make_data(workload)
    return data.X, data.y


def seconds(workload, data, epochs, names):
    """Of one run, its beginning and end included."""
    net = bp.mlp(list(workload.sizes), activation=workload.activation, seed=0)
    trainer = bp.Trainer(net, loss=workload.loss, optimizer=workload.optimizer)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as stream:
        chosen = [EACH[name](folder, stream) for name in names if name in EACH]
        checkpoint = f"{folder}/run.safetensors" if "checkpoint" in names else None
        settings = {"batch_size": workload.batch, "progress": False, "callbacks": chosen, "checkpoint": checkpoint}
        start = time.perf_counter()
        trainer.fit(*data, epochs=epochs, **settings)
        return time.perf_counter() - start


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--mnist", metavar="FOLDER", help="where the four files of MNIST are")
    parser.add_argument("--one", action="store_true", help="each callback alone as well")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    bp.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    everything = (*EACH, "checkpoint")
    choices = {"all": everything, **({name: (name,) for name in everything} if options.one else {})}
    rows = []
    for workload in WORKLOADS:
        if workload.name not in EPOCHS:
            continue
        data, epochs = data_of(workload, options.mnist), EPOCHS[workload.name]
        times = {name: [] for name in (NONE, *choices)}
        seconds(workload, data, 1, everything)
        for _, name in itertools.product(range(options.rounds), times):
            times[name].append(seconds(workload, data, epochs, choices.get(name, ())))
        for name in choices:
            ratios = [one / other for one, other in zip(times[name], times[NONE], strict=True)]
            rows.append(
                {
                    "workload": workload.name,
                    "callbacks": name,
                    "s without": statistics.median(times[NONE]),
                    "s with": statistics.median(times[name]),
                    "ratio": statistics.median(ratios),
                    "lowest": min(ratios),
                    "highest": max(ratios),
                }
            )
    report(rows, {name: "" if isinstance(value, str) else ".3f" for name, value in rows[0].items()}, options.json)


if __name__ == "__main__":
    main()
