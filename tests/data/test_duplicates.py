"""Connected components and what is said about duplicates."""

import numpy as np
from support.fabricated import index

from pipeline.data.prepared.duplicates import find_duplicates, number_components

LINKS = ("group", "hash", "perceptual_hash")


def test_images_without_anything_in_common_stay_alone() -> None:
    assert number_components(index(["1", "2", "3"], [0, 0, 0]), LINKS).tolist() == [0, 1, 2]


def test_resemblance_passes_on_from_image_to_image() -> None:
    # 1 and 3 share a hash, 3 and 4 a perceptual hash, 4 and 6 a patient; 2 and 5 stay alone
    table = index(
        list("123456"),
        [0] * 6,
        groups=["", "", "", "ann", "", "ann"],
        hashes=["a", "b", "a", "d", "e", "f"],
        perceptual=["1", "2", "x", "x", "5", "6"],
    )
    assert number_components(table, LINKS).tolist() == [0, 1, 0, 0, 2, 0]


def test_an_empty_value_links_nothing() -> None:
    table = index(["1", "2"], [0, 0], perceptual=["", ""])
    assert number_components(table, LINKS).tolist() == [0, 1]


def test_only_the_columns_asked_for_link() -> None:
    table = index(["1", "2"], [0, 0], hashes=["a", "a"])
    assert number_components(table, ["group"]).tolist() == [0, 1]


def test_the_same_text_in_two_columns_links_nothing() -> None:
    table = index(["1", "2"], [0, 0], hashes=["a", "b"], perceptual=["b", "a"])
    assert number_components(table, LINKS).tolist() == [0, 1]


def test_components_are_numbered_by_first_appearance() -> None:
    random = np.random.default_rng(0)
    table = index([str(n) for n in range(200)], [0] * 200, hashes=[f"h{n}" for n in random.integers(0, 60, 200)])
    found = number_components(table, LINKS)
    first = [found.tolist().index(number) for number in range(found.max() + 1)]
    assert first == sorted(first)


def test_no_images_have_no_components() -> None:
    assert number_components(index([], []), LINKS).tolist() == []


def test_duplicates_are_found_within_train_and_across() -> None:
    train = index(list("1234"), [0, 1, 0, 0], hashes=list("aabc"), perceptual=list("1234"))
    test = index(["t1", "t2"], [-1, -1], hashes=["c", "z"], perceptual=["8", "3"])
    found = find_duplicates(train, test)
    assert found.sets == (("1", "2"),)
    assert found.conflicts == (("1", "2"),)
    assert found.across == ((("3",), ("t2",)), (("4",), ("t1",)))


def test_duplicates_of_one_label_are_no_conflict() -> None:
    train = index(["1", "2"], [1, 1], hashes=["a", "a"])
    assert find_duplicates(train, index([], [])).conflicts == ()


def test_user_groups_are_no_duplicates() -> None:
    train = index(["1", "2"], [0, 1], groups=["ann", "ann"])
    assert find_duplicates(train, index([], [])).sets == ()


def test_duplicates_within_test_alone_are_not_between_train_and_test() -> None:
    test = index(["t1", "t2"], [-1, -1], hashes=["a", "a"])
    assert find_duplicates(index(["1"], [0]), test).across == ()


def test_an_id_that_train_and_test_share_is_no_duplicate() -> None:
    train, test = index(["1"], [0]), index(["1"], [-1], hashes=["other"], perceptual=["other"])
    assert find_duplicates(train, test).across == ()


def test_the_report_counts_and_shows_examples() -> None:
    train = index(list("12345"), [0, 1, 0, 0, 0], hashes=list("aabbb"))
    lines = find_duplicates(train, index(["t"], [-1], hashes=["a"])).lines()
    assert lines == [
        "duplicates in train (5 images): 2 sets: 1=2, 3=4=5",
        "duplicates with different labels: 1 sets: 1=2",
        "duplicates between train and test: 1 sets: 1=2 ~ t",
    ]


def test_the_report_says_none_where_there_are_none() -> None:
    lines = find_duplicates(index(["1"], [0]), index(["t"], [-1])).lines()
    assert [line.rpartition(": ")[2] for line in lines] == ["none"] * 3
