"""Inference on small folders and zips of the shapes that competitions have; what it reads, the layouts must list."""

import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.archive import unpack_archive
from pipeline.core.competition import Competition, LabelSubmission, ProbabilitySubmission, load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.records import list_records

BREEDS = ("boxer", "dingo", "pug")
Files = Mapping[str, bytes | str]


def image(seed: int, size: tuple[int, int] = (20, 20), grey: bool = False, kind: str = "PNG") -> bytes:
    shape = (size[1], size[0]) if grey else (size[1], size[0], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype("uint8")
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def images(names: Sequence[str], size: tuple[int, int] = (20, 20), grey: bool = False) -> dict[str, bytes]:
    return {name: image(seed, size, grey) for seed, name in enumerate(names)}


def rows(header: str, *lines: Sequence[object]) -> str:
    return "\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n"


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    models = tmp_path / "repo" / "configs" / "models"
    models.mkdir(parents=True)
    for file in (Path(__file__).parents[3] / "configs" / "models").glob("*.yaml"):
        (models / file.name).write_text("")
    return tmp_path / "repo"


def write(root: Path, files: Files) -> Path:
    """Lays files out as a folder outside the repository."""
    folder = root.parent / "shape"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(root: Path, files: Files, metric: str | None = None, **choices: str) -> Competition:
    """Describes files as a zip, unpacks it as fetch does, and lists every image that was written."""
    source = root.parent / "shape.zip"
    source.write_bytes(zipped(files))
    describe_local(root, source, None, Choices(**choices), metric)
    competition = load_competition(root, "shape")
    unpack_archive(source, root / "unpacked")
    list_records(root / "unpacked", competition)
    return competition


def labels(root: Path, competition: Competition) -> dict[str, str | None]:
    return {record.source: record.label for record in list_records(root / "unpacked", competition)[0]}


def dog_breeds() -> dict[str, bytes | str]:
    train, test = [f"a{n}" for n in range(9)], [f"b{n}" for n in range(4)]
    return {
        "labels.csv": rows("id,breed", *((name, BREEDS[n % 3]) for n, name in enumerate(train))),
        "sample_submission.csv": rows("id," + ",".join(BREEDS), *((name, 0.3, 0.3, 0.4) for name in test)),
        **images([f"train/{name}.png" for name in train] + [f"test/{name}.png" for name in test], (90, 70)),
    }


def cactus() -> dict[str, bytes | str]:
    train, test = [f"{n}c.jpg" for n in range(8)], [f"{n}d.jpg" for n in range(4)]
    return {
        "train.csv": rows("id,has_cactus", *((name, n % 2) for n, name in enumerate(train))),
        "sample_submission.csv": rows("id,has_cactus", *((name, 0.5) for name in test)),
        "train.zip": zipped(images([f"train/{name}" for name in train], (32, 32))),
        "test.zip": zipped(images([f"test/{name}" for name in test], (32, 32))),
    }


def cats() -> dict[str, bytes | str]:
    names = [f"train/{name}.{n}.jpg" for name in ("cat", "dog") for n in range(4)]
    sample = rows("id,label", *((n, 0.5) for n in range(1, 4)))
    return {"sample_submission.csv": sample, **images([*names, *(f"test/{n}.jpg" for n in range(1, 4))])}


def seedlings() -> dict[str, bytes | str]:
    classes = ("Black-grass", "Sugar beet")
    names = [f"train/{name}/{n}{name[0]}.png" for name in classes for n in range(3)]
    sample = rows("file,species", *((f"t{n}.png", "Sugar beet") for n in range(3)))
    return {"sample_submission.csv": sample, **images([*names, *(f"test/t{n}.png" for n in range(3))])}


def animals(n_train: int = 12, n_test: int = 3) -> dict[str, bytes | str]:
    return {
        "train.csv": rows("Id,Category", *((n, ("ant", "bee")[n % 2]) for n in range(n_train))),
        "sample_submission.csv": rows("Id,Category", *((n, "ant") for n in range(n_test))),
        **images([f"train/{n}.png" for n in range(n_train)] + [f"test/{n}.png" for n in range(n_test)], (32, 32)),
    }


def pixels(n_train: int = 12, n_test: int = 4, side: int = 8) -> dict[str, bytes | str]:
    names = ",".join(f"pixel{n}" for n in range(side * side))
    values = np.random.default_rng(0).integers(0, 256, (n_train + n_test, side * side))
    return {
        "train.csv": rows("label," + names, *((n % 3, *values[n]) for n in range(n_train))),
        "test.csv": rows(names, *values[n_train:]),
        "sample_submission.csv": rows("ImageId,Label", *((n, 0) for n in range(1, n_test + 1))),
    }


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
    assert found.models == ("mobilenet_v2_frozen_160", "xception_frozen_160")


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


def cassava(names_of_labels: str) -> Files:
    names = [f"{n}.jpg" for n in range(100, 110)]
    return {
        "train.csv": rows("image_id,label", *((name, n % 2) for n, name in enumerate(names))),
        "sample_submission.csv": rows("image_id,label", ("7.jpg", 1)),
        "label_num_to_disease_map.json": names_of_labels,
        **images([*(f"train_images/{name}" for name in names), "test_images/7.jpg"]),
    }


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


def test_two_jsons_that_name_the_classes_differently_name_none(root: Path) -> None:
    files = {**cassava('{"0": "Blight", "1": "Healthy"}'), "more.json": '{"0": "Healthy", "1": "Blight"}'}
    assert read(root, files).class_names is None
    assert "name the classes differently" in (root / "configs/competitions/shape.yaml").read_text()


def plant_pathology(both: bool) -> dict[str, bytes | str]:
    names = [f"Train_{n}" for n in range(6)]
    marks = [(name, n % 2, 1 if both else 1 - n % 2) for n, name in enumerate(names)]
    return {
        "train.csv": rows("image_id,rust,scab", *marks[:-1], ("Train_5", 1, 0)),
        "test.csv": rows("image_id", *((f"Test_{n}",) for n in range(3))),
        "sample_submission.csv": rows("image_id,rust,scab", *((f"Test_{n}", 0.5, 0.5) for n in range(3))),
        **images([f"images/{name}.jpg" for name in [*names, *(f"Test_{n}" for n in range(3))]]),
    }


def test_columns_of_0_and_1_that_the_sample_asks_for_are_classes_together(root: Path) -> None:
    found = read(root, plant_pathology(both=False))
    assert found.train.model_dump()["classes"] == ("rust", "scab")
    assert found.submission.kind == "probabilities"
    assert labels(root, found)["images/Train_1.jpg"] == "rust"


def test_several_labels_per_image_are_refused_by_their_first_row(root: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"row 2 \(id Train_1\) marks rust, scab with 1, .*no layout reads several labels per image",
    ):
        describe_local(root, write(root, plant_pathology(both=True)))


def flagged() -> dict[str, bytes | str]:
    """Columns of 0 and 1 that the sample submission does not ask for."""
    marks = ((n, n % 2, 1 - n % 2) for n in range(12))
    return animals() | {
        "train.csv": rows("Id,ant,bee", *marks),
        "sample_submission.csv": rows("Id,kind", *((n, "ant") for n in range(3))),
    }


def test_columns_of_0_and_1_that_nobody_asks_for_stop_with_all_readings(root: Path) -> None:
    with pytest.raises(InputError, match="--label 'ant,bee' or --label 'ant' or --label 'bee'"):
        read(root, flagged())


def test_columns_of_0_and_1_can_be_chosen_together(root: Path) -> None:
    found = read(root, flagged(), label="ant,bee")
    assert found.train.model_dump()["classes"] == ("ant", "bee")
    assert labels(root, found)["train/1.png"] == "ant"


def test_columns_of_0_and_1_that_do_not_sum_to_one_are_no_reading_together(root: Path) -> None:
    files = flagged() | {"train.csv": rows("Id,ant,bee", *((n, n % 2, n % 3 // 2) for n in range(12)))}
    with pytest.raises(InputError, match="choose with --label 'ant' or --label 'bee'"):
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
    assert found.submission.model_dump(exclude={"positive"}) == {
        "kind": "label",
        "sample": "sample_submission.csv",
        "id": "file",
        "label": "species",
    }


def test_dogs_vs_cats_asks_whose_probability_is_wanted(root: Path) -> None:
    with pytest.raises(InputError, match="--positive 'cat' or --positive 'dog'"):
        read(root, cats())


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


def test_choices_that_choose_nothing_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="--label and --id choose columns of a table"):
        read(root, seedlings(), label="species")
    with pytest.raises(InputError, match=r"--positive is for a single column, sample_submission\.csv has 3"):
        read(root, dog_breeds(), positive="pug")


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


def test_aerial_cactus_looks_into_nested_zips(root: Path) -> None:
    found = read(root, cactus())
    assert isinstance(found.submission, LabelSubmission)
    assert found.submission.positive == "1"
    assert found.train.model_dump()["images"] == "train"
    assert (found.storage.size, found.metric.name) == (32, "log_loss")


def test_nested_zips_of_a_folder_must_be_unpacked_first(root: Path) -> None:
    with pytest.raises(InputError, match=r"unpack them first: test\.zip, train\.zip"):
        describe_local(root, write(root, cactus()))


def test_nested_zips_that_would_unpack_over_each_other_are_refused(root: Path) -> None:
    files = cactus() | {"train.zip": zipped(images(["1.jpg"])), "test.zip": zipped(images(["1.jpg"]))}
    with pytest.raises(InputError, match=r"would unpack over 1\.jpg"):
        read(root, files)


def petals() -> dict[str, bytes | str]:
    names = [
        f"jpeg/{part}/{name}/{part}{n}{name}.jpeg"
        for part in ("train", "val")
        for name in ("iris", "rose")
        for n in range(3)
    ]
    sample = rows("id,label", *((f"t{n}", "iris") for n in range(3)))
    return {"sample_submission.csv": sample, **images([*names, *(f"jpeg/test/t{n}.jpeg" for n in range(3))])}


def test_petals_with_train_and_val_folders_stop_with_both(root: Path) -> None:
    with pytest.raises(InputError, match=r"--train 'jpeg/train' or --train 'jpeg/val'"):
        read(root, petals())


def test_petals_are_read_once_the_folder_is_chosen(root: Path) -> None:
    found = read(root, petals(), train="jpeg/train/")
    assert found.train.model_dump()["images"] == "jpeg/train"
    assert found.test.model_dump()["images"] == "jpeg/test"


def test_class_numbers_that_no_folder_explains_are_refused(root: Path) -> None:
    files = petals() | {"sample_submission.csv": rows("id,label", *((f"t{n}", 7) for n in range(3)))}
    with pytest.raises(InputError, match="label holds 7, not among the 2 classes"):
        read(root, files, train="jpeg/train")


def test_without_a_sample_submission_it_says_what_was_looked_for(root: Path) -> None:
    files = {name: content for name, content in animals().items() if not name.startswith("sample")}
    with pytest.raises(InputError, match="no sample submission: looked for a CSV whose name holds"):
        read(root, files)


def test_test_ids_that_exist_among_the_training_images_mean_the_test_folder(root: Path) -> None:
    found = read(root, animals())
    assert found.train.model_dump()["images"] == "train"
    assert found.test.model_dump()["images"] == "test"
    assert found.models == ("mobilenet_v2_frozen", "xception_frozen")


def test_more_test_images_than_training_images_do_not_swap_the_folders(root: Path) -> None:
    found = read(root, animals(n_train=6, n_test=30))
    assert found.train.model_dump()["images"] == "train"
    assert found.test.model_dump()["images"] == "test"


def test_labels_follow_ids_and_not_positions(root: Path) -> None:
    files = animals()
    lines = str(files["train.csv"]).splitlines()
    found = read(root, files | {"train.csv": "\n".join([lines[0], *reversed(lines[1:])]) + "\n"})
    assert labels(root, found)["train/3.png"] == "bee"


def test_two_possible_label_columns_stop_with_both(root: Path) -> None:
    files = animals() | {
        "train.csv": rows("Id,colour,kind", *((n, ("red", "blue")[n % 2], ("ant", "bee")[n % 2]) for n in range(12)))
    }
    with pytest.raises(InputError, match="--label 'colour' or --label 'kind'"):
        read(root, files)


def test_a_column_of_patients_is_marked_to_check(root: Path) -> None:
    lines = ((n, f"p{n // 4}", ("ant", "bee")[n % 2]) for n in range(12))
    source = write(root, animals() | {"train.csv": rows("Id,patient_id,Category", *lines)})
    assert "check: patient_id of train.csv repeats: write train.group: patient_id if" in describe_local(root, source)


def test_the_label_column_can_be_chosen(root: Path) -> None:
    files = animals() | {
        "train.csv": rows("Id,colour,kind", *((n, ("red", "blue")[n % 2], ("ant", "bee")[n // 6]) for n in range(12)))
    }
    assert read(root, files, label="kind").train.model_dump()["label"] == "kind"


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


def test_a_table_and_class_folders_of_the_same_images_stop_with_both(root: Path) -> None:
    files = seedlings()
    names = [name for name in files if name.startswith("train/")]
    table = rows("file,species", *((name.split("/")[2], name.split("/")[1]) for name in names))
    with pytest.raises(InputError, match=r"--train 'train\.csv:train' or --train 'train'"):
        read(root, files | {"train.csv": table})


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
    with pytest.raises(InputError, match=r"--train 'train\.csv:train' or --train 'train'"):
        read(root, files)
    found = read(root, files, train="train.csv")
    assert found.train.model_dump()["images"] == "train"


def test_a_measured_number_is_no_label(root: Path) -> None:
    files = animals() | {"train.csv": rows("Id,weight,Category", *((n, n % 3 + 0.5, "ab"[n % 2]) for n in range(12)))}
    files["sample_submission.csv"] = rows("Id,answer", *((n, "a") for n in range(3)))
    assert read(root, files).train.model_dump()["label"] == "Category"


def test_a_label_placeholder_that_is_no_class_is_marked_to_check(root: Path) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((n, "unknown") for n in range(3)))}
    source = write(root, files)
    assert "check: Category holds unknown, which is not a class" in describe_local(root, source)


def test_columns_of_another_spelling_are_mapped(root: Path) -> None:
    sample = rows("id,class_Boxer,class_Dingo,class_Pug", *((f"b{n}", 0.3, 0.3, 0.4) for n in range(4)))
    found = read(root, dog_breeds() | {"sample_submission.csv": sample})
    assert isinstance(found.submission, ProbabilitySubmission)
    assert found.submission.columns == {f"class_{name.title()}": name for name in BREEDS}


def test_columns_that_fit_no_class_are_refused(root: Path) -> None:
    sample = rows("id,boxer,dingo,poodle", *((f"b{n}", 0.3, 0.3, 0.4) for n in range(4)))
    with pytest.raises(InputError, match="columns without a class poodle; classes without a column pug"):
        read(root, dog_breeds() | {"sample_submission.csv": sample})


def test_a_sample_whose_ids_name_no_image_is_refused(root: Path) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((f"z{n}", "ant") for n in range(3)))}
    with pytest.raises(
        InputError, match=r"no column of sample_submission\.csv names test images; it begins with z0, ant"
    ):
        read(root, files)


def test_ids_without_an_image_are_marked_to_check(root: Path) -> None:
    files = animals()
    del files["train/11.png"]
    assert "check: 1 ids of train.csv have no image in train" in describe_local(root, write(root, files))


def test_images_that_no_row_names_are_marked_to_check(root: Path) -> None:
    source = write(root, animals() | images(["test/99.png"]))
    assert "1 images have no row in any table, prepare will refuse them: test/99.png" in describe_local(root, source)


def test_a_solution_is_recognised(root: Path) -> None:
    files = animals() | {"solution.csv": rows("Id,Category", *((n, "bee") for n in range(3)))}
    assert read(root, files).solution == "solution.csv"


def test_grey_images_are_stored_with_one_channel(root: Path) -> None:
    names = [*(f"train/{n}.png" for n in range(12)), *(f"test/{n}.png" for n in range(3))]
    found = read(root, animals() | images(names, (8, 8), grey=True))
    assert (found.storage.channels, found.storage.size) == (1, 16)


def test_a_metric_that_wants_probabilities_asks_for_them(root: Path) -> None:
    sample = rows("id,has_cactus", *((f"{n}d.jpg", 0) for n in range(4)))
    found = read(root, cactus() | {"sample_submission.csv": sample}, metric="roc_auc")
    assert isinstance(found.submission, LabelSubmission)
    assert (found.submission.positive, found.metric.name) == ("1", "roc_auc")


def test_top_k_takes_its_k_from_the_metric_name(root: Path) -> None:
    assert read(root, dog_breeds(), metric="top_2_accuracy").metric.k == 2


def test_a_metric_that_does_not_fit_the_submission_is_marked_to_check(root: Path) -> None:
    text = describe_local(root, write(root, dog_breeds()), metric="accuracy")
    assert "check: accuracy is computed from labels, but the sample submission asks for probabilities" in text


@pytest.mark.parametrize(("count", "mirror"), [(10, False), (5, True)])
def test_ten_digits_as_classes_are_not_mirrored(root: Path, count: int, mirror: bool) -> None:
    files = pixels(n_train=40)
    lines = str(files["train.csv"]).splitlines()
    rest = [f"{n % count},{line.split(',', 1)[1]}" for n, line in enumerate(lines[1:])]
    assert read(root, files | {"train.csv": "\n".join([lines[0], *rest]) + "\n"}).mirror is mirror


def test_an_unknown_metric_lists_near_ones(root: Path) -> None:
    with pytest.raises(InputError, match=r"--metric acuracy is unknown; did you mean .*accuracy"):
        read(root, animals(), metric="acuracy")


def test_a_zip_with_members_that_leave_it_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"1 members leave the folder or are links: '\.\./evil\.png'"):
        read(root, animals() | {"../evil.png": b""})


def test_a_folder_with_a_link_to_nothing_is_refused(root: Path) -> None:
    source = write(root, animals())
    (source / "train" / "gone.csv").symlink_to(root / "gone.csv")
    with pytest.raises(InputError, match=r"gone\.csv is a link to nothing, or no plain file; remove it"):
        describe_local(root, source)


def test_a_broken_table_is_named_as_it_is_called_in_the_zip(root: Path) -> None:
    with pytest.raises(InputError, match=r"shape\.zip: train\.csv, line 3 has 3 cells"):
        read(root, animals() | {"train.csv": "Id,Category\n0,ant\n1,bee,x\n"})


def test_unreadable_images_are_refused(root: Path) -> None:
    files = {name: b"no image" if name.endswith(".png") else content for name, content in animals().items()}
    with pytest.raises(InputError, match="none of 12 images opened can be read"):
        read(root, files)


def test_a_sample_that_lists_several_classes_in_a_cell_is_refused(root: Path) -> None:
    files = animals() | {"sample_submission.csv": rows("Id,Category", *((n, "bee ant cat") for n in range(3)))}
    files |= {"train.csv": rows("Id,Category", *((n, ("ant", "bee", "cat")[n % 3]) for n in range(12)))}
    with pytest.raises(InputError, match=r"Category holds 'bee ant cat', several classes in one cell"):
        read(root, files)


def test_labels_that_are_several_others_together_are_marked_to_check(root: Path) -> None:
    labels = ("rust", "scab", "scab rust", "common rust")
    files = animals() | {
        "train.csv": rows("Id,Category", *((n, labels[n % 4]) for n in range(12))),
        "sample_submission.csv": rows("Id,Category", *((n, "rust") for n in range(3))),
    }
    assert "check: scab rust look like several labels of one image" in describe_local(root, write(root, files))


def test_letters_that_no_yaml_may_hold_are_written_out(root: Path) -> None:
    files = animals() | {"train.csv": rows("Id,Category", *((n, ("a\x1bnt", "bee")[n % 2]) for n in range(12)))}
    files |= {"sample_submission.csv": rows("Id,Category", *((n, "bee") for n in range(3)))}
    competition = read(root, files)
    assert set(labels(root, competition).values()) == {"a\x1bnt", "bee"}
    assert r"2 classes (a\x1bnt, bee)" in (root / "configs" / "competitions" / "shape.yaml").read_text("utf-8")


def test_images_that_are_named_twice_are_told(root: Path) -> None:
    files = animals() | {"train.csv": rows("Id,Category", *((n % 8, "ab"[n % 2]) for n in range(16)))}
    with pytest.raises(InputError, match=r"more than once by Id of train.csv \(16 rows, 8 different\): one row per im"):
        read(root, files)


def test_an_empty_folder_says_what_was_found(root: Path) -> None:
    source = write(root, {"sample_submission.csv": rows("id,label", (1, 0))})
    with pytest.raises(InputError, match=r"no training data that could be read.*found tables none, folders none"):
        describe_local(root, source)


@pytest.mark.parametrize(
    ("name", "layout"), [("animals15", "csv_images"), ("dogs10", "folders"), ("fashion_pixels", "csv_pixels")]
)
def test_real_zips_are_read_right(root: Path, name: str, layout: str) -> None:
    folder = os.environ.get("COMPETITIONS_DIR")
    if not folder:
        pytest.skip("COMPETITIONS_DIR names no folder of real competitions")
    describe_local(root, Path(folder) / name / f"{name}.zip")
    assert load_competition(root, name).train.layout == layout
