"""Types of arrays: one name for each kind of numbers that travels between modules; docstrings tell the shapes."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # grey levels, 0..255, channels last; float32 out of a store of 16 bits (images/levels.py)
Pixels = NDArray[np.uint8 | np.float32]  # grey levels, whole or between two
Rows = NDArray[np.int64]  # numbers of rows
Labels = NDArray[np.int64]  # class indices
Truth = NDArray[Any]  # of any target: class indices (n,), else marks or numbers (n, width)
Values = NDArray[np.float32]  # predictions of any target (n, n_columns): probabilities or numbers
Targets = NDArray[np.float32]  # one-hot or mixed; rows sum to 1
Features = NDArray[np.float32]  # (n, width)
KeptFeatures = NDArray[np.float16 | np.float32]  # (n, width), as files hold them
Logits = NDArray[np.float32]  # before softmax
Probs = NDArray[np.float32]  # >= 0; rows sum to 1
Weights = NDArray[np.float64]  # >= 0; sum to 1


def round_levels(image: Pixels) -> Images:
    """Rounds grey levels to whole ones: uint8 of the same shape."""
    return cast(Images, image) if image.dtype == np.uint8 else np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def make_displayed(image: Images) -> Images:
    """Returns what a page or screen shows of an image: 1 or 3 channels; of more the first three, of two no blue."""
    channels = image.shape[2]
    if channels in (1, 3):
        return image
    return np.ascontiguousarray(np.concatenate([image, np.zeros_like(image[..., :1])], axis=2)[..., :3])
