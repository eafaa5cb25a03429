"""The image store: uint8 (n, size, size, channels) in a plain .npy file, filled by all cores with flat memory.

Workers write their rows straight into the file with ``pwrite``: a memory map would count every page that it touches as
resident memory, and sending pixels through a queue would copy them twice.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images
from pipeline.core.errors import InputError
from pipeline.core.files import require_space
from pipeline.core.progress import track_progress
from pipeline.images.decoding import BrokenImageError, decode_channels, decode_file
from pipeline.images.fitting import StorageForm

_ROOM = "free some space or lower storage.size in the competition's file"
_CHUNK = 64
# Bytes of image files that take about as long to decode (0.5 s) as another process takes to start.
_WORTH_A_PROCESS = 5_000_000


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Facts noted of one image while it was decoded.

    Attributes:
        width: of the original, after its EXIF orientation; 0 if it is broken.
        height: the same.
        hash: digest of the original's decoded pixels; empty if it is broken.
        perceptual_hash: equal for images that look the same; empty if it is broken.
        broken: the reason why the image cannot be read and its row is black; empty if it can.
        lost: the share of its rows that its file lacks.
    """

    width: int = 0
    height: int = 0
    hash: str = ""
    perceptual_hash: str = ""
    broken: str = ""
    lost: float = 0.0


@dataclass(frozen=True)
class Store:
    """A .npy file under construction.

    Attributes:
        path: the file.
        offset: bytes before the first row.
        row_bytes: bytes of one row.
    """

    path: Path
    offset: int
    row_bytes: int

    def write(self, row: int, pixels: Images) -> None:
        """Writes one row; any process may do so."""
        handle = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(handle, pixels.tobytes(), self.offset + row * self.row_bytes)
        finally:
            os.close(handle)


def create_store(path: Path, rows: int, form: StorageForm) -> Store:
    """Creates a store of black images.

    Raises:
        InputError: the disk has too little room.
    """
    row_bytes = form.size * form.size * form.channels
    require_space(path.parent, rows * row_bytes, _ROOM)
    header = {"descr": "|u1", "fortran_order": False, "shape": (rows, form.size, form.size, form.channels)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        offset = file.tell()
        file.truncate(offset + rows * row_bytes)
    return Store(path, offset, row_bytes)


def open_store(path: Path, rows: int | None = None) -> NDArray[np.uint8]:
    """Opens a store as a read-only memory map, uint8 (n, size, size, channels).

    Args:
        path: the file.
        rows: how many its index has, if they are to agree.

    Raises:
        InputError: no such file, or it is damaged, or holds another number of images.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro prepare`")
    try:
        images: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}); run `dvc repro -f prepare`") from error
    if rows is not None and len(images) != rows:
        raise InputError(f"{path} holds {len(images)} images, its index {rows} rows; run `dvc repro -f prepare`")
    return images


def fill_store(
    store: Store, base: Path, sources: Sequence[Sequence[str]], form: StorageForm, workers: int | None
) -> list[ImageFacts]:
    """Decodes image files into the rows of a store, row i from source i.

    Args:
        store: where the rows go.
        base: folder that ``sources`` are relative to.
        sources: the path of each image's file, or of its files, one for each channel.
        form: size, channels and resize policy.
        workers: processes; None takes one per core where that pays.

    Returns:
        The facts of each image, in the order of ``sources``; broken files are reported, not raised.
    """
    facts: list[ImageFacts] = [ImageFacts()] * len(sources)
    chunks = (
        (start, [[base / name for name in names] for names in sources[start : start + _CHUNK]])
        for start in range(0, len(sources), _CHUNK)
    )
    with track_progress("decoding images", len(sources)) as advance:
        for start, found in _run(store, form, chunks, _processes(base, sources, workers)):
            facts[start : start + len(found)] = found
            advance(len(found))
    return facts


def copy_rows(path: Path, rows: Sequence[int], target: Path) -> None:
    """Copies some rows of a finished store into a new one, one by one."""
    images = open_store(path)
    require_space(target.parent, len(rows) * images[0].nbytes, _ROOM)
    with target.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *images.shape[1:])}
        )
        for row in rows:
            file.write(images[row].tobytes())


def _processes(base: Path, sources: Sequence[Sequence[str]], workers: int | None) -> int:
    if workers is not None:
        return workers
    size = sum((base / name).stat().st_size for names in sources for name in names)
    return min(len(os.sched_getaffinity(0)), max(1, size // _WORTH_A_PROCESS))


Chunk = tuple[int, list[list[Path]]]


def _run(
    store: Store, form: StorageForm, chunks: Iterable[Chunk], processes: int
) -> Iterator[tuple[int, list[ImageFacts]]]:
    if processes == 1:
        for start, paths in chunks:
            yield start, _decode_chunk(store, form, start, paths)
        return
    # spawn: a forked child of a process with threads may hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        waiting = iter(chunks)
        running: dict[Future[list[ImageFacts]], int] = {}
        try:
            while True:
                # Two chunks per process keep every core busy, and nothing piles up.
                for start, paths in islice(waiting, 2 * processes - len(running)):
                    running[pool.submit(_decode_chunk, store, form, start, paths)] = start
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "a process that decodes images was killed, most likely for want of memory; "
                "lower prepare.workers in params.yaml"
            ) from error


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed: it holds both ends of its own queue and would wait for ever."""
    parent = parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def _decode_chunk(store: Store, form: StorageForm, start: int, images: Sequence[Sequence[Path]]) -> list[ImageFacts]:
    facts = []
    for row, paths in enumerate(images, start):
        try:
            image = decode_file(paths[0], form) if len(paths) == 1 else decode_channels(paths, form)
        except BrokenImageError as error:
            facts.append(ImageFacts(broken=str(error)))
            continue
        store.write(row, image.pixels)
        facts.append(ImageFacts(image.width, image.height, image.hash, image.perceptual_hash, lost=image.lost))
    return facts
