import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import tiny

from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.tables import read_classes, read_index
from pipeline.core.targets.classes import encode_labels
from pipeline.images.store import open_store
from pipeline.stages import fetch, prepare


def _out(root: Path) -> Path:
    return root / "data" / "prepared"


def _report(root: Path) -> Any:
    return json.loads((_out(root) / "report.json").read_text())


def _set(root: Path, **values: object) -> None:
    params = tiny.read_yaml(root / "params.yaml")
    params["prepare"].update(values)
    tiny.write_yaml(root / "params.yaml", params)


def _name_classes(root: Path, names: dict[str, str]) -> None:
    path = root / "configs" / "competitions" / "tiny.yaml"
    tiny.write_yaml(path, {**tiny.read_yaml(path), "class_names": names})


@pytest.mark.parametrize("layout", ["csv_images", "csv_one_hot", "folders", "file_names", "csv_pixels"])
def test_every_layout_gives_an_index_and_a_store(tmp_path: Path, layout: str) -> None:
    tiny.build(tmp_path, layout, per_class=4, n_test=3)
    tiny.prepare_tiny(tmp_path)
    train, test = read_index(_out(tmp_path) / "train.csv"), read_index(_out(tmp_path) / "test.csv")
    assert read_classes(_out(tmp_path) / "classes.json") == tiny.CLASSES
    assert train["label"].value_counts().to_dict() == {0: 4, 1: 4, 2: 4}
    assert test["label"].tolist() == [-1, -1, -1]
    assert open_store(_out(tmp_path) / "train_images.npy").shape == (12, 12, 12, 3)
    assert open_store(_out(tmp_path) / "test_images.npy").shape == (3, 12, 12, 3)
    assert set(train["width"]) == set(test["height"]) == {12}


def test_rows_stand_in_natural_order_of_the_ids(prepared: Path) -> None:
    assert read_index(_out(prepared) / "train.csv")["id"].tolist() == [str(row) for row in range(45)]


@pytest.mark.parametrize("layout", ["csv_images", "csv_pixels"])
def test_each_row_has_its_own_picture_and_label(tmp_path: Path, layout: str) -> None:
    download = tiny.build(tmp_path, layout, per_class=4, n_test=3)
    table = pd.read_csv(download / "train.csv")
    if layout == "csv_pixels":
        # Ids against the order of the rows: 12, 11, ..., 1.
        table = pd.concat([pd.Series(range(len(table), 0, -1), name="Key"), table], axis=1)
        table.to_csv(download / "train.csv", index=False)
        path = tmp_path / "configs" / "competitions" / "tiny.yaml"
        data = tiny.read_yaml(path)
        data["train"]["id"] = "Key"
        tiny.write_yaml(path, data)
    tiny.prepare_tiny(tmp_path)
    images = open_store(_out(tmp_path) / "train_images.npy")
    classes = read_classes(_out(tmp_path) / "classes.json")
    for row, entry in read_index(_out(tmp_path) / "train.csv").iterrows():
        if layout == "csv_pixels":
            source = table[table["Key"] == int(entry["id"])].iloc[0]
            wanted = source.filter(like="pixel").to_numpy().astype(np.uint8).reshape(12, 12, 3)
        else:
            source = table[table["Id"] == int(entry["id"])].iloc[0]
            with Image.open(download / entry["source"]) as image:
                wanted = np.asarray(image)
        assert np.array_equal(images[int(str(row))], wanted)
        assert classes[entry["label"]] == source["Label"]


def test_the_order_of_the_tables_rows_changes_nothing(tmp_path: Path) -> None:
    download = tiny.build(tmp_path)
    outcomes = []
    for seed in (1, 2):
        table = pd.read_csv(download / "train.csv").sample(frac=1, random_state=seed)
        table.to_csv(download / "train.csv", index=False)
        tiny.prepare_tiny(tmp_path)
        outcomes.append({path.name: sha256(path) for path in _out(tmp_path).iterdir()})
    assert outcomes[0] == outcomes[1]


