"""Candidates for training data that the files rule out are not offered."""

from pathlib import Path

import pytest
from support.competition_files import Files, animals, images, labels, read, rows, seedlings, write

from pipeline.core.errors import InputError
from pipeline.data.describe.candidates import find_candidates
from pipeline.data.describe.description import describe_files
from pipeline.data.describe.listing import open_listing
from pipeline.data.describe.match import Choices, ImageFiles
from pipeline.data.describe.ruled_out import rule_out_candidates
from pipeline.data.describe.sample import find_sample

KINDS = ("ant", "bee")


def sharded(deep: bool) -> Files:
    """Images in folders by the first letters of their ids, of training and test alike."""
    train = [f"{'abcd'[k % 4]}{'xyz'[k % 3]}{k:02d}" for k in range(24)]
    test = [f"{'abcd'[k % 4]}{'xyz'[k % 3]}t{k}" for k in range(12)]

    def place(part: str, name: str) -> str:
        return f"{part}/{name[0]}/{name[1]}/{name}.png" if deep else f"{part}/{name[0]}/{name}.png"

    return {
        "train.csv": rows("id,mark_id", *((name, KINDS[k % 2]) for k, name in enumerate(train))),
        "sample_submission.csv": rows("id,marks", *((name, "ant 0.5") for name in test)),
        **images([place("train", name) for name in train] + [place("test", name) for name in test]),
    }


@pytest.mark.parametrize("deep", [True, False])
def test_folders_of_letters_are_no_training_sets_where_a_table_names_their_images(root: Path, deep: bool) -> None:
    with open_listing(write(root, sharded(deep))) as listing:
        files = ImageFiles(listing.images)
        sample = find_sample(listing, files, Choices())
        found = find_candidates(listing, files, ["train.csv"], sample, Choices())
        found, _ = rule_out_candidates(found, listing, files, sample)
    assert list(found) == ["train.csv:train"] if deep else "test" not in found


def test_chains_of_hotels_are_no_classes_where_the_sample_asks_for_a_column(root: Path) -> None:
    names = [f"{k % 3}/h{k}.png" for k in range(24)]
    files: Files = {
        "train.csv": rows("image,chain,hotel_id", *((f"h{k}.png", k % 3, f"hotel{k % 6}") for k in range(24))),
        "sample_submission.csv": rows("image,hotel_id", *((f"t{k}.png", "hotel0") for k in range(3))),
        **images([f"train_images/{name}" for name in names] + [f"test_images/t{k}.png" for k in range(3)]),
    }
    found = read(root, files)
    assert found.train.model_dump()["label"] == "hotel_id"
    assert labels(root, found)["train_images/0/h3.png"] == "hotel3"


def test_a_preview_of_the_class_folders_is_no_training_data(root: Path) -> None:
    files = seedlings()
    mine = [name for name in files if name.startswith("train/")]
    assert len(mine) > 4
    preview = {f"sample/{name.removeprefix('train/')}": files[name] for name in mine[::2]}
    assert read(root, files | preview).train.model_dump()["images"] == "train"


def test_a_labelled_table_of_the_test_images_is_no_training_data(root: Path) -> None:
    more = {"answers.csv": rows("Id,Category", *((f"test/{k}.png", KINDS[k % 2]) for k in range(3)))}
    assert read(root, animals() | more).train.model_dump()["table"] == "train.csv"


