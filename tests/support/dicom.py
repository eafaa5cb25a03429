"""DICOM files for tests, drawn here."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

_JPEG = "1.2.840.10008.1.2.4."
ENCODERS: dict[str, Callable[[NDArray[Any]], bytes | bytearray]] = {
    f"{_JPEG}50": lambda values: imagecodecs.jpeg8_encode(values, level=100),
    f"{_JPEG}51": lambda values: imagecodecs.jpeg8_encode(values, level=100, bitspersample=12),
    f"{_JPEG}57": lambda values: imagecodecs.ljpeg_encode(values, bitspersample=12),
    f"{_JPEG}70": lambda values: imagecodecs.ljpeg_encode(values, bitspersample=12),
    f"{_JPEG}80": imagecodecs.jpegls_encode,
    f"{_JPEG}90": lambda values: imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True),
}


def make_dicom(values: NDArray[Any], syntax: str = ExplicitVRLittleEndian, bits: int = 12, **elements: Any) -> bytes:
    """Returns a file of (height, width), (frames, height, width) or (height, width, 3) values."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    data.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    colour = values.ndim == 3 and values.shape[2] == 3
    data.PatientID, data.PatientName, data.Modality = "P7", "Doe^Jane", "OT"
    data.Rows, data.Columns = values.shape[:2] if colour else values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    data.BitsAllocated = 8 * values.dtype.itemsize
    data.BitsStored = min(bits, data.BitsAllocated)
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(values.dtype.kind == "i")
    if colour:
        data.PlanarConfiguration = 0
    if values.ndim == 3 and not colour:
        data.NumberOfFrames = len(values)
    for name, value in elements.items():
        setattr(data, name, value)
    if syntax in ENCODERS:
        data.PixelData = encapsulate([bytes(ENCODERS[syntax](values))])
        data["PixelData"].VR = "OB"
    else:
        data.PixelData = values.tobytes()
        data["PixelData"].VR = "OW" if data.BitsAllocated > 8 else "OB"
        if syntax == RLELossless:
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            data.compress(RLELossless)
    out = io.BytesIO()
    dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()


def write_dicom(path: Path, values: NDArray[Any], **more: Any) -> Path:
    """Writes what `make_dicom` makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_dicom(values, **more))
    return path
