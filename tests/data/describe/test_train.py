"""The training table and its classes, on small folders and zips of the shapes that competitions have."""

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.competition_files import (
    animals,
    cassava,
    cats,
    dog_breeds,
    flagged,
    images,
    labels,
    petals,
    pixels,
    plant_pathology,
    read,
    rows,
    seedlings,
    write,
)

from pipeline.core.answers import LabelSubmission, ProbabilitySubmission
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local


def test_dog_breed_identification_is_a_table_and_probabilities(root: Path) -> None:
    found = read(root, dog_breeds())
    assert found.train.model_dump(exclude_none=True) == {
        "layout": "csv_images",
        "images": "train",
        "table": "labels.csv",
        "id": "id",
        "label": "breed",
    }
    assert found.submission == ProbabilitySubmission(kind="probabilities", sample="sample_submission.csv", id="id")
    assert (found.test.layout, found.metric.name, found.storage.size) == ("images", "log_loss", 70)
    assert found.models == ("mobilenet_v2_224_logistic", "xception_299_logistic")


def test_digit_recognizer_is_pixels_numbered_from_one(root: Path) -> None:
    found = read(root, pixels())
    train, test = found.train.model_dump(), found.test.model_dump()
    assert (train["layout"], train["label"], train["id"], train["shape"]) == ("csv_pixels", "label", None, (8, 8))
    assert (test["table"], test["first_id"], test["id"]) == ("test.csv", 1, None)
    assert (found.submission.id, found.storage.channels, found.metric.name) == ("ImageId", 1, "accuracy")


def test_the_label_of_pixels_may_have_any_name(root: Path) -> None:
    files = pixels()
    files["train.csv"] = str(files["train.csv"]).replace("label", "digit", 1)
    assert read(root, files).train.model_dump()["label"] == "digit"


def test_a_column_may_hold_all_pixels_of_a_picture(root: Path) -> None:
    cells = [" ".join(str((n * k) % 256) for k in range(1, 101)) for n in range(1, 17)]
    files: dict[str, bytes | str] = {
        "train.csv": rows("emotion,pixels", *((n % 3, cells[n]) for n in range(12))),
        "test.csv": rows("pixels", *((cell,) for cell in cells[12:])),
        "sample_submission.csv": rows("Id,emotion", *((n, 0) for n in range(1, 5))),
    }
    found = read(root, files)
    train, test = found.train.model_dump(), found.test.model_dump()
    assert (train["layout"], train["label"], train["pixels"], train["shape"]) == (
        "csv_pixels",
        "emotion",
        "pixels",
        (10, 10),
    )
    assert (test["table"], test["pixels"], test["first_id"]) == ("test.csv", "pixels", 1)


def test_many_arrays_are_pictures_that_a_table_names(root: Path) -> None:
    names = [f"{n:02x}{(37 * n) % 256:02x}" for n in range(60)]
    files: dict[str, bytes | str] = {
        "train_labels.csv": rows("id,target", *((name, n % 2) for n, name in enumerate(names[:40]))),
        "sample_submission.csv": rows("id,target", *((name, 0.5) for name in names[40:])),
    }
    for n, name in enumerate(names):
        content = io.BytesIO()
        np.save(content, np.random.default_rng(n).normal(0, 2, (6, 30, 24)).astype(np.float16))
        files[f"{'train' if n < 40 else 'test'}/{name[0]}/{name}.npy"] = content.getvalue()
    found = read(root, files)
    train, test = found.train.model_dump(), found.test.model_dump()
    assert (train["layout"], train["images"], train["label"]) == ("csv_images", "train", "target")
    assert (test["images"], found.storage.channels) == ("test", 6)
    assert found.storage.range != "dtype"


@pytest.mark.parametrize("pairs", [{"0": "Blight", "1": "Healthy"}, {"Blight": 0, "Healthy": 1}])
def test_a_json_names_the_classes(root: Path, pairs: dict[str, object]) -> None:
    found = read(root, cassava(json.dumps(pairs)))
    assert found.class_names == {"0": "Blight", "1": "Healthy"}
    assert isinstance(found.submission, LabelSubmission)


@pytest.mark.parametrize(
    "text",
    [
        '{"0": "Blight", "1": "Blight"}',
        '{"0": "Blight", "1": ""}',
        '{"0": "Blight", "1": "Healthy", "2": "Mosaic"}',
        '{"0": "Blight"}',
        '{"0": ["Blight"], "1": ["Healthy"]}',
        '["Blight", "Healthy"]',
        "[" * 100_000,
        "no JSON",
    ],
)
def test_a_json_that_does_not_name_every_class_apart_names_none(root: Path, text: str) -> None:
    assert read(root, cassava(text)).class_names is None


