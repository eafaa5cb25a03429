"""The filling of an image store, by all cores and with flat memory: from image files, or pictures out of packed files.

Workers write their rows straight into the file with ``pwrite``: a memory map would count every page that it touches as
resident memory, and sending pixels through a queue would copy them twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.processes import end_at_once_with_parent
from pipeline.core.progress import track_progress
from pipeline.core.room import count_cores
from pipeline.images.decoding import BrokenImageError, decode_array, decode_bytes, decode_channels, decode_file
from pipeline.images.fitting import StorageForm, StoredImage
from pipeline.images.slices import decode_slices
from pipeline.images.store import ImageFacts, Store

_CHUNK = 64
_MOST_PIXELS = 178_956_970  # Pillow's limit for decompression bombs
# Bytes of image files that take about as long to decode (0.5 s) as another process takes to start.
_WORTH_A_PROCESS = 5_000_000

# Row of the store, place for messages, and the picture: files, an encoded picture, or numbers.
PackedPicture = tuple[int, str, bytes | NDArray[Any]]
Chunk = list[tuple[int, str, list[Path] | bytes | NDArray[Any]]]
FilledRows = list[tuple[int, ImageFacts]]


def fill_store(
    store: Store, base: Path, sources: Sequence[Sequence[str]], form: StorageForm, workers: int | None
) -> list[ImageFacts]:
    """Decodes image files into the rows of a store, row i from source i.

    Args:
        store: where the rows go.
        base: folder that ``sources`` are relative to.
        sources: the path of each image's file, or of its files, one for each channel; none for a black row.
        form: size, channels and resize policy.
        workers: processes; None takes one per core where that pays.

    Returns:
        The facts of each image, in the order of ``sources``; broken files are reported, not raised.
    """
    chunks: Iterator[Chunk] = (
        [(row, "", [base / name for name in sources[row]]) for row in range(start, min(start + _CHUNK, len(sources)))]
        for start in range(0, len(sources), _CHUNK)
    )
    files = [base / name for names in sources for name in names]
    return _fill(store, form, chunks, len(sources), _processes(files, workers))


def fill_packed(
    store: Store, pictures: Iterable[PackedPicture], form: StorageForm, files: Sequence[Path], workers: int | None
) -> list[ImageFacts]:
    """Decodes pictures that come out of packed files into the rows of a store, with flat memory.

    Args:
        store: where the rows go.
        pictures: the row of the store, the place for messages, and the picture, encoded or as numbers.
        form: size, channels and resize policy.
        files: where they come from.
        workers: processes; None takes one per core where that pays.

    Returns:
        The facts of each image, in the order of the store; broken images are reported, not raised.

    Raises:
        InputError: numbers that are no grey levels, where the form states no range.
    """
    rows = store.count_rows()
    return _fill(store, form, _cut(pictures), rows, _processes(files, workers))


def _fill(store: Store, form: StorageForm, chunks: Iterable[Chunk], rows: int, processes: int) -> list[ImageFacts]:
    facts: list[ImageFacts] = [ImageFacts()] * rows
    with track_progress("decoding images", rows) as advance:
        for found in _run(store, form, chunks, processes):
            for row, each in found:
                facts[row] = each
            advance(len(found))
    return facts


def _cut(pictures: Iterable[PackedPicture]) -> Iterator[Chunk]:
    """Cuts pictures into chunks of a few megabytes: they wait in memory for a process."""
    chunk: Chunk = []
    size = 0
    for row, place, picture in pictures:
        chunk.append((row, place, picture))
        size += len(picture) if isinstance(picture, bytes) else picture.nbytes
        if len(chunk) == _CHUNK or size > _WORTH_A_PROCESS:
            yield chunk
            chunk, size = [], 0
    yield chunk


def _processes(files: Sequence[Path], workers: int | None) -> int:
    if workers is not None:
        return workers
    size = sum(path.stat().st_size for path in files)
    return min(count_cores(), max(1, size // _WORTH_A_PROCESS))


def _run(store: Store, form: StorageForm, chunks: Iterable[Chunk], processes: int) -> Iterator[FilledRows]:
    if processes == 1:
        for chunk in chunks:
            yield _decode_chunk(store, form, chunk)
        return
    # spawn: a forked child of a process with threads may hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=end_at_once_with_parent) as pool:
        waiting = iter(chunks)
        running: set[Future[FilledRows]] = set()
        try:
            while True:
                # Two chunks per process keep every core busy, and nothing piles up.
                for chunk in islice(waiting, 2 * processes - len(running)):
                    running.add(pool.submit(_decode_chunk, store, form, chunk))
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    running.remove(future)
                    yield future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "a process that decodes images was killed, most likely for want of memory; "
                "lower prepare.workers in params.yaml"
            ) from error


def _decode_chunk(store: Store, form: StorageForm, chunk: Chunk) -> FilledRows:
    found: FilledRows = []
    for row, place, picture in chunk:
        if isinstance(picture, list) and not picture:
            found.append((row, ImageFacts()))
            continue
        try:
            image = _decode(picture, place, form)
        except BrokenImageError as error:
            found.append((row, ImageFacts(broken=str(error))))
            continue
        store.write(row, image.pixels)
        facts = ImageFacts(image.width, image.height, image.hash, image.perceptual_hash, lost=image.lost)
        found.append((row, facts))
    return found


def _decode(picture: list[Path] | bytes | NDArray[Any], place: str, form: StorageForm) -> StoredImage:
    if isinstance(picture, list) and form.slices not in (None, "middle"):
        return decode_slices(picture, form)
    if isinstance(picture, list):
        return decode_file(picture[0], form) if len(picture) == 1 else decode_channels(picture, form)
    if isinstance(picture, bytes):
        return decode_bytes(picture, form, _MOST_PIXELS)
    try:
        return decode_array(picture, form)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
