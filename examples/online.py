"""Learning online: one sample a step, as it arrives. The network predicts the next value of a noisy signal."""

import time

import numpy as np

import bpnative as bp

WINDOW = 16
STEPS = 20_000

random = np.random.default_rng(0)
t = np.arange(STEPS + WINDOW + 1)
signal = (np.sin(t / 7) * np.cos(t / 31) + 0.02 * random.standard_normal(len(t))).astype(np.float32)

net = bp.mlp([WINDOW, 32, 1], activation="tanh", seed=0)
trainer = bp.Trainer(net, loss="mse", optimizer=bp.SGD(learning_rate=0.03))

errors = []
start = time.perf_counter()
for i in range(STEPS):
    past, following = signal[None, i : i + WINDOW], signal[None, i + WINDOW : i + WINDOW + 1]
    errors.append(trainer.step(past, following))  # the squared error before the update: it has not seen this value
    if i + 1 in (1000, 2000, 5000, 10_000, STEPS):
        print(f"after {i + 1:6,} samples the last thousand were off by {np.sqrt(np.mean(errors[-1000:])):.3f}")
seconds = time.perf_counter() - start
print(f"{seconds / STEPS * 1e6:.0f} µs a sample; the noise alone is 0.020")
