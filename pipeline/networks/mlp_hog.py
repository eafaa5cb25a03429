"""A dense network on histograms of oriented gradients; 28x28 grey images and 200 units count 80,610 parameters.

Reference: Dalal and Triggs 2005, Histograms of oriented gradients for human detection,
https://doi.org/10.1109/CVPR.2005.177
"""

from typing import Literal

from pipeline.core.config import Section
from pipeline.images.hog import Hog
from pipeline.networks.head import Head


class MlpHog(Section):
    """Which gradients, and the dense layers on them; the features are computed once, so the head is all that trains."""

    name: Literal["mlp_hog"]
    hog: Hog = Hog(name="hog")
    head: Head = Head(units=(200,))
