"""Records of images: every layout is listed, and what does not fit is refused as a whole."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from support import tiny

from pipeline.core.competition import Competition, load_competition
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.records import list_records, shows_beginning


def _table(base: Path, text: str) -> None:
    (base / "train.csv").write_text(text)


def _images(base: Path, *names: str) -> None:
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"decoded later")


def _competition(layout: str = "csv_images", **changes: Mapping[str, object]) -> Competition:
    data = tiny.describe(layout, "label", 8, 3, ("small_cnn",), False)
    for key, change in changes.items():
        section = data[key]
        assert isinstance(section, dict)
        data[key] = {**section, **change}
    return parse(data, Competition, "tiny.yaml")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Images 1, 2, 10 and two test images, with their tables."""
    _images(tmp_path, "train/1.png", "train/2.png", "train/10.png", "test/1.png", "test/2.png")
    _table(tmp_path, "Id,Label\n10,dog\n1,cat\n2,dog\n")
    (tmp_path / "sample_submission.csv").write_text("Id,Label\n2,cat\n1,cat\n")
    return tmp_path


def _by_id(records: list[Record]) -> dict[str, tuple[str, str | None]]:
    return {record.id: (record.source, record.label) for record in records}


@pytest.mark.parametrize("layout", ["csv_images", "csv_one_hot", "folders", "file_names", "csv_pixels"])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_layout_gives_every_image_its_label(tmp_path: Path, layout: str, zipped: bool) -> None:
    from pipeline.data.sources.source import fetch_competition

    tiny.build(tmp_path, layout, per_class=4, n_test=3, zipped=zipped)
    competition = load_competition(tmp_path)
    train, test, _ = list_records(fetch_competition(tmp_path, competition), competition)
    assert pd.Series([record.label for record in train]).value_counts().to_dict() == dict.fromkeys(tiny.CLASSES, 4)
    assert len({record.id for record in train}) == 12
    assert {record.label for record in test} == {None}
    first = 1 if layout == "csv_pixels" else 0
    assert [record.id for record in test] == [str(first + row) for row in range(3)]


def test_labels_are_joined_by_id_and_not_by_position(base: Path) -> None:
    train, *_ = list_records(base, _competition())
    assert _by_id(train) == {
        "10": ("train/10.png", "dog"),
        "1": ("train/1.png", "cat"),
        "2": ("train/2.png", "dog"),
    }


@pytest.mark.parametrize("ids", ["1,2,10", "1.png,2.png,10.png", "1.PNG,2.png,10.Png"])
@pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg"])
def test_ids_fit_with_or_without_extension_in_any_case(base: Path, ids: str, suffix: str) -> None:
    if suffix == ".jpg" and "." in ids:
        ids = ids.lower().replace(".png", ".jpg")
    for path in (base / "train").iterdir():
        path.rename(path.with_suffix(suffix))
    names = ids.split(",")
    _table(base, f"Id,Label\n{names[0]},cat\n{names[1]},dog\n{names[2]},dog\n")
    train, *_ = list_records(base, _competition())
    assert [record.id for record in train] == names
    assert [Path(record.source).stem for record in train] == ["1", "2", "10"]


def test_ids_may_hold_dots_and_folders(base: Path) -> None:
    _images(base, "train/a/v1.5.png", "train/b/v1.5.png")
    _table(base, "Id,Label\n10,dog\n1,cat\n2,dog\na/v1.5,cat\nb/v1.5.png,dog\n")
    train, *_ = list_records(base, _competition())
    assert _by_id(train)["a/v1.5"] == ("train/a/v1.5.png", "cat")
    assert _by_id(train)["b/v1.5.png"] == ("train/b/v1.5.png", "dog")


def test_a_bare_name_finds_its_image_in_a_subfolder(base: Path) -> None:
    _images(base, "train/deep/er/x.jpg")
    _table(base, "Id,Label\n10,dog\n1,cat\n2,dog\nx,cat\n")
    assert _by_id(list_records(base, _competition())[0])["x"] == ("train/deep/er/x.jpg", "cat")


def test_ids_without_an_image_are_listed(base: Path) -> None:
    _table(base, "Id,Label\n10,dog\n1,cat\n2,dog\n77,cat\n78,cat\n")
    with pytest.raises(InputError, match=r"2 ids have no image in .*train: 77, 78; add the files, remove the rows, or"):
        list_records(base, _competition())


@pytest.mark.parametrize("folder", ["train", "test"])
def test_images_without_an_id_are_listed(base: Path, folder: str) -> None:
    _images(base, f"{folder}/77.png", f"{folder}/78.png")
    with pytest.raises(InputError, match=f"2 images have no id in any table: {folder}/77.png, {folder}/78.png"):
        list_records(base, _competition())


