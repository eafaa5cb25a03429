"""Archives of every kind, made of the bytes of their members."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping

import py7zr
from backports import zstd

Members = Mapping[str, bytes]


def make_zip(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def make_seven(members: Members, password: str | None = None) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", password=password) as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return out.getvalue()


def make_tar(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}
MAKE: dict[str, Callable[[Members], bytes]] = {
    "zip": make_zip,
    "7z": make_seven,
    "tar": make_tar,
    "tgz": lambda members: gzip.compress(make_tar(members)),
    **{
        f"tar.{ending}": lambda members, ending=ending: COMPRESS[ending](make_tar(members))  # type: ignore[misc]
        for ending in COMPRESS
    },
}


def cut(content: bytes, name: str, count: int) -> dict[str, bytes]:
    """Cuts a file as `split` and 7-Zip do: name.001, name.002, and so on."""
    step = -(-len(content) // count)
    return {f"{name}.{part + 1:03d}": content[part * step : (part + 1) * step] for part in range(count)}