def test_a_table_whose_labels_contradict_the_folders_is_asked_for(root: Path) -> None:
    files: Files = {
        "list.csv": rows("img,colour", *((f"i{k}.png", ("red", "blue")[k // 6 % 2]) for k in range(24))),
        "sample_submission.csv": rows("img,answer", *((f"t{k}.png", "x") for k in range(3))),
        **images([f"train/{KINDS[k % 2]}/i{k}.png" for k in range(24)] + [f"test/t{k}.png" for k in range(3)]),
    }
    with pytest.raises(InputError, match=r"--train 'list\.csv:train' or --train 'train'"):
        read(root, files)


def test_rows_that_are_no_images_are_left_out(root: Path) -> None:
    files = dict(animals())
    files["train.csv"] = str(files["train.csv"]) + ".DS_Store,\n"
    found = read(root, files)
    assert found.leave_out is not None
    assert found.leave_out.ids == (".DS_Store",)


def test_rows_that_lack_their_answer_or_their_image_are_said_once_with_the_rule(tmp_path: Path) -> None:
    lines = str(animals()["train.csv"]).splitlines()
    files = animals() | {"train.csv": "\n".join([*lines[:3], "2,", *lines[4:], ".DS_Store,", "99,ant", "98,"]) + "\n"}
    found = describe_files(write(tmp_path / "root", files), Choices(), "accuracy")
    assert found.sections["leave_out"].section == {"ids": [".DS_Store", "98"], "no_label": True}
    assert [line for line in found.check if "row" in line or "ids" in line] == [
        "1 rows lack their answer and are left out, see leave_out",
        "1 ids of train.csv have no image in train (99): prepare will refuse them; add the files, or write "
        "leave_out: {no_image: true}",
    ]
    assert found.sections["train"].rows == 11


def test_a_table_that_lists_more_test_images_than_the_sample_is_taken(root: Path) -> None:
    files = animals(12, 6) | {
        "sample_submission.csv": rows("Id,Category", *((k, "ant") for k in range(3))),
        "test.csv": rows("Id", *((k,) for k in range(6))),
    }
    test = read(root, files).test.model_dump()
    assert (test["listed_by"], test["table"], test["id"]) == ("table", "test.csv", "Id")


def beside(test: str) -> Files:
    names = [f"{kind}/{k}.png" for kind in KINDS for k in range(4)] + [f"{test}/t{k}.png" for k in range(3)]
    return {"sample_submission.csv": rows("id,label", *((f"t{k}.png", "ant") for k in range(3))), **images(names)}


@pytest.mark.parametrize("test", ["test", "Test_images"])
def test_class_folders_may_lie_beside_the_test_images(root: Path, test: str) -> None:
    found = read(root, beside(test))
    assert (found.train.model_dump()["images"], found.test.model_dump()["images"]) == (".", test)
    assert set(labels(root, found).values()) == {"ant", "bee"}
    assert f"# CHECK: {test} is next to folders read as classes" in described(root)


def test_a_folder_beside_classes_that_is_not_the_chosen_one_of_test_images_is_no_class(root: Path) -> None:
    copies = images([f"small/inner/t{k}.png" for k in range(3)] + ["small/a.png"])
    with pytest.raises(InputError, match=r"test is next to folders of classes \(ant, bee.*\).*from small/inner"):
        read(root, {**beside("test"), **copies}, test="small/inner")


def test_stages_are_no_classes(root: Path) -> None:
    names = [f"stage_2_train/a{k}.png" for k in range(6)] + [f"stage_2_test/b{k}.png" for k in range(3)]
    long = rows("ID,Label", *((f"a{k}_{kind}", k % 2) for k in range(6) for kind in KINDS))
    sample = rows("ID,Label", *((f"b{k}_{kind}", 0.5) for k in range(3) for kind in KINDS))
    files: Files = {"stage_2_train.csv": long, "sample_submission.csv": sample, **images(names)}
    two = {**files, "stage_2_train.csv": long.replace("\n", ",1\n").replace("Label,1", "first,second")}
    with pytest.raises(InputError, match=r"are joined by ID of stage_2_train\.csv \(a0_ant\): choose the column of"):
        read(root, two)
    assert read(root, files).train.model_dump()["images"] == "stage_2_train"


@pytest.mark.parametrize("word", ["", "_images", "_png-2"])
def test_stages_with_more_behind_them_are_no_classes(root: Path, word: str) -> None:
    names = [f"stage_2_train{word}/a{k}.png" for k in range(6)] + [f"stage_2_test{word}/b{k}.png" for k in range(3)]
    boxes = rows("id,x,y,kind", *((f"a{k % 6}", k, 2 * k, k % 2) for k in range(18)))
    sample = rows("id,boxes", *((f"b{k}", "0.5 0 0 9 9") for k in range(3)))
    with pytest.raises(InputError, match=r"images are named more than once by id of boxes\.csv \(18 rows, 6 different"):
        read(root, {"boxes.csv": boxes, "sample_submission.csv": sample, **images(names)})


def test_ids_without_the_columns_of_the_sample_are_named(root: Path) -> None:
    files: Files = {
        "train.csv": rows("id,tall,heavy", *((f"a{k}", k + 0.5, k / 7) for k in range(12))),
        "sample_submission.csv": rows("id,height,mass", *((f"t{k}", 1.5, 2.5) for k in range(3))),
        **images([f"train/a{k}.png" for k in range(12)] + [f"test/t{k}.png" for k in range(3)]),
    }
    with pytest.raises(InputError, match=r"named by id of train\.csv, and no column of the sample is \(height, mass\)"):
        read(root, files)


def test_cells_of_many_numbers_that_make_no_square_are_named(root: Path) -> None:
    cell = " ".join(["12"] * 80)
    sample = rows("id,label", *((k, 0) for k in range(3)))
    files: Files = {
        "train.csv": rows("kind,pixels", *((k % 2, cell) for k in range(8))),
        "sample_submission.csv": sample,
    }
    with pytest.raises(InputError, match=r"cells of pixels of train\.csv hold many numbers each, but no square"):
        read(root, files)


def test_images_that_nothing_uses_are_listed_to_check(root: Path) -> None:
    read(root, seedlings() | images(["additional/a.png", "additional/b.png", "old/inner/c.png"]))
    assert "# CHECK: 3 images are used neither for training nor for testing; they are in additional, old/inner" in (
        described(root)
    )


def described(root: Path) -> str:
    return (root / "configs" / "competitions" / "shape.yaml").read_text()


@pytest.mark.parametrize(
    ("mine", "name", "head", "columns", "asked"),
    [
        ("labels.csv", "metadata.csv", "image,patient_id,view", ("p", "v"), "image,patient_id,prediction"),
        ("train.csv", "noisy.csv", "image,label", ("n",), "image,label"),
        ("train.csv", "train_metadata.csv", "image,maker,label", ("m", "b"), "image,label"),
    ],
)
def test_a_training_table_is_not_passed_over_in_silence(
    root: Path, mine: str, name: str, head: str, columns: tuple[str, ...], asked: str
) -> None:
    tests = [(f"t{k}", *("x" * asked.count(","))) for k in range(3)]
    files: Files = {
        mine: rows("image,kind", *((f"a{k}", KINDS[k // 3 % 2]) for k in range(24))),
        name: rows(head, *((f"a{k}", *(f"{column}{k // 4}" for column in columns)) for k in range(24))),
        "sample_submission.csv": rows(asked, *tests),
        **images([f"train/a{k}.png" for k in range(24)] + [f"test/t{k}.png" for k in range(3)]),
    }
    with pytest.raises(InputError, match=rf"can be read in 2 ways; choose with --train .*{mine}:train"):
        read(root, files)


def test_a_folder_of_training_below_one_that_is_called_after_a_test_is_offered(root: Path) -> None:
    paths = [f"{place}/{KINDS[k % 2]}/{k}.png" for place in ("blood_test_images/train", "extras") for k in range(12)]
    sample = rows("id,label", *((f"t{k}", "ant") for k in range(3)))
    files = images([*paths, *(f"blood_test_images/test/t{k}.png" for k in range(3))])
    with pytest.raises(InputError, match="--train 'blood_test_images/train' or --train 'extras'"):
        read(root, {"sample_submission.csv": sample, **files})


def numbered(test: str) -> dict[str, bytes | str]:
    names = [f"training/{kind}_{n * 7}.png" for kind in range(11) for n in range(2)]
    tests = [test.format(n) for n in range(4)]
    sample = rows("Id,Category", *((name.removesuffix(".png"), 0) for name in tests))
    return {"sample_submission.csv": sample, **images([*names, *(f"testing/{name}" for name in tests)])}


def test_numbers_of_classes_before_numbers_are_classes_where_the_sample_shows_them(root: Path) -> None:
    """Food-11: ``3_17.jpg`` is the eighteenth image of class 3, and the tests are called 0000.jpg."""
    found = labels(root, read(root, numbered("{:04d}.png")))
    assert found == {f"training/{kind}_{n * 7}.png": str(kind) for kind in range(11) for n in range(2)}


def test_numbers_that_tests_are_called_by_too_are_no_classes(root: Path) -> None:
    with pytest.raises(InputError, match="holds no training data that could be read"):
        read(root, numbered("11_{}.png"))