def test_files_that_are_no_images_need_no_id(base: Path) -> None:
    _images(base, "train/Thumbs.db", "train/readme.txt", "train/.hidden.png", "train/._1.png")
    assert len(list_records(base, _competition())[0]) == 3


def test_train_and_test_may_share_a_folder(base: Path) -> None:
    for name in ("a1", "a2"):
        _images(base, f"train/{name}.png")
    (base / "sample_submission.csv").write_text("Id,Label\na2,cat\na1,cat\n")
    train, test, _ = list_records(base, _competition(test={"images": "train"}))
    assert [record.source for record in test] == ["train/a2.png", "train/a1.png"]
    assert len(train) == 3


def test_two_files_for_one_id_are_refused(base: Path) -> None:
    _images(base, "train/2.jpg")
    with pytest.raises(InputError, match=r"1 ids fit more than one image .*: 2 \(2.jpg, 2.png\)"):
        list_records(base, _competition())


def test_two_ids_for_one_file_are_refused(base: Path) -> None:
    _table(base, "Id,Label\n10,dog\n1,cat\n2,dog\n2.png,dog\n")
    with pytest.raises(InputError, match=r"1 images have two ids: 2 and 2.png"):
        list_records(base, _competition())


def test_repeated_ids_are_refused(base: Path) -> None:
    _table(base, "Id,Label\n10,dog\n1,cat\n2,dog\n2,dog\n")
    with pytest.raises(InputError, match="1 ids are there more than once: 2"):
        list_records(base, _competition())


def test_one_id_with_two_labels_is_refused(base: Path) -> None:
    _table(base, "Id,Label\n10,dog\n1,cat\n2,dog\n2,cat\n")
    with pytest.raises(InputError, match="1 ids have two labels: 2; keep the right row of each"):
        list_records(base, _competition())


@pytest.mark.parametrize("label", ["", "nan", "NaN", " "])
def test_missing_labels_are_refused(base: Path, label: str) -> None:
    _table(base, f"Id,Label\n10,dog\n1,cat\n2,{label}\n")
    with pytest.raises(InputError, match="1 training images have no label: ids 2"):
        list_records(base, _competition())


def test_classes_called_na_and_none_are_classes(base: Path) -> None:
    _table(base, "Id,Label\n10,NA\n1,None\n2,NA\n")
    assert {record.label for record in list_records(base, _competition())[0]} == {"NA", "None"}


def test_a_single_class_is_refused(base: Path) -> None:
    _table(base, "Id,Label\n10,dog\n1,dog\n2,dog\n")
    with pytest.raises(InputError, match="all 3 training images are of class 'dog'"):
        list_records(base, _competition())


def test_classes_that_differ_by_blanks_alone_are_refused(base: Path) -> None:
    _images(base, "by_class/cat/1.png", "by_class/dog/2.png", "by_class/dog /3.png")
    with pytest.raises(InputError, match=r"1 classes look the same .*: 'dog' and 'dog '; write each in one way"):
        list_records(base, _competition("folders", train={"images": "by_class"}))


def test_classes_that_differ_by_how_accents_are_written_are_refused(base: Path) -> None:
    _table(base, "Id,Label\n10,caf\u00e9\n1,cafe\u0301\n2,dog\n")
    with pytest.raises(InputError, match=r"look the same .*'cafe\\u0301' and 'caf\\xe9'"):
        list_records(base, _competition())


@pytest.mark.parametrize("name", ["b\u00fccher", "bu\u0308cher", "train\\bücher.png", "./bücher.png", "deep\\bücher"])
def test_ids_fit_files_that_look_the_same(base: Path, name: str) -> None:
    _images(base, "train/deep/bu\u0308cher.png")
    _table(base, f"Id,Label\n10,dog\n1,cat\n2,dog\n{name},cat\n")
    if name.startswith("train"):
        (base / "train/train").mkdir()
        (base / "train/deep/bu\u0308cher.png").rename(base / "train/train/bu\u0308cher.png")
    assert list_records(base, _competition())[0][-1].id == name


def test_files_of_other_programs_are_no_images(base: Path) -> None:
    _images(base, "train/@eaDir/1.png/SYNOPHOTO_THUMB_SM.jpg", "train/.ipynb_checkpoints/1-checkpoint.png")
    _images(base, "train/Thumbs.db", "test/.thumbnails/1.png", "test/$RECYCLE.BIN/x.png")
    assert len(list_records(base, _competition())[0]) == 3


def test_a_table_lists_more_test_images_than_the_sample_shows(base: Path) -> None:
    (base / "test.csv").write_text("Id\n1\n2\n")
    sample = pd.DataFrame({"Id": ["2"], "Label": ["cat"]})
    by_table = _competition(test={"listed_by": "table", "table": "test.csv", "id": "Id"})
    assert shows_beginning(sample, by_table, ["1", "2"])
    assert not shows_beginning(sample, by_table, ["2"])
    assert not shows_beginning(sample, _competition(), ["1", "2"])


