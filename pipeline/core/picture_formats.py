"""Picture formats that are read, known by their first bytes; and names for what lies under a picture's name instead.

The list is closed: a reader that starts another program (EPS) or that nobody maintains is not asked.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureFormat:
    """A format of picture files.

    Attributes:
        name: as Pillow calls it, where Pillow reads it.
        title: for people.
        suffixes: of its files, in lower case; the first is the usual one.
        signatures: (offset, bytes) pairs, of which one stands in each file.
        holds: depth and channels that are read.
        reader: the library that decodes it.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    signatures: tuple[tuple[int, bytes], ...]
    holds: str
    reader: str = "Pillow"


_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
# Group length (with or without its type), character set, image type, class: the first element of a file of DICOM.
_OLD_DICOM = (b"\x08\0\0\0UL", b"\x08\0\0\0\4\0\0\0", b"\x08\0\5\0", b"\x08\0\x08\0", b"\x08\0\x16\0")
PICTURE_FORMATS = (
    PictureFormat("PNG", "PNG", (".png", ".apng"), ((0, b"\x89PNG\r\n\x1a\n"),), "1 to 16 bits; grey, palette, RGB"),
    PictureFormat(
        "JPEG",
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        ((0, b"\xff\xd8\xff"),),
        "8 bits; grey, RGB, CMYK; 12 bits, lossless and JPEG-LS",
        "Pillow, imagecodecs",
    ),
    PictureFormat("BMP", "BMP", (".bmp", ".dib"), ((0, b"BM"),), "1 to 8 bits; grey, palette, RGB"),
    PictureFormat("GIF", "GIF", (".gif",), ((0, b"GIF87a"), (0, b"GIF89a")), "8 bits, palette; the first frame"),
    PictureFormat(
        "TIFF",
        "TIFF",
        (".tif", ".tiff", ".btf", ".svs", ".ndpi"),
        ((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
        "1 to 32 bits, signed, floating point; any number of bands; the first or middle page",
        "Pillow, tifffile",
    ),
    PictureFormat("WEBP", "WebP", (".webp",), ((8, b"WEBP"),), "8 bits; RGB; the first frame"),
    PictureFormat(
        "AVIF", "AVIF", (".avif", ".avifs"), ((4, b"ftypavif"), (4, b"ftypavis")), "8 to 12 bits; RGB; the first frame"
    ),
    PictureFormat(
        "HEIF",
        "HEIC",
        (".heic", ".heif", ".hif"),
        tuple((4, b"ftyp" + brand) for brand in _HEIF_BRANDS),
        "8 to 12 bits; RGB; the main picture",
        "pi-heif",
    ),
    PictureFormat(
        "JPEG XL",
        "JPEG XL",
        (".jxl",),
        ((0, b"\xff\x0a"), (0, b"\0\0\0\x0cJXL \r\n\x87\n")),
        "8 to 16 bits, floating point; grey, RGB",
        "imagecodecs",
    ),
    PictureFormat(
        "JPEG2000",
        "JPEG 2000",
        (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
        ((0, b"\0\0\0\x0cjP  \r\n\x87\n"), (0, b"\xff\x4f\xff\x51")),
        "8 to 16 bits, signed; grey, RGB, any number of bands",
        "Pillow, imagecodecs",
    ),
    PictureFormat(
        "PPM",
        "PPM",
        (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
        tuple(
            (0, b"P" + kind + blank)
            for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"f")
            for blank in (b"\n", b" ", b"\r", b"\t")
        ),
        "1 to 16 bits, floating point; grey, RGB",
    ),
    PictureFormat("QOI", "QOI", (".qoi",), ((0, b"qoif"),), "8 bits; RGB"),
    PictureFormat(
        "DICOM",
        "DICOM",
        (".dcm", ".dicom"),
        # Old files begin with their first elements, without the preamble.
        ((128, b"DICM"), (0, b"\2\0\0\0UL"), *((0, start) for start in _OLD_DICOM)),
        "8 to 16 bits, signed; rescaled to its unit; the first or middle frame; uncompressed, RLE, JPEG (also 12 bits "
        "and lossless), JPEG-LS, JPEG 2000 (also HTJ2K)",
        "pydicom, imagecodecs",
    ),
    PictureFormat(
        "NPY",
        "NumPy array",
        (".npy",),
        ((0, b"\x93NUMPY"),),
        "8 to 64 bits, signed, floating point; rows and columns, with bands before or behind them",
        "NumPy",
    ),
)
SIGNATURE_BYTES = 512  # of a file that `find_picture_format` and `describe_content` want

# What is found under a picture's name and is none: its first bytes, and words for people.
_OTHERS = (
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer instead of the picture; run `git lfs pull`"),
    (b"%!PS", "an EPS drawing, which only another program could paint; convert it to PNG"),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing, which only another program could paint; convert it to PNG"),
    (b"%PDF", "a PDF document; convert it to PNG"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"8BPS", "a Photoshop file; convert it to PNG"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet table"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "a document or thumbnail file of Windows"),
    (b"\0\5\x16\7", "a resource file of macOS, not the picture it is named after; delete it"),
    (b"\0\0\1\0", "a Windows icon; convert it to PNG"),
    (b"DDS ", "a DDS texture; convert it to PNG"),
    (b"SIMPLE  =", "a FITS file; convert it to TIFF"),
    (b"II\xbc\x01", "a JPEG XR picture; convert it to PNG"),
    (b"v/1\x01", "an OpenEXR picture; convert it to TIFF"),
    (b"#?RADIANCE", "a Radiance HDR picture; convert it to TIFF"),
    (b"P7\n", "a PAM picture; convert it to PNG"),
    (b"PF\n", "a PFM picture in colour; convert it to TIFF"),
    (b"gimp xcf", "a GIMP file; convert it to PNG"),
    (b"NRRD", "an NRRD volume; convert it to TIFF"),
    (b"RIFF", "a sound or film file"),
    (b"OggS", "a sound or film file"),
    (b"\x1aE\xdf\xa3", "a film file"),
    (b"ID3", "a sound file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_MARKUP = (
    (b"<svg", "an SVG drawing; convert it to PNG"),
    (b"<!doctype html", "an HTML page, such as a web site sends in place of a file; fetch it again"),
    (b"<html", "an HTML page, such as a web site sends in place of a file; fetch it again"),
    (b"<error", "an error message of a web site (XML); fetch it again"),
)


def find_picture_format(head: bytes) -> PictureFormat | None:
    """Returns the format that the first bytes of a file belong to; None if it is no picture that is read."""
    for known in PICTURE_FORMATS:
        if any(head[at : at + len(sign)] == sign for at, sign in known.signatures):
            return known if known.name != "WEBP" or head.startswith(b"RIFF") else None
    return None


def find_suffix_format(path: str) -> str | None:
    """Returns the name of the format that a file should hold by its suffix; None for a suffix of no picture."""
    lower = path.lower()
    return next((known.name for known in PICTURE_FORMATS if lower.endswith(known.suffixes)), None)


def describe_content(head: bytes) -> str:
    """Names what the first bytes of a file are that is no picture."""
    if not head:
        return "empty file"
    for sign, words in _OTHERS:
        if head.startswith(sign):
            return f"not an image but {words}"
    if head[4:8] == b"ftyp":
        return "not an image but a film file"
    if not head.strip(b"\0"):
        return f"not an image: its first {len(head)} bytes are zero, as unfinished downloads leave them; fetch it again"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for sign, words in _MARKUP:
        if text.startswith(sign) or (text.startswith(b"<?xml") and sign in text):
            return f"not an image but {words}"
    if all(letter in b"\t\n\r" or letter >= 32 for letter in head) and _is_text(head):
        line = head.decode("utf-8", "ignore").strip().splitlines()
        return f"not an image but text: {line[0][:60]!r}" if line else "not an image but blanks"
    return "not an image"


def _is_text(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a letter may be cut
    return True


def format_picture_table() -> str:
    """Formats the table of docs/competitions.md: every format, its suffixes, what is read of it, and by what."""
    rows = [
        f"| {known.title} | {', '.join(f'`{suffix}`' for suffix in known.suffixes)} | {known.holds} | {known.reader} |"
        for known in PICTURE_FORMATS
    ]
    return "\n".join(["| format | files | read are | by |", "|---|---|---|---|", *rows])
