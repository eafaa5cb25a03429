"""Export formats: weights as int8, and precisions that a format does not support."""

from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.core.formats import WeightPrecision
from pipeline.inference.export_formats import check_precision, load_exported, write_graph
from pipeline.networks import runtime


def test_onnx_keeps_weights_as_int8_where_there_are_many_of_an_output(tmp_path: Path) -> None:
    import onnx

    runtime.start_backend("float32")
    runtime.seed_everything(0)
    taken = keras.Input((12, 12, 3), dtype="uint8")
    made = keras.layers.Conv2D(16, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(taken))
    made = keras.layers.DepthwiseConv2D(3, activation="relu")(made)
    made = keras.layers.Flatten()(keras.layers.Conv2D(24, 1, activation="relu")(made))
    model = keras.Model(taken, keras.layers.Dense(3, activation="softmax")(made))
    for precision in ("float32", "int8"):
        write_graph(model, tmp_path / f"{precision}.onnx", "onnx", precision)
    images = np.random.default_rng(0).integers(0, 256, (9, 12, 12, 3)).astype(np.uint8)
    small, whole = (load_exported(tmp_path / f"{precision}.onnx", "onnx")(images) for precision in ("int8", "float32"))
    np.testing.assert_allclose(small, whole, atol=0.02)
    assert not np.array_equal(small, whole)
    kept = {tuple(each.dims) for each in onnx.load(tmp_path / "int8.onnx").graph.initializer if each.data_type == 3}
    assert {(16, 3, 3, 3), (24, 16, 1, 1)} <= kept
    assert len(kept) == 3  # and the dense layer; not the depthwise one
    assert (tmp_path / "int8.onnx").stat().st_size < 0.6 * (tmp_path / "float32.onnx").stat().st_size


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_precision_that_a_format_does_not_support_is_refused(precision: WeightPrecision) -> None:
    with pytest.raises(InputError, match=f"savedmodel supports float32 only, got {precision}"):
        check_precision("savedmodel", precision)