def test_a_class_called_id_is_refused(base: Path) -> None:
    _table(base, "Id,Label\n10,dog\n1,id\n2,dog\n")
    with pytest.raises(InputError, match="a class is called 'id'"):
        list_records(base, _competition())


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/../../x", "..\\x", "C:\\x", ""])
@pytest.mark.parametrize("part", ["train", "test"])
def test_ids_that_leave_their_folder_are_refused(base: Path, name: str, part: str) -> None:
    if part == "train":
        _table(base, f"Id,Label\n10,dog\n1,cat\n{name},dog\n")
    else:
        (base / "sample_submission.csv").write_text(f"Id,Label\n1,cat\n{name},cat\n")
    with pytest.raises(InputError, match="1 ids are empty or leave their folder"):
        list_records(base, _competition())


def test_a_misnamed_column_is_refused(base: Path) -> None:
    with pytest.raises(InputError, match=r"train.csv has no column 'Lable'; did you mean 'Label'"):
        list_records(base, _competition(train={"label": "Lable"}))


def test_a_missing_table_is_refused(base: Path) -> None:
    with pytest.raises(InputError, match=r"labels.csv does not exist"):
        list_records(base, _competition(train={"table": "labels.csv"}))


def test_a_missing_folder_names_the_folders_that_are_there(base: Path) -> None:
    with pytest.raises(InputError, match=r"images is no folder; .* has the folders test, train"):
        list_records(base, _competition(train={"images": "images"}))


def test_a_group_column_is_kept(base: Path) -> None:
    _table(base, "Id,Label,patient\n10,dog,p1\n1,cat,p2\n2,dog,p1\n")
    train, *_ = list_records(base, _competition(train={"group": "patient"}))
    assert [record.group for record in train] == ["p1", "p2", "p1"]


def test_one_group_of_all_images_is_refused(base: Path) -> None:
    _table(base, "Id,Label,patient\n10,dog,p1\n1,cat,p1\n2,dog,p1\n")
    with pytest.raises(InputError, match="all 3 training images are of the group 'p1', which no two folds can share"):
        list_records(base, _competition(train={"group": "patient"}))


def test_images_outside_a_class_folder_are_refused(base: Path) -> None:
    with pytest.raises(InputError, match=r"3 images are in no class folder: 1.png, 10.png, 2.png"):
        list_records(base, _competition("folders"))


def test_file_names_that_do_not_match_the_pattern_are_listed(base: Path) -> None:
    with pytest.raises(InputError, match=r"3 names do not match train.pattern .*: 1.png, 10.png, 2.png"):
        list_records(base, _competition("file_names"))


def test_a_pattern_may_name_the_group(tmp_path: Path, base: Path) -> None:
    _images(base, "burst/cat_p1_1.jpg", "burst/dog_p2_1.jpg", "burst/dog_p2_2.jpg")
    pattern = r"^(?P<label>[a-z]+)_(?P<group>p\d+)_"
    train, *_ = list_records(base, _competition("file_names", train={"images": "burst", "pattern": pattern}))
    assert [(record.label, record.group) for record in train] == [("cat", "p1"), ("dog", "p2"), ("dog", "p2")]


def test_test_images_may_be_listed_by_a_table(base: Path) -> None:
    (base / "test.csv").write_text("image;x\n1.png;0\n2.png;0\n")
    listed = {"listed_by": "table", "table": "test.csv", "id": "image"}
    assert [record.id for record in list_records(base, _competition(test=listed))[1]] == ["1.png", "2.png"]


@pytest.mark.parametrize("suffix", ["", ".png"])
def test_test_images_listed_by_their_folder_are_called_as_in_the_sample_submission(base: Path, suffix: str) -> None:
    (base / "sample_submission.csv").write_text(f"Id,Label\n1{suffix},cat\n2{suffix},cat\n")
    _, test, _ = list_records(base, _competition(test={"listed_by": "folder"}))
    assert [record.id for record in test] == [f"1{suffix}", f"2{suffix}"]


def test_repeated_test_ids_are_refused(base: Path) -> None:
    (base / "sample_submission.csv").write_text("Id,Label\n1,cat\n2,cat\n1,cat\n")
    with pytest.raises(InputError, match=r"sample_submission.csv: 1 ids are there more than once: 1"):
        list_records(base, _competition())


def test_an_empty_class_folder_is_refused(base: Path) -> None:
    _images(base, "classes/cat/1.png", "classes/dog/1.png")
    (base / "classes" / "owl").mkdir()
    with pytest.raises(InputError, match="class folders without an image: owl"):
        list_records(base, _competition("folders", train={"images": "classes"}))


