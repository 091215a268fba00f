"""Ten thousand fits leave nothing behind: no memory, no threads, no open files."""

from __future__ import annotations

import json

import pytest

from child import needs_linux, run

CODE = """
import gc, json
os.chdir(FOLDER)
bp.set_num_threads(2)
x, labels = X[:8, :4].copy(), np.arange(8) % 2
stopping = bp.EarlyStopping(monitor="loss")

def batches():
    yield x, labels

def fit(number):
    global trainer
    if number % 2 == 0:  # every other fit goes on with the last trainer
        net = bp.mlp([4, 8, 2], seed=number)
        trainer = bp.Trainer(net, "cross_entropy", metrics=["accuracy"], average=bp.EMA())
    settings = dict(batch_size=8, progress=False)
    if number % 10 == 3:  # a thread of its own makes the batches
        trainer.fit(batches, **settings)
    elif number % 200 == 7:  # files, and a thread that writes
        settings |= dict(callbacks=[bp.CSVLogger("run.csv"), bp.StopOnNaN(restore=True)])
        trainer.fit(x, labels, checkpoint=f"run{number}.safetensors", **settings)
        os.unlink(f"run{number}.safetensors")
    elif number % 10 == 5:
        trainer.fit(x, labels, validation_split=0.25, callbacks=stopping, augment=lambda x: x, **settings)
    elif number % 10 == 6:
        try:
            trainer.fit(x * np.nan, labels, **settings)
        except ValueError:
            pass
    else:
        trainer.fit(x, labels, **settings)

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

seen = []
for number in range(10_000):
    fit(number)
    if number + 1 in (2_000, 10_000):
        seen.append((resident(), count_threads(), len(os.listdir("/proc/self/fd")), len(gc.get_objects())))
print(json.dumps(seen))
"""


@needs_linux
@pytest.mark.not_sanitized("its allocator keeps what is freed")
def test_ten_thousand_fits_leave_nothing(tmp_path):
    (memory, threads, files, objects), after = json.loads(run(CODE.replace("FOLDER", repr(str(tmp_path)))))
    print(f"{(after[0] - memory) / 8_000:.0f} bytes a fit, {(after[3] - objects) / 8_000:.3f} objects a fit")
    assert after[0] - memory < 2 * 2**20  # 260 bytes a fit; the smallest network takes some thousand
    assert after[1] <= threads
    assert after[2] == files
    assert after[3] - objects < 1_000