def test_a_json_that_names_a_part_of_the_classes_is_marked_to_check(root: Path) -> None:
    read(root, cassava('{"0": "Blight", "1": "Healthy", "2": "Mosaic"}'))
    assert "# CHECK: label_num_to_disease_map.json names" in (root / "configs/competitions/shape.yaml").read_text()


def test_a_json_of_the_class_of_each_image_names_no_class(root: Path) -> None:
    files = {name: value for name, value in cats().items() if name.startswith("test/")}
    names = [f"{n}a.jpg" for n in range(8)]
    files |= {f"train/{name}": cats()["train/cat.0.jpg"] for name in names}
    files["labels.json"] = json.dumps({name: ("cat", "dog")[n % 2] for n, name in enumerate(names)})
    files["sample_submission.csv"] = rows("id,label", *((n, "cat") for n in range(1, 4)))
    assert read(root, files).class_names is None
    assert "labels.json names" not in (root / "configs/competitions/shape.yaml").read_text()


def test_two_jsons_that_name_the_classes_differently_name_none(root: Path) -> None:
    files = {**cassava('{"0": "Blight", "1": "Healthy"}'), "more.json": '{"0": "Healthy", "1": "Blight"}'}
    assert read(root, files).class_names is None
    assert "name the classes differently" in (root / "configs/competitions/shape.yaml").read_text()


def test_columns_of_0_and_1_that_the_sample_asks_for_are_classes_together(root: Path) -> None:
    found = read(root, plant_pathology(both=False))
    assert found.train.model_dump()["classes"] == ("rust", "scab")
    assert found.submission.kind == "probabilities"
    assert labels(root, found)["images/Train_1.jpg"] == "rust"


def test_columns_of_which_rows_mark_several_are_several_labels(root: Path) -> None:
    found = read(root, plant_pathology(both=True))
    assert found.target.kind == "several_labels"
    assert found.train.layout == "csv_one_hot"


def test_columns_of_0_and_1_that_nobody_asks_for_stop_with_all_readings(root: Path) -> None:
    with pytest.raises(InputError, match="--label 'ant,bee' or --label 'ant' or --label 'bee'"):
        read(root, flagged())


def test_columns_of_0_and_1_can_be_chosen_together(root: Path) -> None:
    found = read(root, flagged(), label="ant,bee")
    assert found.train.model_dump()["classes"] == ("ant", "bee")
    assert labels(root, found)["train/1.png"] == "ant"


