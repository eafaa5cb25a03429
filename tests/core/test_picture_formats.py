import io
from pathlib import Path

import pytest
from PIL import Image

from pipeline.core import picture_formats
from pipeline.core.layouts import IMAGE_SUFFIXES


@pytest.mark.parametrize("name", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "QOI"])
def test_a_format_is_known_by_its_first_bytes(name: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, name)
    known = picture_formats.find_picture_format(out.getvalue()[: picture_formats.SIGNATURE_BYTES])
    assert known is not None
    assert known.name == name


def test_no_suffix_stands_for_two_formats() -> None:
    assert len(set(IMAGE_SUFFIXES)) == len(IMAGE_SUFFIXES)
    assert picture_formats.find_suffix_format("a/B.JPEG") == "JPEG"
    assert picture_formats.find_suffix_format("a.eps") is None


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "HTML page"),
        (b'<?xml version="1.0"?><Error><Code>', "error message of a web site"),
        (b"<svg xmlns=", "SVG drawing"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS drawing"),
        (b"PK\x03\x04", "zip archive"),
        (bytes(512), "are zero"),
        (b"\0\0\0\x18ftypmp42", "film"),
        (b"404: Not Found", "text: '404: Not Found'"),
        (b"", "empty file"),
    ],
)
def test_what_is_no_picture_is_named(head: bytes, words: str) -> None:
    assert picture_formats.find_picture_format(head) is None
    assert words in picture_formats.describe_content(head)


def test_a_sound_file_in_the_container_of_webp_is_no_picture() -> None:
    assert picture_formats.find_picture_format(b"RIFF\0\0\0\0WAVE") is None
    assert picture_formats.find_picture_format(b"RIFF\0\0\0\0WEBP") is not None


def test_the_page_about_competitions_holds_the_table_of_formats() -> None:
    page = (Path(__file__).parents[2] / "docs" / "competitions.md").read_text(encoding="utf-8")
    assert picture_formats.format_picture_table() in page
