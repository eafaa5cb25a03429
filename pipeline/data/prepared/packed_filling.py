"""Packed images decoded into a store: every file is read once, from its beginning to its end, with flat memory."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.layouts import Packed
from pipeline.core.progress import track_progress
from pipeline.data.containers.pictures import Picture, iterate_pictures
from pipeline.images.decoding import BrokenImageError, decode_array, decode_bytes
from pipeline.images.fitting import StorageForm, StoredImage
from pipeline.images.store import ImageFacts, Store

_MOST_PIXELS = 178_956_970  # Pillow's limit for decompression bombs


def fill_from_packed(
    store: Store, base: Path, packed: Packed, sources: Sequence[str], form: StorageForm
) -> list[ImageFacts]:
    """Decodes packed images into the rows of a store, row i from source i.

    Args:
        store: where the rows go.
        base: folder that ``sources`` are relative to.
        packed: how the files hold images.
        sources: ``<file>:<row>``, with rows from 1.
        form: size, channels and resize policy.

    Returns:
        The facts of each image, in the order of ``sources``; broken images are reported, not raised.

    Raises:
        InputError: a file cannot be read, or holds no pictures as ``packed`` says.
    """
    facts: list[ImageFacts] = [ImageFacts(broken="missing")] * len(sources)
    places: dict[str, dict[int, int]] = {}
    for place, source in enumerate(sources):
        file, _, row = source.rpartition(":")
        places.setdefault(file, {})[int(row)] = place
    with track_progress("decoding images", len(sources)) as advance:
        for file, rows in places.items():
            for number, picture in iterate_pictures(base / file, packed, rows):
                place = rows[number]
                try:
                    stored = _decode(picture, form, f"{base / file}, row {number}")
                except BrokenImageError as error:
                    facts[place] = ImageFacts(broken=str(error))
                else:
                    store.write(place, stored.pixels)
                    facts[place] = ImageFacts(
                        stored.width, stored.height, stored.hash, stored.perceptual_hash, lost=stored.lost
                    )
                advance(1)
    return facts


def _decode(picture: Picture, form: StorageForm, place: str) -> StoredImage:
    if isinstance(picture, bytes):
        return decode_bytes(picture, form, _MOST_PIXELS)
    try:
        return decode_array(picture, form)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
