import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import RLELossless
from support.dicom import ENCODERS, make_dicom

from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format
from pipeline.images.bands import Bands, Frame, scale_bands
from pipeline.images.dicom import SUBJECTS, Subject, read_dicom, read_subject

RAMP = (np.arange(256, dtype=np.uint16) * 16).reshape(16, 16)


def _read(content: bytes, frame: Frame = "first") -> Bands:
    return read_dicom(io.BytesIO(content), frame, 1_000_000)


def _values(values: NDArray[Any], frame: Frame = "first", **more: Any) -> NDArray[Any]:
    return _read(make_dicom(values, **more), frame).values[..., 0]


@pytest.mark.parametrize("syntax", [*ENCODERS, RLELossless, "1.2.840.10008.1.2.1"])
def test_the_usual_compressions_are_read(syntax: str) -> None:
    deep = RAMP // 16 if syntax.endswith(".50") else RAMP
    values = deep.astype(np.uint8) if syntax.endswith(".50") else deep
    lossy = 2 if syntax.endswith((".50", ".51")) else 0
    found = _values(values, syntax=syntax)
    assert np.abs(found.astype(int) - values).max() <= lossy * (1 if syntax.endswith(".50") else 16)


def test_the_limits_are_those_of_the_bits_stored() -> None:
    assert _read(make_dicom(RAMP)).limits == (0, 4095)
    assert _read(make_dicom(RAMP, bits=16)).limits == (0, 65535)
    assert _read(make_dicom(RAMP.astype(np.int16))).limits == (-2048, 2047)


def test_values_come_in_the_unit_of_the_rescale() -> None:
    found = _read(make_dicom(RAMP, RescaleSlope=1, RescaleIntercept=-1024))
    assert found.values[..., 0].tolist() == (RAMP.astype(int) - 1024).tolist()
    assert found.limits == (-1024.0, 3071.0)
    assert np.allclose(_values(RAMP, RescaleSlope=0.5, RescaleIntercept=1), RAMP * 0.5 + 1)


def test_the_window_of_the_file_is_its_first() -> None:
    assert _read(make_dicom(RAMP, WindowCenter=[40, 500], WindowWidth=[401, 1500])).window == (-160.5, 239.5)
    exact = make_dicom(RAMP, WindowCenter=40, WindowWidth=400, VOILUTFunction="LINEAR_EXACT")
    assert _read(exact).window == (-160, 240)
    assert _read(make_dicom(RAMP)).window is None
    assert _read(make_dicom(RAMP, WindowCenter=40, WindowWidth=0)).window is None


def test_small_values_of_monochrome1_are_bright() -> None:
    grey = scale_bands(_read(make_dicom(RAMP, PhotometricInterpretation="MONOCHROME1")), "data")
    assert (grey[0, 0, 0], grey[-1, -1, 0]) == (255, 0)


def test_the_first_or_the_middle_frame_is_read() -> None:
    frames = np.stack([RAMP * 0 + number for number in (10, 20, 30)])
    assert _values(frames)[0, 0] == 10
    assert _values(frames, "middle")[0, 0] == 20


def test_colour_comes_in_three_bands() -> None:
    colour = np.dstack([RAMP // 16, RAMP // 32, RAMP // 64]).astype(np.uint8)
    assert np.array_equal(_read(make_dicom(colour)).values, colour)


def test_an_old_file_without_a_preamble_is_read() -> None:
    assert np.array_equal(_read(make_dicom(RAMP)[132:]).values[..., 0], RAMP)


def test_a_file_without_a_picture_or_with_too_few_bytes_is_refused() -> None:
    content = make_dicom(RAMP)
    with pytest.raises(ValueError, match="expected"):
        _read(content[:-100])
    with pytest.raises(ValueError, match="without a picture"):
        _read(content[:300])
    with pytest.raises(ValueError, match="16 x 16 pixels are too many"):
        read_dicom(io.BytesIO(content), "first", 200)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subjects_are_digests(subject: Subject) -> None:
    ids: dict[str, Any] = {"PatientID": " 7 ", "StudyInstanceUID": "1.2.7", "SeriesInstanceUID": "1.2.8"}
    one, again = (read_subject(io.BytesIO(make_dicom(values, **ids)), subject) for values in (RAMP, RAMP // 2))
    ids = dict.fromkeys(ids, "9")
    other = read_subject(io.BytesIO(make_dicom(RAMP, **ids)), subject)
    assert one == again != other
    assert len(one) == 16
    assert read_subject(io.BytesIO(make_dicom(RAMP, PatientID="")), subject) == ""


def test_old_files_without_a_preamble_have_subjects() -> None:
    content = make_dicom(RAMP, PatientID="7")
    assert read_subject(io.BytesIO(content[132:]), "patient") == read_subject(io.BytesIO(content), "patient")


def test_a_file_without_a_header_has_no_subject() -> None:
    with pytest.raises(ValueError, match="DICOM"):
        read_subject(io.BytesIO(b"\x89PNG" * 99), "patient")


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("first", ["SpecificCharacterSet", "ImageType", None])
def test_an_old_file_without_any_header_of_its_own_is_read(implicit: bool, first: str | None) -> None:
    data = dcmread(io.BytesIO(make_dicom(RAMP, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")))
    if first is not None:
        setattr(data, first, "ISO_IR 100" if first == "SpecificCharacterSet" else ["ORIGINAL", "PRIMARY"])
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = implicit, True
    del data.file_meta
    write_dataset(out, data)
    content = out.getvalue()
    known = find_picture_format(content[:SIGNATURE_BYTES])
    assert known is not None
    assert known.name == "DICOM"
    assert np.array_equal(_read(content).values[..., 0], RAMP)


def test_padding_is_no_number_and_black() -> None:
    values = RAMP.astype(np.int16) - 1000
    values[0, :5] = -2000
    for photometric in ("MONOCHROME2", "MONOCHROME1"):
        more: dict[str, Any] = {"PixelPaddingValue": -2000, "RescaleSlope": 1, "RescaleIntercept": -24}
        bands = _read(make_dicom(values, **more, bits=16, PhotometricInterpretation=photometric))
        assert np.isnan(bands.values[0, :5, 0]).all()
        grey = scale_bands(bands, "data")[..., 0]
        assert not grey[0, :5].any()
        assert grey.min() == 0
        assert grey.max() == 255
        assert np.array_equal(bands.values[1:, :, 0], values[1:] - 24)


def test_a_lookup_table_is_applied_beside_padding_too() -> None:
    table = Dataset()
    table.add_new(0x00283002, "US", [4096, 0, 16])
    table.add_new(0x00283006, "OW", (65535 - np.arange(4096) * 16).astype("<u2").tobytes())
    plain = _read(make_dicom(RAMP, VOILUTSequence=[table]))
    padded = _read(make_dicom(RAMP, VOILUTSequence=[table], PixelPaddingValue=0))
    assert np.isnan(padded.values[0, 0, 0])
    assert np.array_equal(padded.values[1:], plain.values[1:])
    assert padded.window == plain.window == (0, 65535)


def test_values_that_do_not_begin_at_the_lowest_bit_are_refused() -> None:
    with pytest.raises(ValueError, match="its 12 bits end at bit 15"):
        _read(make_dicom(RAMP << 4, HighBit=15))
