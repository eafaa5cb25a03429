"""A backbone of three layers under Keras's roof, so that tests of transfer learning take no time."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import pytest
from keras import layers


def Tiny(  # noqa: N802 # as the functions of keras.applications are called
    weights: str | None = None, include_top: bool = False, input_shape: tuple[int | None, int | None, int] = (8, 8, 3)
) -> keras.Model:
    """Convolution, batch normalisation, convolution; asks for its weights as Keras's own functions do."""
    if input_shape[0] is not None and input_shape[0] < 8:
        raise ValueError(f"Input size must be at least 8x8; Received: input_shape={input_shape}")
    images = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv1")(images)
    x = layers.BatchNormalization(momentum=0.999, name="bn")(x)
    x = layers.Activation("relu", name="relu")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv2")(x)
    if weights == "imagenet":
        from keras.src.utils import file_utils

        file_utils.get_file("tiny_notop.h5", "http://127.0.0.1:9/tiny_notop.h5", cache_subdir="models", file_hash="0")
    return keras.Model(images, x, name="tiny")


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Puts the backbone beside Keras's own and its weights, of another draw, into ``folder``.

    Returns:
        The file of weights.
    """
    Tiny.__module__ = "keras.src.applications.mobilenet_v2"  # whose preprocessing it takes
    monkeypatch.setattr(keras.applications, "Tiny", Tiny, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_notop.h5"
    path.write_bytes(_publish())
    return path


@cache
def _publish() -> bytes:
    keras.utils.set_random_seed(7)
    with TemporaryDirectory() as folder:
        path = Path(folder, "tiny_notop.h5")
        Tiny().save(path)  # the legacy format that keras.applications publishes in
        return path.read_bytes()
