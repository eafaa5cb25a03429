"""SIFT descriptors and visual words: images without keypoints, grids, counts worked by hand, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import tiny

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.images.sift import Sift, SiftExtractor
from pipeline.training.classic import local_features
from pipeline.training.classic.local_features import LocalFeatures, extract_descriptors, open_descriptors
from pipeline.training.classic.visual_words import count_bins, count_words, learn_vocabulary

DENSE = {"size": 32, "dense": 8, "patches": [12], "words": 4, "sample": 400}


def section(**changes: object) -> Sift:
    return parse({"name": "sift", **changes}, Sift, "a test")


def pictures(count: int = 4, size: int = 24, channels: int = 3) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    drawn = np.stack([tiny.stripes(tiny.CLASSES[row % 3], size, rng, channels) for row in range(count)])
    return drawn if channels == 3 else drawn[..., None]


def constant(size: int = 24) -> NDArray[np.uint8]:
    return np.full((1, size, size, 3), 90, dtype=np.uint8)


def by_hand(places: list[tuple[float, float]], counts: list[int]) -> LocalFeatures:
    """Two kinds of descriptor in turn: all in the first bin, all in the last."""
    descriptors = np.zeros((len(places), 128), dtype=np.uint8)
    descriptors[::2, 0] = 200
    descriptors[1::2, 127] = 200
    starts = np.cumsum([0, *counts], dtype=np.int64)
    return LocalFeatures(descriptors, np.array(places, dtype=np.float32).reshape(-1, 2), starts)


VOCABULARY = np.stack([np.eye(128)[0], np.eye(128)[127]]).astype(np.float32)


def test_a_grid_has_as_many_points_as_fit_for_each_patch() -> None:
    found = extract_descriptors(pictures(), section(**{**DENSE, "patches": [12, 20]}))
    assert np.diff(found.starts).tolist() == [2 * 4 * 4] * 4
    assert found.descriptors.dtype == np.uint8


def test_a_grid_lies_symmetrically() -> None:
    places = extract_descriptors(pictures(1), section(**DENSE)).places
    assert places.min() > 0
    middle = (32 - 1) / 2 / 32
    assert (places - middle).sum(axis=0).tolist() == pytest.approx([0, 0], abs=1e-4)


def test_the_keypoints_that_sift_finds_are_at_most_as_many_as_asked_for() -> None:
    images = pictures(size=48)
    many, few = extract_descriptors(images, section()), extract_descriptors(images, section(most=5))
    assert np.diff(many.starts).min() > 5
    assert np.diff(few.starts).tolist() == [5] * 4
    assert ((few.places >= 0) & (few.places < 1)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_are_described(channels: int) -> None:
    assert extract_descriptors(pictures(channels=channels), section()).descriptors.any()


def test_an_image_without_keypoints_has_no_descriptors_and_an_empty_histogram() -> None:
    images = np.concatenate([pictures(2), constant(), pictures(1)])
    found = extract_descriptors(images, section())
    counts = np.diff(found.starts)
    assert counts[2] == 0
    assert counts[[0, 1, 3]].all()
    out = count_words(found, np.arange(4), VOCABULARY, section(words=2, pyramid=[1, 2]))
    assert out.any(axis=1).tolist() == [True, True, False, True]
    assert np.isfinite(out).all()


def test_a_grid_on_a_constant_image_gives_finite_numbers() -> None:
    found = extract_descriptors(constant(), section(**DENSE))
    assert np.isfinite(count_words(found, np.arange(1), VOCABULARY, section(**DENSE | {"words": 2}))).all()


def test_images_without_a_single_keypoint_among_them_are_kept_and_read(tmp_path: Path) -> None:
    for _ in range(2):
        found = open_descriptors(tmp_path / "train.descriptors", constant(), False, section(), 1)
        assert found.descriptors.shape == (0, 128)
        assert found.starts.tolist() == [0, 0]
    assert not count_words(found, np.arange(1), VOCABULARY, section(words=2)).any()


def test_words_are_counted_in_each_cell_of_the_pyramid() -> None:
    # The first image: words 0, 1, 0 at top left, bottom right, top right; the second has none.
    found = by_hand([(0.1, 0.1), (0.9, 0.9), (0.6, 0.3)], [3, 0])
    out = count_words(found, np.arange(2), VOCABULARY, section(words=2, pyramid=[1, 2]))
    shares = [2 / 3, 1 / 3, 1, 0, 1, 0, 0, 0, 0, 1]
    assert (out[0] ** 2).tolist() == pytest.approx(shares)
    assert out.shape == (2, count_bins(section(words=2, pyramid=[1, 2])))
    assert not out[1].any()


def test_rows_come_in_the_order_asked_for() -> None:
    found = by_hand([(0.1, 0.1), (0.9, 0.9)], [1, 1])
    out = count_words(found, np.array([1, 0]), VOCABULARY, section(words=2))
    assert out.tolist() == [[0, 1], [1, 0]]


def test_what_is_kept_is_what_was_described_whatever_the_threads(tmp_path: Path) -> None:
    images, wanted = pictures(70), section()
    plain = extract_descriptors(images, wanted)
    for workers in (1, 3):
        kept = open_descriptors(tmp_path / f"{workers}.descriptors", images, False, wanted, workers)
        assert np.array_equal(kept.descriptors, plain.descriptors)
        assert np.array_equal(kept.places, plain.places)
        assert np.array_equal(kept.starts, plain.starts)


def test_mirror_images_are_described_as_such(tmp_path: Path) -> None:
    images = pictures()
    kept = open_descriptors(tmp_path / "mirrored.descriptors", images, True, section(), 1)
    assert np.array_equal(kept.descriptors, extract_descriptors(images[:, :, ::-1], section()).descriptors)


def test_what_is_kept_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_descriptors(tmp_path / "train.descriptors", pictures(), False, section(), 1)

    def refuse(*_: object) -> None:
        raise AssertionError("described again")

    monkeypatch.setattr(local_features, "extract_descriptors", refuse)
    open_descriptors(tmp_path / "train.descriptors", pictures(), False, section(), 1)


def test_a_pass_that_was_killed_leaves_nothing_and_the_next_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures(70)

    def fail(batch: NDArray[np.uint8], wanted: Sift) -> LocalFeatures:
        if len(batch) < 32:
            raise KeyboardInterrupt
        return extract_descriptors(batch, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(local_features, "extract_descriptors", fail)
        with pytest.raises(KeyboardInterrupt):
            open_descriptors(tmp_path / "train.descriptors", images, False, section(), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["train.lock"]
    kept = open_descriptors(tmp_path / "train.descriptors", images, False, section(), 1)
    assert np.array_equal(kept.descriptors, extract_descriptors(images, section()).descriptors)


def test_the_vocabulary_is_the_same_bits_twice_and_follows_its_seed() -> None:
    found, wanted = extract_descriptors(pictures(8), section(**DENSE)), section(**DENSE | {"sample": 60})
    first = learn_vocabulary(found, np.arange(8), wanted, 1)
    assert first.tobytes() == learn_vocabulary(found, np.arange(8), wanted, 1).tobytes()
    assert first.tobytes() != learn_vocabulary(found, np.arange(8), wanted, 2).tobytes()


def test_the_vocabulary_sees_only_the_rows_it_is_given() -> None:
    images, wanted = pictures(8), section(**DENSE)
    other = images.copy()
    other[6:] = 255 - other[6:, ::-1]
    words = [
        learn_vocabulary(extract_descriptors(each, wanted), np.arange(6), wanted, 0).tobytes()
        for each in (images, other)
    ]
    assert words[0] == words[1]
    seen = [
        learn_vocabulary(extract_descriptors(each, wanted), np.arange(8), wanted, 0).tobytes()
        for each in (images, other)
    ]
    assert seen[0] != seen[1]


def test_root_sift_compares_square_roots_of_shares() -> None:
    found = by_hand([(0.1, 0.1)] * 4, [4])
    words = learn_vocabulary(found, np.arange(1), section(words=2, sample=4), 0)
    assert sorted(words.max(axis=1).tolist()) == [1, 1]
    plain = learn_vocabulary(found, np.arange(1), section(words=2, sample=4, root=False), 0)
    assert plain.max() == pytest.approx(200 / 512)


def test_too_few_keypoints_for_the_words_are_refused() -> None:
    with pytest.raises(InputError, match=r"1 training images have 0 keypoints, too few for 300 words; lower words"):
        learn_vocabulary(extract_descriptors(constant(), section()), np.arange(1), section(), 0)


def test_a_grid_wider_than_the_images_is_refused() -> None:
    with pytest.raises(InputError, match="dense is 40, the images are 24 pixels wide; lower dense or raise size"):
        SiftExtractor(section(size=None, dense=40, patches=[12]), 24)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dense": 8}, "dense and patches go together"),
        ({"patches": [12]}, "dense and patches go together"),
        ({"dense": 8, "patches": [4]}, "patches must be 8 or more pixels"),
        ({"dense": 8, "patches": [12], "most": 9}, "most is for the keypoints that SIFT finds"),
        ({"pyramid": [0]}, "pyramid 1 or more"),
        ({"words": 10, "sample": 9}, r"sample \(9\) must not be less than words \(10\)"),
        ({"word": 10}, "unknown key word; did you mean words"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        section(**changes)
