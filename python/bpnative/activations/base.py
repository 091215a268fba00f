"""What all activations share."""

from __future__ import annotations

from typing import ClassVar

from ..specification import Specification, specification


@specification
class Activation(Specification):
    """Base of the activations. `parameter` is the one number that the native kernel takes, 0 where there is none.

    `default_initializer` is what a layer's weights start from when none is named. Glorot's for what is about linear
    around 0 and for outputs; He's for what cuts off about half of its inputs (relu and its relatives), which halves the
    variance that Glorot's would keep; LeCun's for selu, whose paper asks for it.
    `mixes_outputs` says that an output depends on all numbers of its row, not on one alone.
    """

    default_initializer: ClassVar[str] = "glorot_uniform"
    mixes_outputs: ClassVar[bool] = False

    @property
    def parameter(self) -> float:
        """The number handed to the kernel."""
        return 0.0
