"""Near-duplicates: copies whose hashes differ by a few bits, and what only has their outline."""

import io
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.fabricated import TEST, TRAIN, write_params, write_repository

from pipeline.core.arrays import Images
from pipeline.core.paths import folds_path
from pipeline.core.tables import read_folds, read_index, write_index
from pipeline.data.prepared.near_duplicates import compare_details, find_near_duplicates, pair_hashes
from pipeline.images.hashing import hash_appearance
from pipeline.stages import split


def photographs(count: int, side: int = 64, channels: int = 3) -> NDArray[np.uint8]:
    """Makes pictures of soft blotches with detail, each unlike the others."""
    random = np.random.default_rng(0)
    made = np.zeros((count, side, side, channels), dtype=np.float32)
    for parts, strength in ((5, 150), (12, 60), (30, 40)):
        rough = random.random((count, parts, parts, channels), dtype=np.float32) * strength
        for place, each in enumerate(rough):
            whole = cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC)
            made[place] += whole.reshape(side, side, channels)
    return made.clip(0, 255).astype(np.uint8)


def recode(pixels: NDArray[np.uint8], quality: int = 40) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def hashes_of(images: Images) -> list[str]:
    return [hash_appearance(Image.fromarray(each), f"{place:032x}") for place, each in enumerate(images)]


def flip(digits: str, *bits: int) -> str:
    return f"{int(digits, 16) ^ sum(1 << bit for bit in bits):016x}"


def find(images: Images, hashes: list[str]) -> list[list[int]]:
    found: list[list[int]] = find_near_duplicates(hashes, lambda rows: images[rows]).pairs.tolist()
    return found


def test_copies_whose_hashes_differ_by_a_few_bits_are_found_and_equal_hashes_left_to_others() -> None:
    images = photographs(40)
    images[20], images[31], images[33] = recode(images[4]), recode(images[9]), images[10]
    hashes = hashes_of(images)
    hashes[20], hashes[31] = flip(hashes[4], 0, 17, 63), flip(hashes[9], 1, 2, 3, 4, 5, 6)
    assert find(images, hashes) == [[4, 20], [9, 31]]


def test_pixels_decide_where_hashes_are_alike() -> None:
    images = photographs(40)
    hashes = hashes_of(images)
    hashes[20] = flip(hashes[4], 5)
    assert find(images, hashes) == []