def test_a_zip_and_a_folder_give_the_same_bytes(tmp_path: Path) -> None:
    outcomes = []
    for name, zipped in (("a", False), ("b", True)):
        tiny.build(tmp_path / name, zipped=zipped)
        tiny.prepare_tiny(tmp_path / name)
        outcomes.append({path.name: sha256(path) for path in _out(tmp_path / name).iterdir()})
    assert outcomes[0] == outcomes[1]


def test_files_that_are_gone_are_brought_back(tmp_path: Path) -> None:
    import shutil

    tiny.build(tmp_path, zipped=True)
    tiny.prepare_tiny(tmp_path)
    shutil.rmtree(tmp_path / "data" / "raw")
    prepare.run(tmp_path)
    assert _report(tmp_path)["train"]["images"] == 45


def _break(root: Path) -> None:
    download = root / "download" / "tiny"
    (download / "train" / "3.png").write_bytes(b"")
    (download / "train" / "7.png").write_bytes(b"hello")
    whole = (download / "test" / "2.png").read_bytes()
    (download / "test" / "2.png").write_bytes(whole[: len(whole) // 2])


def test_broken_files_are_listed_all_together_and_nothing_is_written(tiny: Path) -> None:
    _break(tiny)
    fetch.run(tiny)
    listed = (
        r"3 image files cannot be read: train/3.png \(empty file\), "
        r"train/7.png \(not an image but text: 'hello'\), test/2.png"
    )
    with pytest.raises(InputError, match=listed):
        prepare.run(tiny)
    assert sorted(path.name for path in (tiny / "data").iterdir()) == ["source.json"]


def test_a_solution_that_is_not_there_is_refused_before_an_image_is_decoded(tiny: Path) -> None:
    (tiny / "download" / "tiny" / "solution.csv").unlink()
    fetch.run(tiny)
    words = r"solution\.csv does not exist; correct solution in the competition's file.*did you mean train\.csv"
    with pytest.raises(InputError, match=words):
        prepare.run(tiny)
    assert sorted(path.name for path in (tiny / "data").iterdir()) == ["source.json"]


def test_not_one_broken_file_is_left_out_of_the_list(tiny: Path) -> None:
    for number in range(20):
        (tiny / "download" / "tiny" / "train" / f"{number}.png").write_bytes(b"")
    fetch.run(tiny)
    with pytest.raises(InputError, match=r"20 image files cannot be read: .*train/19\.png \(empty file\); replace"):
        prepare.run(tiny)


def test_a_failure_leaves_the_earlier_folder_as_it_was(prepared: Path) -> None:
    before = {path.name: sha256(path) for path in _out(prepared).iterdir()}
    _break(prepared)
    fetch.run(prepared)
    with pytest.raises(InputError):
        prepare.run(prepared)
    assert {path.name: sha256(path) for path in _out(prepared).iterdir()} == before


def test_broken_training_images_are_dropped_and_test_images_stored_black(tiny: Path) -> None:
    fetch.run(tiny)
    prepare.run(tiny)
    before = np.array(open_store(_out(tiny) / "train_images.npy"))
    _break(tiny)
    _set(tiny, drop_broken=True)
    fetch.run(tiny)
    prepare.run(tiny)
    kept = [row for row in range(45) if row not in (3, 7)]
    assert read_index(_out(tiny) / "train.csv")["id"].tolist() == [str(row) for row in kept]
    assert np.array_equal(open_store(_out(tiny) / "train_images.npy"), before[kept])
    assert open_store(_out(tiny) / "test_images.npy").shape[0] == 9
    assert open_store(_out(tiny) / "test_images.npy")[2].max() == 0
    report = _report(tiny)
    assert [entry["id"] for entry in report["train"]["broken"]] == ["3", "7"]
    assert [entry["id"] for entry in report["test"]["broken"]] == ["2"]
    assert report["range"] == "dtype"
    assert sorted(path.name for path in _out(tiny).iterdir()) == [
        "class_names.json",
        "classes.json",
        "digests.json",
        "report.json",
        "sample_submission.csv",
        "solution.csv",
        "test.csv",
        "test_images.npy",
        "train.csv",
        "train_images.npy",
    ]


@pytest.mark.parametrize("layout", ["csv_images", "folders"])
def test_a_test_row_without_an_image_is_black_and_stays_in_the_submission(
    tmp_path: Path, layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    download = tiny.build(tmp_path, layout, per_class=4, n_test=3)
    (download / "test" / "1.png").unlink()
    path = tmp_path / "configs" / "competitions" / "tiny.yaml"
    tiny.write_yaml(path, {**tiny.read_yaml(path), "leave_out": {"no_image": True}})
    tiny.prepare_tiny(tmp_path)
    index = read_index(_out(tmp_path) / "test.csv")
    assert index["id"].tolist() == ["0", "1", "2"]
    assert [int(image.max()) > 0 for image in open_store(_out(tmp_path) / "test_images.npy")] == [True, False, True]
    assert "note: 1 test rows have no image and are predicted from a black picture: 1" in capsys.readouterr().out
    assert _report(tmp_path)["test"]["broken"] == []


def test_a_class_that_loses_its_last_image_is_refused(tiny: Path) -> None:
    for row in range(0, 45, 3):
        (tiny / "download" / "tiny" / "train" / f"{row}.png").write_bytes(b"")
    _set(tiny, drop_broken=True)
    fetch.run(tiny)
    with pytest.raises(InputError, match="no readable image is left of the classes cat"):
        prepare.run(tiny)


def test_duplicates_are_reported(tiny: Path) -> None:
    download = tiny / "download" / "tiny"
    (download / "test" / "0.png").write_bytes((download / "train" / "5.png").read_bytes())
    (download / "train" / "10.png").write_bytes((download / "train" / "9.png").read_bytes())
    fetch.run(tiny)
    prepare.run(tiny)
    duplicates = _report(tiny)["duplicates"]
    assert duplicates["train_and_test"]["content"] == [{"train": ["5"], "test": ["0"]}]
    assert duplicates["train_and_test"]["perceptual"] == [{"train": ["5"], "test": ["0"]}]
    assert duplicates["different_labels"]["content"] == [{"9": "cat", "10": "dog"}]
    assert duplicates["within_train"]["content"] == 1


def test_near_duplicates_are_reported_apart(tmp_path: Path) -> None:
    # Large, smooth pictures: what re-encoding leaves alike.
    download = tiny.build(tmp_path, size=48)
    with Image.open(download / "train" / "5.png") as image:
        image.save(download / "test" / "0.png", optimize=True)
        brighter = Image.fromarray(np.clip(np.asarray(image).astype(int) + 1, 0, 255).astype(np.uint8))
    brighter.save(download / "test" / "1.png")
    tiny.prepare_tiny(tmp_path)
    across = _report(tmp_path)["duplicates"]["train_and_test"]
    assert across["content"] == [{"train": ["5"], "test": ["0"]}]
    assert across["perceptual"] == [{"train": ["5"], "test": ["0", "1"]}]


def test_pictures_without_duplicates_report_none(prepared: Path) -> None:
    duplicates = _report(prepared)["duplicates"]
    assert duplicates["train_and_test"] == {"content": [], "perceptual": []}
    assert duplicates["different_labels"] == {"content": [], "perceptual": []}


def test_the_report_counts_classes_and_sizes(prepared: Path) -> None:
    train = _report(prepared)["train"]
    assert train["classes"] == {"cat": 15, "dog": 15, "owl": 15}
    assert (train["width"], train["height"]) == ([12, 12], [12, 12])


def test_a_source_that_was_never_fetched_says_what_to_run(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"source.json does not exist; run `dvc repro fetch`"):
        prepare.run(tiny)


@pytest.mark.parametrize(
    ("values", "words"), [({"workers": 0}, "workers"), ({"drop_brokn": True}, "unknown key drop_brokn")]
)
def test_wrong_settings_are_refused(tiny: Path, values: dict[str, object], words: str) -> None:
    _set(tiny, **values)
    with pytest.raises(InputError, match=words):
        prepare.run(tiny)


def test_whole_numbers_are_encoded_by_value() -> None:
    assert encode_labels(["10", "9", "-1", "10"])[0] == ["-1", "9", "10"]
    assert encode_labels(["10", "9", "-1", "10"])[1].tolist() == [2, 1, 0, 2]


def test_other_labels_are_encoded_as_text() -> None:
    assert encode_labels(["10", "9", "a"])[0] == ["10", "9", "a"]
    assert encode_labels(["010", "9"])[0] == ["010", "9"]


def test_decimal_labels_are_ordered_by_value_and_kept_to_the_digit() -> None:
    names, indices = encode_labels(["10.0", "2.0", "-1.5", "2", "2.0"])
    assert names == ["-1.5", "2", "2.0", "10.0"]
    assert indices.tolist() == [3, 2, 0, 1, 2]
    assert encode_labels(["10.0", "2.0", "a"])[0] == ["10.0", "2.0", "a"]


@pytest.mark.slow
def test_the_fashion_download_is_prepared_whole(tmp_path: Path, competitions_dir: Path) -> None:
    shipped = Path(__file__).parents[2]
    (tmp_path / "configs" / "competitions").mkdir(parents=True)
    path = tmp_path / "configs" / "competitions" / "fashion_pixels.yaml"
    path.write_text((shipped / "configs" / "competitions" / "fashion_pixels.yaml").read_text())
    (tmp_path / "params.yaml").write_text("competition: fashion_pixels\n")
    tiny.prepare_tiny(tmp_path)
    report = _report(tmp_path)
    assert (report["train"]["images"], report["test"]["images"]) == (12000, 3000)


def test_the_sample_submission_is_kept_byte_for_byte(tiny: Path) -> None:
    fetch.run(tiny)
    prepare.run(tiny)
    sample = tiny / "download" / "tiny" / "sample_submission.csv"
    assert (_out(tiny) / "sample_submission.csv").read_bytes() == sample.read_bytes()


def test_a_sample_that_does_not_fit_is_refused_before_anything_is_decoded(tiny: Path) -> None:
    fetch.run(tiny)
    sample = tiny / "download" / "tiny" / "sample_submission.csv"
    sample.write_text(sample.read_text().replace("Label", "Answer", 1))
    fetch.run(tiny)
    with pytest.raises(InputError, match="wanted Id and Label"):
        prepare.run(tiny)
    assert not _out(tiny).exists()


def test_names_for_people_stand_beside_the_classes(tiny: Path) -> None:
    _name_classes(tiny, {"owl": "Tawny owl", "cat": "Cat", "dog": "Dog"})
    fetch.run(tiny)
    prepare.run(tiny)
    assert read_classes(_out(tiny) / "classes.json") == ("cat", "dog", "owl")
    assert read_classes(_out(tiny) / "class_names.json") == ("Cat", "Dog", "Tawny owl")


def test_without_names_people_read_the_classes(prepared: Path) -> None:
    assert read_classes(_out(prepared) / "class_names.json") == ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"cat": "Cat", "dog": "Dog"}, "class_names leaves out the classes owl"),
        ({"cat": "Cat", "dgo": "Dog", "owl": "Owl"}, "class_names names 'dgo', which is no class; did you mean dog"),
    ],
)
def test_names_that_do_not_fit_the_classes_are_refused(tiny: Path, names: dict[str, str], words: str) -> None:
    _name_classes(tiny, names)
    fetch.run(tiny)
    with pytest.raises(InputError, match=words):
        prepare.run(tiny)
    assert not _out(tiny).exists()


def test_files_of_class_folders_are_taken_by_their_content_or_named_as_left_out(tmp_path: Path) -> None:
    download = tiny.build(tmp_path, "folders", per_class=4, n_test=3)
    first = sorted(path for path in (download / "train").rglob("*.png"))[0]
    first.rename(first.with_suffix(""))
    first.with_name("notes.txt").write_text("the light was bad")
    tiny.prepare_tiny(tmp_path)
    index = read_index(_out(tmp_path) / "train.csv")
    assert (len(index), f"{first.parent.name}/{first.stem}" in set(index["id"])) == (12, True)
    named = {"id": f"train/{first.parent.name}/notes.txt", "reason": "not an image but text"}
    assert _report(tmp_path)["left_out"] == [named]
