"""Images matched with the rows of tables, and what is left for a person to choose."""

from pathlib import Path

import pytest
from support.competition_files import Files, animals, dog_breeds, images, labels, petals, read, rows, seedlings, write

from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import ImageFiles


def test_test_ids_that_exist_among_the_training_images_mean_the_test_folder(root: Path) -> None:
    found = read(root, animals())
    assert found.train.model_dump()["images"] == "train"
    assert found.test.model_dump()["images"] == "test"
    assert found.models == ("mobilenet_v2_xception_logistic", "mobilenet_v2_inner_logistic")


def test_more_test_images_than_training_images_do_not_swap_the_folders(root: Path) -> None:
    found = read(root, animals(n_train=6, n_test=30))
    assert found.train.model_dump()["images"] == "train"
    assert found.test.model_dump()["images"] == "test"


def test_labels_follow_ids_and_not_positions(root: Path) -> None:
    files = animals()
    lines = str(files["train.csv"]).splitlines()
    found = read(root, files | {"train.csv": "\n".join([lines[0], *reversed(lines[1:])]) + "\n"})
    assert labels(root, found)["train/3.png"] == "bee"


def test_two_id_columns_that_mean_other_images_stop_with_both(root: Path) -> None:
    files = animals() | {
        "train.csv": rows("row,key,Category", *((n, 11 - n, ("ant", "bee")[n % 2]) for n in range(12)))
    }
    with pytest.raises(InputError, match="--id 'row' or --id 'key'"):
        read(root, files)


def test_two_tables_of_the_same_images_stop_with_both(root: Path) -> None:
    files = animals()
    with pytest.raises(InputError, match=r"--train 'other\.csv:train' or --train 'train\.csv:train'"):
        read(root, files | {"other.csv": files["train.csv"]})


def test_two_sizes_of_the_same_images_stop_with_both(root: Path) -> None:
    with pytest.raises(InputError, match=r"--train 'train\.csv:small' or --train 'train\.csv:train'"):
        read(root, animals() | images([f"small/{n}.png" for n in range(12)]))


def test_a_table_that_agrees_with_class_folders_is_taken(root: Path) -> None:
    files = seedlings()
    names = [name for name in files if name.startswith("train/")]
    table = rows("file,species", *((name.split("/")[2], name.split("/")[1]) for name in names))
    found = read(root, files | {"train.csv": table}).train.model_dump(exclude_defaults=True)
    assert (found["layout"], found["table"], found["label"]) == ("csv_images", "train.csv", "species")


def test_ids_that_are_paths_are_matched(root: Path) -> None:
    files = animals() | {
        "train.csv": rows("path,Category", *((f"train/{n}.PNG", ("ant", "bee")[n % 2]) for n in range(12)))
    }
    found = read(root, files)
    assert found.train.model_dump()["images"] == "."
    assert labels(root, found)["train/11.png"] == "bee"


def test_images_in_shards_are_matched_by_bare_name(root: Path) -> None:
    train = [f"k{n}" for n in range(8)]
    files: Files = {
        "train.csv": rows("id,label", *((name, "xy"[n % 2]) for n, name in enumerate(train))),
        "sample_submission.csv": rows("id,label", *((f"q{n}", "x") for n in range(3))),
        **images(
            [f"train/0{n % 2}/{name}.png" for n, name in enumerate(train)] + [f"test/00/q{n}.png" for n in range(3)]
        ),
    }
    found = read(root, files)
    assert found.train.model_dump()["images"] == "train"


def test_ids_without_an_image_are_marked_to_check(root: Path) -> None:
    files = animals()
    del files["train/11.png"]
    assert "check: 1 ids of train.csv have no image in train" in describe_local(root, write(root, files))


def test_images_that_no_row_names_are_marked_to_check(root: Path) -> None:
    source = write(root, animals() | images(["test/99.png"]))
    assert "1 images have no row in any table, prepare will refuse them: test/99.png" in describe_local(root, source)


def test_choices_that_choose_nothing_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="--label and --id choose columns of a table"):
        read(root, seedlings(), label="species")
    with pytest.raises(InputError, match=r"--positive is for a single column, sample_submission\.csv has 3"):
        read(root, dog_breeds(), positive="pug")


def test_petals_with_train_and_val_folders_stop_with_both(root: Path) -> None:
    with pytest.raises(InputError, match=r"--train 'jpeg/train' or --train 'jpeg/val'"):
        read(root, petals())


def test_petals_are_read_once_the_folder_is_chosen(root: Path) -> None:
    found = read(root, petals(), train="jpeg/train/")
    assert found.train.model_dump()["images"] == "jpeg/train"
    assert found.test.model_dump()["images"] == "jpeg/test"


def test_folders_that_alternate_with_the_rows_are_all_looked_at() -> None:
    ids = [f"{number:04d}" for number in range(2000)]
    paths = [f"{'even' if number % 2 == 0 else 'odd'}/{name}.png" for number, name in enumerate(ids)]
    found = ImageFiles(paths).matches("id", ids)
    assert [(match.folder, match.share) for match in found] == [(".", 1.0)]
    odd = ImageFiles([path for path in paths if path.startswith("odd")]).matches("id", ids)
    assert [(match.folder, match.share) for match in odd] == [("odd", 0.5)]
