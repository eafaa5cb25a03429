"""Files that no reader takes: named in every refusal and in the summary, with their kind and what would help."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from pipeline.core.archives.kinds import PACKED_VOLUMES, is_part_name
from pipeline.core.errors import InputError, some
from pipeline.core.files import is_hidden
from pipeline.core.layouts import IMAGE_SUFFIXES
from pipeline.data.containers.formats import ROW_SUFFIXES, strip_shard
from pipeline.data.describe.listing import TABLE_SUFFIXES, Listing

_NAME_ENCODINGS = ("cp932", "gb18030", "cp949", "cp866", "cp1252")
_UNPACK = "unpack it and give the folder"
_CSV = "save it as CSV"
_PICTURES = "save its pictures as PNG or TIFF"
# Ending -> kind, and the way on.
_KINDS = {
    (".rar",): ("RAR archives", _UNPACK),
    (".z",): ("files of Unix compress", _UNPACK),
    (".lz4",): ("LZ4 files", _UNPACK),
    (".lzma", ".lz", ".lzo", ".br"): ("files of a rare compression", _UNPACK),
    (".cab", ".arj", ".iso", ".dmg", ".ace", ".lzh"): ("disk images or archives of a rare kind", _UNPACK),
    (".xlsx", ".xls", ".xlsm", ".ods"): ("workbooks", "save the sheet as CSV"),
    (".mat",): ("MATLAB files", "save the arrays as NPY or HDF5"),
    (".pkl", ".pickle", ".joblib", ".pt", ".pth"): ("Python pickles, which can run code", "save the arrays as NPY"),
    (".rds", ".rdata", ".feather", ".arrow", ".orc", ".avro"): ("tables", "save it as CSV or Parquet"),
    (".sqlite", ".sqlite3", ".db", ".mdb"): ("databases", _CSV),
    (".lmdb", ".zarr", ".rec"): ("stores of arrays", _PICTURES),
    (".nii", ".mha", ".mhd", ".nrrd"): ("volumes", _PICTURES),
    (".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".nd2", ".lif"): ("microscope files", _PICTURES),
    (".eps", ".svg", ".ai", ".psd", ".raw", ".cr2", ".nef", ".dng", ".arw"): ("pictures to be rendered", _PICTURES),
    (".mp4", ".avi", ".mov", ".mkv", ".webm", ".wmv"): ("videos", _PICTURES),
    (".wav", ".mp3", ".flac", ".ogg"): ("sounds", "leave it"),
}
_PARTS = ("parts of archives whose other parts are missing", "put all parts into one folder, with their own names")
_SHARDS = ("parts of a set without an ending", "give them that of their format, such as .tfrec")
_BESIDE = (
    *(
        ".txt",
        ".md",
        ".rst",
        ".pdf",
        ".doc",
        ".docx",
        ".rtf",
        ".html",
        ".htm",
        ".xml",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
    ),
    *(".py", ".ipynb", ".r", ".m", ".sh", ".cfg", ".log", ".bib", ".tex", ".license", ".names", ".css", ".js"),
    ".json",
)


@contextmanager
def unread_named(listing: Listing) -> Iterator[None]:
    """Adds the files that no reader takes to every refusal: one of them may hold what is missing."""
    try:
        yield
    except InputError as error:
        words = format_unread(listing)
        lines = [str(error), *([f"Not read: {words}"] if words else []), *check_names(listing)]
        if len(lines) > 1:
            raise InputError(". ".join(lines)) from error
        raise


def format_unread(listing: Listing) -> str:
    """Names the files of a listing that no reader takes, kind by kind; the empty string where there are none."""
    closed = {} if listing.packed is None else listing.packed.closed
    words = [f"{path} stays packed: {reason}; {_open_by_hand(reason)}" for path, reason in closed.items()]
    if listing.nested:
        words.append(f"archives inside a folder are not opened, unpack them first: {some(listing.nested)}")
    left = [path for path in listing.members if path not in closed and path not in listing.nested]
    left = [path for path in left if path not in listing.bare_images]
    for (kind, way), paths in _group(left).items():
        words.append(f"{len(paths):,} {kind} ({some(paths, 3)}): {way}")
    return "; ".join(words)


def check_names(listing: Listing) -> tuple[str, ...]:
    """Says of archives that do not state the encoding of their names how these are read, and could be."""
    lines = []
    for archive, name in ({} if listing.packed is None else listing.packed.guessed).items():
        raw, others = name.encode("cp437"), []
        for encoding in _NAME_ENCODINGS:
            with suppress(UnicodeDecodeError):
                others.append(f"{raw.decode(encoding)!r} in {encoding}")
        lines.append(
            f"{archive} does not state the encoding of its names: {name!r} is read as cp437, and would be "
            f"{some(others, len(others))}; where one of these is right, unpack it with that encoding (unzip -O) and "
            "give the folder"
        )
    return tuple(lines)


def _open_by_hand(reason: str) -> str:
    if "encrypted" in reason:
        return "unpack it with its password and give the folder"
    return "get it again, or unpack it by hand and give the folder"


def _group(paths: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Groups paths by kind and way on; files that are read, or hold no data, are left out."""
    known = {ending: kind for endings, kind in _KINDS.items() for ending in endings}
    taken = {*IMAGE_SUFFIXES, *TABLE_SUFFIXES, *ROW_SUFFIXES, *_BESIDE}
    groups: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        name = path[:-3] if path.lower().endswith(PACKED_VOLUMES) else path
        ending = "." + strip_shard(name).rpartition(".")[2].lower()
        if is_part_name(path) and ending not in known and ending not in taken:  # a.zip.csv is a table
            groups.setdefault(_PARTS, []).append(path)
        elif strip_shard(name) != name and ending not in taken:
            groups.setdefault(_SHARDS, []).append(path)
        elif ending not in taken and not ("/." in f"/{path}" and is_hidden(PurePosixPath(path))):
            other = ("files of no kind that is known", "see docs/competitions.md for what is read")
            groups.setdefault(known.get(ending, other), []).append(path)
    return groups
