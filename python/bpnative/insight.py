"""What a trainer can say about itself: `Trainer.explain`, `Trainer.diagnose`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from .diagnosis import Diagnosis
    from .explain import Explanation
    from .trainer import Trainer


class Insight:
    """Part of `Trainer`: look into a step, and look for what is wrong."""

    def explain(self, x: object, y: object) -> Explanation:
        """One step of training, every number of it: forward, error, the chain rule backward, the update.

        Everything is done on a copy: network, trainer and random numbers stay as they are, bit for bit. Gradients,
        outputs and loss are those of the compiled code; the numbers in between are worked out in NumPy, in float64, and
        held against it (``explanation.difference``). Layers of up to 8 units and up to 4 samples are shown in full,
        larger ones summarized. Of dense layers every formula is shown, of others shapes, statistics and gradients.

        Args:
            x: (n, input_size), or one sample (input_size,).
            y: As the loss takes it, see `fit`.

        Returns:
            An `bpnative.explain.Explanation`: ``print`` it, or ``.save("page.html")`` for a page with a drawing.

        Raises:
            TypeError: Data are no real numbers.
            ValueError: Data are empty or do not fit the network and the loss.

        Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 1986.

        Example:
            >>> import bpnative as bp
            >>> net = bp.Network([bp.Dense(1, weight_initializer=[[2.0]])], input_size=1)
            >>> print(bp.Trainer(net, loss="mse", optimizer=bp.SGD(0.5)).explain([[3.0]], [5.0]))
            One step of training: 1 -> 1, 2 parameters; MSE(); SGD(learning_rate=0.5)
            <BLANKLINE>
            FORWARD
            ...
        """
        from .explain.explanation import explain

        return explain(cast("Trainer", self), x, y)

    def diagnose(
        self,
        X: object,
        y: object,
        validation_data: object = None,
        *,
        steps: int = 30,
        batch_size: int = 32,
    ) -> Diagnosis:
        """Why does it not learn: run a few steps on a copy, and say in words what is wrong and what to do, worst first.

        Looked at: inputs and targets (NaN, constant, not scaled, labels off by one, one class, out of the last layer's
        reach), the loss at the start by that of chance, dead and saturated units, vanishing and exploding gradients,
        updates by the size of weights, where NaN comes up first, whether a single batch can be learned by heart, a loss
        of one's own against finite differences, rows that are in the training and the validation data.

        Trainer and network stay as they are, bit for bit. Takes about a second for small networks.

        Args:
            X: (n, input_size), some thousand rows are enough; NaN is found, not refused.
            y: As the loss takes it, see `fit`.
            validation_data: (X, y), to be compared with the training data.
            steps: How many steps to run on the copy.
            batch_size: Samples of a step.

        Returns:
            A `bpnative.diagnosis.Diagnosis`: ``print`` it; ``findings``, ``codes`` and ``to_dict()`` are for machines.

        Raises:
            TypeError: Data are no real numbers.
            ValueError: Data have the wrong shape, or targets are not what the loss takes.

        Source: Karpathy, "A recipe for training neural networks", 2019; Glorot & Bengio, "Understanding the difficulty
        of training deep feedforward neural networks", AISTATS 2010.

        Example:
            >>> import bpnative as bp
            >>> X, y = bp.datasets.load_digits()
            >>> trainer = bp.Trainer(bp.mlp([64, 32, 10], seed=0), loss="cross_entropy", optimizer=bp.SGD(1e-7))
            >>> trainer.diagnose(X, y).codes
            ['learning_rate_too_low']
        """
        from .diagnosis.diagnose import diagnose

        return diagnose(cast("Trainer", self), X, y, validation_data, steps, batch_size)
