"""A loss of one's own: Huber's, by forward and backward, with plain gradient descent on the flat parameters.

The data are a line with noise, and one point in ten is far off. The mean squared error would follow those points; the
Huber loss, quadratic near zero and linear beyond 1, hardly does.
"""

import numpy as np

import bpnative as bp


def huber(output, target):
    """Mean loss and its derivative in the output (Huber, "Robust Estimation of a Location Parameter", 1964)."""
    error = output - target
    small = np.abs(error) <= 1
    losses = np.where(small, error**2 / 2, np.abs(error) - 0.5)
    return losses.mean(), np.clip(error, -1, 1) / error.size


random = np.random.default_rng(0)
x = random.uniform(-1, 1, (500, 1)).astype(np.float32)
y = 3 * x + 0.5 + 0.1 * random.standard_normal(x.shape).astype(np.float32)
y[::10] += 20  # outliers

net = bp.Network([bp.Dense(1)], input_size=1, seed=0)
for step in range(501):
    loss, output_gradient = huber(net.forward(x, training=True), y)
    net.backward(output_gradient)  # fills net.gradients
    net.parameters -= 0.5 * net.gradients
    if step % 100 == 0:
        print(f"step {step:3}  loss {loss:.4f}")

slope, offset = net.parameters
print(f"found y = {slope:.2f} x + {offset:.2f}; the line is y = 3 x + 0.5, and one point in ten lies 20 above it")
