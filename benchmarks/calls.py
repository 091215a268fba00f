"""What a call costs: trainer.step beside the same step inside fit, and predict of one row, on one thread."""

import bpnative as bp
from bpnative import _bpnative as native
from bpnative.benchmark import WORKLOADS
from bpnative.benchmark.workloads import make_data
from turns import arguments, by_turns, report


def main():
    options = arguments(__doc__).parse_args()
    bp.set_num_threads(1)
    rows = []
    for workload in WORKLOADS:
        if workload.task != "fit" or workload.activation not in native.activation_names():
            continue
        data = make_data(workload)
        net = bp.mlp(list(workload.sizes), activation=workload.activation, seed=0)
        trainer = bp.Trainer(net, loss=workload.loss, optimizer=workload.optimizer)
        batch, labels, row = data.X[: workload.batch], data.y[: workload.batch], data.X[:1]

        def fit(trainer=trainer, data=data, batch_size=workload.batch):
            trainer.fit(data.X, data.y, batch_size=batch_size, progress=False)

        def step(trainer=trainer, batch=batch, labels=labels):
            trainer.step(batch, labels)

        def predict(net=net, row=row):
            net.predict(row)

        inside, outside, one = by_turns([fit, step, predict], options.rounds)
        inside /= workload.steps
        rows.append(
            {
                "workload": workload.name,
                "step in fit, µs": inside * 1e6,
                "trainer.step, µs": outside * 1e6,
                "more, µs": (outside - inside) * 1e6,
                "predict of a row, µs": one * 1e6,
            }
        )
    report(rows, {name: "" if name == "workload" else ".2f" for name in rows[0]}, options.json)


if __name__ == "__main__":
    main()
