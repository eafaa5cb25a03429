"""What one fold's model says of pictures, as far as it can: probabilities, logits, features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What one fold's model says of some pictures.

    Attributes:
        probs: (n, n_classes), all views together.
        logits: (n, n_classes) of the pictures as they are; None where there are none.
        features: (n, width), what the layer of logits sees of them; None where there is no such layer.
    """

    probs: Floats
    logits: Floats | None = None
    features: Floats | None = None