def test_columns_of_0_and_1_that_mark_several_can_be_read_together_too(root: Path) -> None:
    files = flagged() | {"train.csv": rows("Id,ant,bee", *((n, n % 2, n % 3 // 2) for n in range(12)))}
    with pytest.raises(InputError, match="choose with --label 'ant,bee' or --label 'ant' or --label 'bee'"):
        read(root, files)


def test_a_class_that_no_row_marks_is_refused(root: Path) -> None:
    files = plant_pathology(both=False)
    for name in ("train.csv", "sample_submission.csv"):
        lines = str(files[name]).splitlines()
        files[name] = "\n".join([f"{lines[0]},healthy", *(f"{line},0" for line in lines[1:])]) + "\n"
    with pytest.raises(InputError, match="no row marks healthy"):
        read(root, files)


def test_plant_seedlings_is_a_folder_per_class(root: Path) -> None:
    found = read(root, seedlings())
    assert found.train.model_dump() == {"layout": "folders", "images": "train"}
    assert found.submission.model_dump(exclude={"positive", "names", "unit"}) == {
        "kind": "label",
        "sample": "sample_submission.csv",
        "id": "file",
        "label": "species",
    }


def test_dogs_vs_cats_reads_classes_from_file_names(root: Path) -> None:
    found = read(root, cats(), positive="dog")
    assert isinstance(found.submission, LabelSubmission)
    assert found.submission.positive == "dog"
    assert Counter(labels(root, found).values()) == {"cat": 4, "dog": 4}
    assert found.metric.name == "log_loss"


@pytest.mark.parametrize(
    "name", ["pug_{n}.png", "pug.{n}.png", "pug{n}.png", "pug ({n}).png", "{n}-pug.png", "{n}_pug.png"]
)
def test_classes_are_read_from_many_file_names(root: Path, name: str) -> None:
    files = cats() | {"sample_submission.csv": rows("id,label", *((n, "pug") for n in range(1, 4)))}
    train = [f"train/{name.format(n=n)}".replace("pug", breed) for breed in ("pug", "old_dog") for n in range(3)]
    files = {**{key: value for key, value in files.items() if not key.startswith("train/")}, **images(train)}
    if "(" in name:
        with pytest.raises(InputError, match="no training data"):
            read(root, files)
        return
    assert set(labels(root, read(root, files)).values()) == {"pug", "old_dog"}


def test_file_names_are_no_classes_beside_a_table_of_labels_that_fits_no_image(root: Path) -> None:
    files = cats() | {"train.csv": rows("id,label", *((f"z{n}", "xy"[n % 2]) for n in range(8)))}
    with pytest.raises(InputError, match=r"train\.csv has columns that look like labels.* choose --train 'train'"):
        read(root, files, positive="dog")
    assert read(root, files, positive="dog", train="train").train.layout == "file_names"


def test_an_id_column_of_pixels_is_found(root: Path) -> None:
    files = pixels()
    for name in ("train.csv", "test.csv"):
        lines = str(files[name]).splitlines()
        files[name] = (
            "\n".join(["key," + lines[0], *(f"{name[1]}{n},{line}" for n, line in enumerate(lines[1:]))]) + "\n"
        )
    files["sample_submission.csv"] = rows("key,label", *((f"e{n}", 0) for n in range(4)))
    found = read(root, files)
    assert (found.train.model_dump()["id"], found.test.model_dump()["id"]) == ("key", "key")


def test_class_numbers_that_no_folder_explains_are_refused(root: Path) -> None:
    files = petals() | {"sample_submission.csv": rows("id,label", *((f"t{n}", 7) for n in range(3)))}
    with pytest.raises(InputError, match="label holds 7, not among the 2 classes"):
        read(root, files, train="jpeg/train")


def test_two_possible_label_columns_stop_with_both(root: Path) -> None:
    files = animals() | {
        "train.csv": rows("Id,colour,kind", *((n, ("red", "blue")[n % 2], ("ant", "bee")[n % 2]) for n in range(12))),
        "sample_submission.csv": rows("Id,answer", *((n, "x") for n in range(3))),
    }
    with pytest.raises(InputError, match="--label 'colour' or --label 'kind'"):
        read(root, files)


def test_the_cells_of_the_sample_decide_between_label_columns(root: Path) -> None:
    files = animals() | {
        "train.csv": rows("Id,colour,kind", *((n, ("red", "blue")[n % 2], ("ant", "bee")[n // 6]) for n in range(12))),
        "sample_submission.csv": rows("Id,answer", *((n, "bee") for n in range(3))),
    }
    assert read(root, files).train.model_dump()["label"] == "kind"


def test_groups_too_few_for_the_folds_are_marked_to_check(root: Path) -> None:
    lines = ((n, f"p{n // 4}", ("ant", "bee")[n % 2]) for n in range(12))
    source = write(root, animals() | {"train.csv": rows("Id,patient_id,Category", *lines)})
    assert "check: patient_id of train.csv has 3 values, too few for 5 folds" in describe_local(root, source)


def test_the_label_column_can_be_chosen(root: Path) -> None:
    files = animals() | {
        "train.csv": rows("Id,colour,kind", *((n, ("red", "blue")[n % 2], ("ant", "bee")[n // 6]) for n in range(12)))
    }
    assert read(root, files, label="kind").train.model_dump()["label"] == "kind"


def test_a_flag_called_after_a_group_is_none(root: Path) -> None:
    """Of pictures of pets `Group` says whether there are several."""
    files = animals() | {"train.csv": rows("Id,Group,Category", *((n, n % 3 // 2, "ab"[n % 2]) for n in range(12)))}
    files["sample_submission.csv"] = rows("Id,Category", *((n, "a") for n in range(3)))
    assert "too few for" not in describe_local(root, write(root, files))


def test_a_measured_number_is_no_label(root: Path) -> None:
    files = animals() | {"train.csv": rows("Id,weight,Category", *((n, n % 3 + 0.5, "ab"[n % 2]) for n in range(12)))}
    files["sample_submission.csv"] = rows("Id,answer", *((n, "a") for n in range(3)))
    assert read(root, files).train.model_dump()["label"] == "Category"


@pytest.mark.parametrize(("count", "mirror"), [(10, False), (5, True)])
def test_ten_digits_as_classes_are_not_mirrored(root: Path, count: int, mirror: bool) -> None:
    files = pixels(n_train=40)
    lines = str(files["train.csv"]).splitlines()
    rest = [f"{n % count},{line.split(',', 1)[1]}" for n, line in enumerate(lines[1:])]
    assert read(root, files | {"train.csv": "\n".join([lines[0], *rest]) + "\n"}).mirror is mirror


def test_cells_that_may_be_sets_or_names_of_two_words_ask_for_the_kind(root: Path) -> None:
    labels = ("rust", "scab", "scab rust", "common rust")
    files = animals() | {
        "train.csv": rows("Id,Category", *((n, labels[n % 4]) for n in range(12))),
        "sample_submission.csv": rows("Id,Category", *((n, "rust") for n in range(3))),
    }
    with pytest.raises(InputError, match="--target 'one_class' or --target 'several_labels'"):
        describe_local(root, write(root, files))
