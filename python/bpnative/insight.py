"""What a trainer can say about itself: `Trainer.explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
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