def test_pictures_of_one_outline_with_other_details_are_no_copies() -> None:
    images = photographs(2)
    soft = np.stack([cv2.resize(cv2.resize(each, (8, 8), interpolation=cv2.INTER_AREA), (64, 64)) for each in images])
    alike = np.stack([soft[0] // 2 + noise for noise in np.random.default_rng(1).integers(0, 20, (2, 64, 64, 1))])
    whole = np.corrcoef(alike.reshape(2, -1))[0, 1]
    detail = compare_details(alike[:1], alike[1:])[0]
    assert whole > 0.8
    assert abs(detail) < 0.4


@pytest.mark.parametrize(("length", "kept"), [(40, True), (60, False)])
def test_a_long_chain_of_pictures_that_are_somewhat_alike_is_no_set(length: int, kept: bool) -> None:
    one, other = np.random.default_rng(0).normal(0, 40, (2, 64, 64, 1))
    turns = np.linspace(0, 2 * np.pi, length, endpoint=False)
    images = np.stack([np.cos(turn) * one + np.sin(turn) * other + 128 for turn in turns]).clip(0, 255).astype(np.uint8)
    noise = np.random.default_rng(1).normal(0, 20, images.shape)
    images = (images + noise).clip(0, 255).astype(np.uint8)
    hashes = [f"{(1 << place) - 1:016x}" for place in range(length)]
    found = find_near_duplicates(hashes, lambda rows: images[rows])
    pairs = set(map(tuple, found.pairs.tolist()))
    assert {(place, place + 1) for place in range(length - 1)} <= pairs if kept else not pairs
    assert found.chained.tolist() == ([] if kept else list(range(length)))
    assert any("pairs of 60 images in chains" in line for line in found.lines()) != kept


def test_what_has_no_perceptual_hash_is_like_no_other() -> None:
    images = np.zeros((3, 16, 16, 1), dtype=np.uint8)
    assert find(images, ["0" * 32, "0" * 31 + "1", "broken-7"]) == []
    assert find(images[:0], []) == []


def test_pictures_without_detail_correlate_with_nothing() -> None:
    assert compare_details(np.zeros((2, 16, 16, 3), np.uint8), np.full((2, 16, 16, 3), 9, np.uint8)).tolist() == [0, 0]


@pytest.mark.parametrize("side", [8, 16, 30, 64])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_an_image_is_its_own_copy_at_any_size(side: int, channels: int) -> None:
    images = photographs(3, side, channels)
    assert compare_details(images, images) == pytest.approx(1)
    assert compare_details(images[:2], images[1:]).max() < 0.7


@pytest.mark.parametrize("changed", range(1, 8))
def test_up_to_six_bits_may_differ_wherever_they_lie(changed: int) -> None:
    random = np.random.default_rng(changed)
    hashes = random.integers(0, 2**64, 2000, dtype=np.uint64)
    wanted = []
    for place in range(0, 200, 2):
        bits = random.choice(64, changed, replace=False)
        hashes[place + 1] = hashes[place] ^ np.uint64(sum(1 << int(bit) for bit in bits))
        wanted.append(sorted(hashes[place : place + 2].tolist()))
    ordered = np.unique(hashes)
    found = ordered[pair_hashes(ordered, 10000)[0]].tolist()
    assert sorted(found) == (sorted(wanted) if changed <= 6 else [])


def test_all_pairs_are_those_of_comparing_every_pair() -> None:
    random = np.random.default_rng(0)
    centres = random.integers(0, 2**64, 20, dtype=np.uint64)
    noise = np.bitwise_and.reduce(random.integers(0, 2**64, (4, 400), dtype=np.uint64))
    hashes = np.unique(np.repeat(centres, 20) ^ noise)
    apart = np.bitwise_count(hashes[:, None] ^ hashes)
    every = np.argwhere(np.triu(apart <= 6, 1)).tolist()
    pairs, crowded = pair_hashes(hashes, 10000)
    assert sorted(pairs.tolist()) == every
    assert not len(crowded)
    every.sort(key=lambda pair: (apart[*pair], pair))
    pairs, crowded = pair_hashes(hashes, 30)
    assert pairs.tolist() == every[:30]
    assert crowded.tolist() == sorted({place for pair in every[30:] for place in pair})


def test_of_hashes_in_a_crowd_few_pairs_are_held_at_a_time_and_those_that_lost_some_are_named() -> None:
    crowd = np.unique(np.random.default_rng(0).integers(0, 2**24, 4000, dtype=np.uint64))
    tracemalloc.start()
    pairs, crowded = pair_hashes(crowd, 2 * len(crowd))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs) == 2 * len(crowd)
    assert len(crowded) > 0.9 * len(crowd)
    assert peak < 4e6  # all that are found at once: 16 MB


def test_large_pictures_are_compared_few_at_a_time() -> None:
    hashes = [f"{(1 << place) - 1:016x}" for place in range(8)]
    tracemalloc.start()
    found = find_near_duplicates(hashes, lambda rows: np.zeros((len(rows), 512, 512, 3), np.uint8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not len(found.pairs)
    assert len(found.crowded)  # 8 images have 16 pairs compared: more are near
    assert any("looked for in part" in line for line in found.lines())
    assert peak < 50e6


@pytest.mark.parametrize(
    ("section", "found"), [({}, True), ({"group_near": False}, False), ({"group_duplicates": False}, False)]
)
def test_the_split_lets_near_duplicates_share_a_fold_and_names_those_of_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: dict[str, object], found: bool
) -> None:
    root = write_repository(tmp_path)
    write_params(root, ["one"], split={"n_splits": 3} | section)
    images = {"train": photographs(TRAIN + TEST)[:TRAIN], "test": photographs(TRAIN + TEST)[TRAIN:]}
    images["train"][40], images["test"][7] = recode(images["train"][8], 90), recode(images["train"][8], 80)
    hashes = hashes_of(images["train"]), hashes_of(images["test"])
    hashes[0][40], hashes[1][7] = flip(hashes[0][8], 3, 4), flip(hashes[0][8], 60)
    for part, own in zip(images, hashes, strict=True):
        path = root / "data" / "prepared" / f"{part}.csv"
        write_index(path, read_index(path).assign(perceptual_hash=own))
        np.save(path.with_name(f"{part}_images.npy"), images[part])
    split.run(root)
    printed = capsys.readouterr().out
    assert ("near-duplicates in train (2 images): 1 sets: 8=40" in printed) == found
    assert ("near-duplicates between train and test (1 test images): " in printed) == found
    assert ("8 ~ t7" in printed) == found
    group = read_folds(folds_path(root)).set_index("id")["group"]
    assert (group["8"] == group["40"]) == found
