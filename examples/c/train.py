"""Train on the digits and write the network as digits.c, with what it needs to go on learning in C."""

import bpnative as bp

X, y = bp.datasets.load_digits()
net = bp.mlp([64, 32, 10], activation="tanh", seed=0)
trainer = bp.Trainer(net, loss="cross_entropy", optimizer=bp.SGD(0.05, momentum=0.9), metrics=["accuracy"])
trainer.fit(X[:1400], y[:1400], epochs=10)
print(f"accuracy {trainer.evaluate(X[1400:], y[1400:])['accuracy']:.3f}")
bp.to_c(trainer, "digits.c", training=True, name="digits")

# Three digits for the program to read, with their labels.
with open("samples.h", "w") as file:
    for name, values in (("samples", X[1400:1403].ravel().tolist()), ("labels", y[1400:1403].tolist())):
        numbers = ", ".join(map(str, values))
        file.write(f"static const {'float' if name == 'samples' else 'int'} {name}[{len(values)}] = {{{numbers}}};\n")
