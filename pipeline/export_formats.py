"""Writing a graph as LiteRT, ONNX or SavedModel, in several precisions, and running what was written."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline import runtime
from pipeline.errors import InputError

Format = Literal["litert", "onnx", "savedmodel"]
Precision = Literal["float32", "float16", "int8"]
Pictures = NDArray[np.uint8]
Run = Callable[[Pictures], NDArray[np.float32]]
NAMES = {"litert": "model.tflite", "onnx": "model.onnx", "savedmodel": "model"}


def check(kind: Format, precision: Precision) -> None:
    """Refuses a precision that a format has not.

    Raises:
        InputError: it has not.
    """
    if kind == "savedmodel" and precision != "float32":
        raise InputError(f"savedmodel keeps float32, not {precision}; take --format litert or onnx")


def write(model: Any, path: Path, kind: Format, precision: Precision, samples: Pictures) -> None:
    """Writes a graph.

    Args:
        model: from uint8 pictures to probabilities.
        path: file, or folder for ``savedmodel``.
        kind: the format.
        precision: of its weights; what is computed in depends on what runs it.
        samples: uint8 (n, size, size, channels), pictures that say which range values have, for ``int8``.
    """
    if kind == "savedmodel":
        model.export(path, format="tf_saved_model", verbose=False)
    elif kind == "litert":
        signature = [runtime.specification((1, *model.input_shape[1:]), "uint8")]
        model.export(
            path, format="litert", verbose=False, input_signature=signature, **runtime.lite_settings(precision)
        )
    elif precision == "float32":
        _export_onnx(model, path)
    else:
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "float32.onnx"
            _export_onnx(model, whole)
            (_half if precision == "float16" else _small)(whole, path, samples)


def load(path: Path, kind: Format) -> Run:
    """Returns what runs a file, or folder, that `write` made."""
    return {"litert": _litert, "onnx": _onnx, "savedmodel": runtime.saved_model}[kind](path)


def _export_onnx(model: Any, path: Path) -> None:
    signature = [runtime.specification((None, *model.input_shape[1:]), "uint8")]
    with warnings.catch_warnings():
        # Keras 3.15 looks for what NumPy 2.4 is about to define.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model.export(path, format="onnx", verbose=False, input_signature=signature)


def _half(whole: Path, path: Path, samples: Pictures) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(whole), keep_io_types=True), path)


def _small(whole: Path, path: Path, samples: Pictures) -> None:
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = whole.with_name("ready.onnx")
    quant_pre_process(whole, ready, skip_symbolic_shape=True)
    pixels = [node.name for node in onnx.load(ready).graph.node if "resized" in node.name]  # stay what they are
    quantize_static(
        ready,
        path,
        _Samples(_input_name(whole), samples),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        nodes_to_exclude=pixels,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
    )


class _Samples:
    """Pictures one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, name: str, samples: Pictures) -> None:
        self._name, self._left = name, iter(samples)

    def get_next(self) -> dict[str, Pictures] | None:
        """Returns the next picture."""
        one = next(self._left, None)
        return None if one is None else {self._name: one[None]}


def _input_name(path: Path) -> str:
    import onnxruntime

    name: str = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs()[0].name
    return name


def _onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pictures: np.asarray(session.run(None, {name: pictures})[0], dtype=np.float32)


def _litert(path: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def one(picture: Pictures) -> NDArray[np.float32]:
        interpreter.set_tensor(taken, picture[None])
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given)[0], dtype=np.float32)

    def run(pictures: Sequence[Pictures] | Pictures) -> NDArray[np.float32]:
        return np.stack([one(picture) for picture in pictures])

    return run
