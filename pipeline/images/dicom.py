"""DICOM: one frame of a file in the unit that its rescale names, with the window that the file wants.

Nothing of a header is kept but what the pixels need: no name, date or number of a patient leaves this module. Where
folds must keep patients together, digests of the numbers tell them apart, and stay in memory.
Reference: https://dicom.nema.org/medical/dicom/current/output/html/part03.html#sect_C.11.2
"""

import warnings
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format
from pipeline.images.bands import Bands, Frame, leave_blank, list_limits

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import DecodeRunner

Subject = Literal["patient", "study", "series"]
SUBJECTS: dict[Subject, str] = {
    "patient": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
}
# What pydicom raises on a header that is none.
_NO_HEADER = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError)
_ADDING, _ADDED = Lock(), list[bool]()


def read_dicom(file: IO[bytes], frame: Frame, most_pixels: int) -> Bands:
    """Reads one frame.

    Args:
        file: opened.
        frame: which of several.
        most_pixels: of a frame that is decoded.

    Raises:
        ValueError: no pixels, too many, damaged ones, or a compression that nobody reads.
    """
    from pydicom import config, dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    _add_decoders()
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings(action="ignore"):
            return _read_frame(dcmread(file, force=True), frame, most_pixels)
    except (BytesLengthException, InvalidDicomError) as error:  # of no usual kind of error
        raise ValueError(str(error)) from error


def read_subject(file: IO[bytes], subject: Subject) -> str:
    """Reads whose file it is: a digest of the header's id, 16 letters; empty where the header names none.

    Args:
        file: opened; pixels are not read.
        subject: patient, study or series.

    Raises:
        ValueError: no header of DICOM.
    """
    from pydicom import config, dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    known = find_picture_format(file.read(SIGNATURE_BYTES))
    if known is None or known.name != "DICOM":
        raise ValueError("no header of DICOM")
    file.seek(0)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings(action="ignore"):
            data = dcmread(file, force=True, stop_before_pixels=True, specific_tags=[SUBJECTS[subject]])
            name = str(data.get(SUBJECTS[subject]) or "").strip()
    except (BytesLengthException, InvalidDicomError, *_NO_HEADER) as error:
        raise ValueError(str(error)) from error
    return blake2b(name.encode(), digest_size=8).hexdigest() if name else ""


def count_frames(file: IO[bytes]) -> int:
    """Counts the frames of a file that was read before; 1 where its header names no number."""
    from pydicom import config, dcmread

    config.settings.reading_validation_mode = config.IGNORE
    with warnings.catch_warnings(action="ignore"):
        data = dcmread(file, force=True, stop_before_pixels=True, specific_tags=["NumberOfFrames"])
    return max(1, int(data.get("NumberOfFrames") or 1))


