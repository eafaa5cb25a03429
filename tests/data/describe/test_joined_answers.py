"""Answers of a key: labels of restaurants, which their photos share through a table of keys."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows

from pipeline.core.errors import InputError

TAGS = ("1 2", "2", "1 3", "3 1", "2 3", "1")


def restaurants(**more: str) -> Files:
    """Four photos of each of twelve restaurants, whose tags stand in a table of their own; two more to predict."""
    train = [(f"{100 + n}", f"r{n % 12}") for n in range(48)]
    test = [(f"{500 + n}", f"q{n % 2}") for n in range(8)]
    names = [f"train_photos/{i}.png" for i, _ in train] + [f"test_photos/{i}.png" for i, _ in test]
    return {
        **images(names),
        "train_photo_to_biz.csv": rows("photo,biz", *train),
        "test_photo_to_biz.csv": rows("photo,biz", *test),
        "train.csv": rows("biz,tags", *((f"r{n}", TAGS[n % 6]) for n in range(12))),
        "sample_submission.csv": rows("biz,tags", ("q0", "1 2 3"), ("q1", "1 2 3")),
        **more,
    }


def test_labels_of_a_key_are_joined_to_its_images_which_share_a_fold(root: Path) -> None:
    found = read(root, restaurants(), metric="micro_f1")
    train = found.train.model_dump()
    assert (train["table"], train["id"], train["label"]) == ("train_photo_to_biz.csv", "photo", "tags")
    assert train["answers"] == {"table": "train.csv", "key": "biz"}
    assert train["group"] == "biz"
    assert found.target.kind == "several_labels"
    unit = found.submission.unit
    assert unit is not None
    assert unit.train is not None
    assert unit.train.model_dump()["columns"] == ("biz",)


def test_tables_whose_answers_differ_are_not_chosen_between(root: Path) -> None:
    other = rows("biz,tags", *((f"r{n}", TAGS[n % 5]) for n in range(12)))
    with pytest.raises(InputError, match=r"can be read from old\.csv by biz, train\.csv by biz"):
        read(root, restaurants(**{"old.csv": other}), metric="micro_f1")