def _one_hot(base: Path, text: str) -> Competition:
    _table(base, text)
    section = {"layout": "csv_one_hot", "images": "train", "table": "train.csv", "id": "Id", "classes": ["cat", "dog"]}
    data = tiny.describe("csv_one_hot", "label", 8, 3, ("small_cnn",), False)
    return parse({**data, "train": section}, Competition, "tiny.yaml")


def test_one_column_per_class_gives_the_marked_class(base: Path) -> None:
    train, *_ = list_records(base, _one_hot(base, "Id,dog,cat\n10,1,0\n1,0.0,1.0\n2,1,0\n"))
    assert _by_id(train) == {"10": ("train/10.png", "dog"), "1": ("train/1.png", "cat"), "2": ("train/2.png", "dog")}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,1,1", r"train\.csv, row 2 \(id 1\) marks cat, dog with 1, wanted exactly one of cat, dog \(1 of 3 rows"),
        ("1,0,0", r"train\.csv, row 2 \(id 1\) marks no class with 1, wanted exactly one"),
        (
            "1,0.4,0.6",
            r"row 2 \(id 1\), column cat: '0\.6' is neither 0 nor 1 \(1 of 3 rows have such a cell\); correct",
        ),
        ("1,,1", r"row 2 \(id 1\), column dog: '' is neither 0 nor 1"),
        ("1,yes,0", r"row 2 \(id 1\), column dog: 'yes' is neither 0 nor 1"),
        ("1,nan,1", r"row 2 \(id 1\), column dog: 'nan' is neither 0 nor 1"),
        ("1,1,0", "train.csv: no row marks cat; add images of it, or leave it out of the classes"),
    ],
)
def test_rows_that_do_not_mark_exactly_one_class_are_refused(base: Path, row: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list_records(base, _one_hot(base, f"Id,dog,cat\n10,1,0\n{row}\n2,1,0\n"))


def test_a_class_without_its_column_is_refused(base: Path) -> None:
    with pytest.raises(InputError, match=r"train\.csv has no column 'cat'"):
        list_records(base, _one_hot(base, "Id,dog,kat\n10,1,0\n1,0,1\n2,1,0\n"))


def test_a_class_that_is_listed_twice_is_refused() -> None:
    data = tiny.describe("csv_one_hot", "label", 8, 3, ("small_cnn",), False)
    assert isinstance(data["train"], dict)
    with pytest.raises(InputError, match="classes lists cat more than once"):
        parse({**data, "train": {**data["train"], "classes": ["cat", "cat"]}}, Competition, "tiny.yaml")


def test_of_a_picture_and_its_tiff_the_plain_one_is_meant(tmp_path: Path) -> None:
    for name in ("jpg/a.jpg", "tif/a.tif", "one/b.jpg", "two/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    folder = ImageFolder(tmp_path, ".")
    assert folder.find(["a"], tmp_path / "test.csv") == ["jpg/a.jpg"]
    with pytest.raises(InputError, match="1 ids fit more than one image"):
        folder.find(["b"], tmp_path / "test.csv")


@pytest.mark.parametrize("linked", ["images/2.png", "images/more"])
def test_no_picture_is_read_through_a_link_out_of_the_source(tmp_path: Path, linked: str) -> None:
    base, outside = tmp_path / "source", tmp_path / "outside"
    for name in ("source/images/a/1.png", "source/kept/b.png", "outside/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (base / "images" / "b.png").symlink_to("../kept/b.png")
    (base / "images" / "kept").symlink_to("../kept")
    assert ImageFolder(base, "images").files == ["a/1.png", "b.png", "kept/b.png"]
    (base / linked).symlink_to(outside / "2.png" if linked.endswith("png") else outside)
    with pytest.raises(InputError, match=rf"{linked} is a link to .*outside of the source; copy what it links to"):
        _ = ImageFolder(base, "images").files


def _answers(base: Path, text: str) -> Competition:
    _table(base, "Id,Kennel\n10,b\n1,a\n2,b\n")
    (base / "kennels.csv").write_text(text)
    return _competition(train={"answers": {"table": "kennels.csv", "key": "Kennel"}})


def test_answers_of_a_key_are_joined_to_images_which_are_a_group(base: Path) -> None:
    records = list_records(base, _answers(base, "Kennel,Label\na,cat\nb,dog\nc,dog\n")).train
    assert [(record.id, record.label, record.group) for record in records] == [
        ("10", "dog", "b"),
        ("1", "cat", "a"),
        ("2", "dog", "b"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Kennel,Label\na,cat\n", "has no row of 1 values of Kennel in .*train.csv: b; add their rows"),
        ("Kennel,Label\na,cat\na,dog\nb,dog\n", "1 rows repeat a Kennel: a; keep one row of each"),
        ("Kennel,Breed\na,cat\nb,dog\n", "Label"),
    ],
)
def test_answers_that_do_not_fit_their_keys_are_refused(base: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list_records(base, _answers(base, text))