def _read_frame(data: "Dataset", frame: Frame, most_pixels: int) -> Bands:
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "PixelData" not in data and "FloatPixelData" not in data and "DoubleFloatPixelData" not in data:
        raise ValueError("a DICOM file without a picture")
    if data.Rows * data.Columns > most_pixels:
        raise ValueError(f"{data.Columns} x {data.Rows} pixels are too many; {most_pixels:,} are taken")
    if "TransferSyntaxUID" not in data.file_meta:  # an old file without a preamble
        data.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if data.original_encoding[0] else ExplicitVRLittleEndian
        )
    _refuse_shifted(data)
    frames = int(data.get("NumberOfFrames") or 1)
    values = pixel_array(data, index=(frames - 1) // 2 if frame == "middle" else 0)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    if values.ndim == 3:
        return Bands(values, list_limits(values))
    return _in_unit(values, data)


def _refuse_shifted(data: "Dataset") -> None:
    """Refuses values that do not begin at the lowest bit: the reader would cut off their highest bits in silence."""
    bits, highest = int(data.get("BitsStored") or 0), int(data.get("HighBit") or 0)
    if bits and highest > bits - 1 and not data.file_meta.TransferSyntaxUID.is_compressed:
        raise ValueError(
            f"its {bits} bits end at bit {highest}, an old form that is not read; convert it to PNG or TIFF"
        )


def _in_unit(values: NDArray[Any], data: "Dataset") -> Bands:
    """Applies rescale or lookup tables to a grey frame."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    inverted = data.PhotometricInterpretation == "MONOCHROME1"
    padding = data.get("PixelPaddingValue")
    blank = values == padding if isinstance(padding, int | float) else None
    limits = _stored_limits(values, data)
    slope, intercept = float(data.get("RescaleSlope") or 1), float(data.get("RescaleIntercept") or 0)
    if data.get("ModalityLUTSequence"):
        values = apply_modality_lut(values, data)
        limits = float(values.min()), float(values.max())
    elif (slope, intercept) != (1, 0):
        limits = limits[0] * slope + intercept, limits[1] * slope + intercept
        values = _rescaled(values, slope, intercept, limits)
    window = _read_window(data)
    if window is None and data.get("VOILUTSequence") and values.dtype.kind != "f":
        values = apply_voi_lut(values, data)
        limits = window = list_limits(values)
    if blank is not None:  # last, as a lookup table takes whole numbers
        values = leave_blank(values, blank)
    return Bands(values[..., None], (min(limits), max(limits)), window, inverted)


def _rescaled(values: NDArray[Any], slope: float, intercept: float, limits: tuple[float, float]) -> NDArray[Any]:
    """Stays in 16 bits where the unit is whole and fits, which is most of computed tomography."""
    if slope == 1 and intercept == int(intercept) and min(limits) >= -32768 and max(limits) <= 32767:
        return np.asarray(values.astype(np.int16) + np.int16(intercept), dtype=np.int16)
    return values.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _stored_limits(values: NDArray[Any], data: "Dataset") -> tuple[float, float]:
    if values.dtype.kind not in "ui":
        return list_limits(values)
    bits = int(data.BitsStored)
    return (0.0, 2.0**bits - 1) if values.dtype.kind == "u" else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)


def _read_window(data: "Dataset") -> tuple[float, float] | None:
    """Returns the first window of a file as its lowest and highest value."""
    pair = [data.get(name) for name in ("WindowCenter", "WindowWidth")]
    first = [value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value for value in pair]
    try:
        centre, width = (float(value) for value in first)
    except (TypeError, ValueError):
        return None
    if not np.isfinite([centre, width]).all() or width < 1:
        return None
    if str(data.get("VOILUTFunction") or "LINEAR") == "LINEAR" and width > 1:
        centre, width = centre - 0.5, width - 1
    return centre - width / 2, centre + width / 2


def _add_decoders() -> None:
    """Adds this module to pydicom's decoders, once, for the compressions that pydicom and Pillow leave out."""
    from pydicom.pixels.decoders.base import get_decoder

    with _ADDING:  # images of a command line are decoded in threads
        for decoder in map(get_decoder, () if _ADDED else DECODER_DEPENDENCIES):
            decoder.add_plugin("imagecodecs", (__name__, "decode_frame"))
        _ADDED.append(True)


_NEED = ("imagecodecs",)
DECODER_DEPENDENCIES = {f"1.2.840.10008.1.2.4.{number}": _NEED for number in (51, 57, 70, 80, 81, 201, 202, 203)}


def is_available(syntax: str) -> bool:
    """Says whether `decode_frame` reads a transfer syntax; pydicom asks."""
    return syntax in DECODER_DEPENDENCIES


def decode_frame(content: bytes, runner: "DecodeRunner") -> bytearray:
    """Decodes one compressed frame for pydicom.

    Raises:
        ValueError: the frame is damaged.
    """
    import imagecodecs

    number = int(str(runner.transfer_syntax).rpartition(".")[2])
    decoders: dict[int, Callable[[bytes], NDArray[Any]]] = {
        51: imagecodecs.jpeg8_decode,
        57: imagecodecs.ljpeg_decode,
        70: imagecodecs.ljpeg_decode,
        80: imagecodecs.jpegls_decode,
        81: imagecodecs.jpegls_decode,
    }
    try:
        values = decoders.get(number, imagecodecs.htj2k_decode)(content)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    runner.set_option("bits_allocated", 8 * values.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    if number > 200 and runner.photometric_interpretation.startswith("YBR"):
        runner.set_option("photometric_interpretation", "RGB")
    return bytearray(np.ascontiguousarray(values).tobytes())


def read_place(path: Path) -> float | None:
    """Reads where a slice lies in its series: its number, else its place along the patient; None where none is told."""
    from pydicom import config, dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    config.settings.reading_validation_mode = config.IGNORE
    try:
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            known = find_picture_format(file.read(SIGNATURE_BYTES))
            if known is None or known.name != "DICOM":
                return None
            file.seek(0)
            tags = ["InstanceNumber", "ImagePositionPatient"]
            data = dcmread(file, force=True, stop_before_pixels=True, specific_tags=tags)
            number = data.get("InstanceNumber")
            return float(data.ImagePositionPatient[2] if number is None else number)
    except (BytesLengthException, InvalidDicomError, *_NO_HEADER):
        return None
