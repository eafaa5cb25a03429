"""Predictions by one network: the logits of each view, batch by batch, from images or from a backbone's features.

What the network reads comes along with its logits, for whoever asks more of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.core.arrays import Features, Images, KeptFeatures, Logits, Pixels, Rows
from pipeline.images.batches import changed, plain_batches
from pipeline.images.views import Views, make_view_transforms
from pipeline.networks import runtime
from pipeline.networks.runtime import keras

# Sums over batches of another size may differ in their last bits.
_IMAGES, _FEATURES = 256, 4096


def predict_from_images(
    model: keras.Model, images: Images, rows: Rows, size: int, views: Views, workers: int
) -> Iterator[tuple[Pixels, Logits]]:
    """Predicts rows of images.

    Args:
        model: from images to logits.
        images: uint8 (n, stored size, stored size, channels).
        rows: which of them, in this order.
        size: side of the network's input in pixels.
        views: what each image is shown as.
        workers: threads that resize images and make views.

    Yields:
        A batch as the network reads it (the images themselves, no view), and logits float32 (n_views, rows of the
        batch, n_classes).
    """
    # predict() would build a tf.data pipeline for each call: 0.1 s, longer than a small network's epoch.
    predict = runtime.halve_to_fit(model.predict_on_batch)
    of_views = tuple(make_view_transforms(views).values())
    for batch in plain_batches(images, rows, size, _IMAGES, workers):
        yield batch, np.stack([predict(view) for view in changed(batch, of_views, workers)])


def predict_from_features(
    head: keras.Model, sources: Sequence[KeptFeatures], rows: Rows
) -> Iterator[tuple[Features, Logits]]:
    """Predicts rows of features.

    Args:
        head: from features to logits.
        sources: the features of all images, float16 or float32 (n, width), or (n, ...) as a prefix made them, one array
            for each view; the images themselves first.
        rows: which of them, in this order.

    Yields:
        A batch of the first source, and logits float32 (n_views, rows of the batch, n_classes).
    """
    predict = runtime.halve_to_fit(head.predict_on_batch)
    most = _FEATURES if sources[0].ndim == 2 else _IMAGES  # whole layers come above a prefix
    for start in range(0, len(rows), most):
        batches = [source[rows[start : start + most]].astype(np.float32) for source in sources]
        yield batches[0], np.stack([predict(batch) for batch in batches])
