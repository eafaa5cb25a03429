"""The competition schema, and every competition that ships."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import LABELS, PROBABILITIES, competition

from pipeline.core.active import active_models, active_name, weights_folder
from pipeline.core.competition import Competition, load_competition
from pipeline.core.config import load, parse
from pipeline.core.errors import InputError
from pipeline.core.files import write_json
from pipeline.core.paths import competition_path

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs" / "competitions").glob("*.yaml"))
EXPECTED = {
    *("digits", "animals15", "dogs10", "fashion_pixels"),
    *("digit_recognizer", "dog_breed_identification", "cifar100_animals"),
}


def changed(**sections: Any) -> dict[str, Any]:
    return competition(LABELS) | sections


def read(data: dict[str, Any]) -> Competition:
    return parse(data, Competition, "tiny.yaml")


@pytest.mark.parametrize("name", ["../competitions/tiny", "/etc/tiny", "", "..", "tiny\n", "a" * 300, "a\\b", "~"])
def test_a_path_names_no_competition(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "params.yaml", {"competition": name})
    with pytest.raises(InputError, match=r"cannot name a competition: .* name a file under configs/competitions"):
        load_competition(tmp_path)


@pytest.mark.parametrize("name", ["photos (1)", "a+b"])
def test_a_file_whose_name_has_other_letters_is_to_be_renamed(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "configs" / "competitions" / f"{name}.yaml", {})
    with pytest.raises(InputError, match=rf"; rename the file configs/competitions/{re.escape(name)}\.yaml$"):
        competition_path(tmp_path, name)


@pytest.mark.parametrize("name", ["./photos.zip", "/data/photos", "~/photos", "..", "a\\b"])
def test_a_path_in_place_of_a_name_belongs_to_an_option(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"without \.yaml, or give a folder or archive to `init --from PATH`$"):
        competition_path(tmp_path, name)


def test_all_promised_competitions_ship() -> None:
    assert {path.stem for path in SHIPPED} >= EXPECTED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_competition_fits_the_schema_and_its_models_exist(path: Path) -> None:
    known = {file.stem for file in (ROOT / "configs" / "models").glob("*.yaml")}
    assert set(load(path, Competition).models) <= known


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_competition_submits_what_its_metric_wants(path: Path) -> None:
    shipped = load(path, Competition)
    wants = shipped.metric.metric.wants
    assert shipped.submission.kind == {"label": "label", "probabilities": "probabilities"}[wants]


def test_the_committed_params_name_a_shipped_competition_and_models_that_exist() -> None:
    assert competition_path(ROOT, active_name(ROOT)) in SHIPPED
    assert active_models(ROOT)


@pytest.mark.parametrize("submission", [LABELS, PROBABILITIES])
def test_a_minimal_competition_is_accepted(submission: dict[str, Any]) -> None:
    read(competition(submission))


@pytest.mark.parametrize(
    "train",
    [
        {"layout": "folders", "images": "train"},
        {"layout": "csv_images", "images": "train", "table": "t.csv", "id": "Id", "label": "L", "group": "patient"},
        {"layout": "csv_pixels", "table": "t.csv", "label": "label", "shape": [28, 28]},
        {"layout": "file_names", "images": "train", "pattern": r"(?P<label>\w+)\.\d+"},
    ],
    ids=lambda train: train["layout"],
)
def test_every_layout_is_accepted(train: dict[str, Any]) -> None:
    assert read(changed(train=train)).train.layout == train["layout"]


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "sklearn", "name": "digits"},
        {"kind": "keras", "name": "cifar100", "classes": {"3": "bear"}},
        {"kind": "local", "path": "${DATA:-data}/x.zip"},
        {"kind": "kaggle", "slug": "digit-recognizer"},
    ],
    ids=lambda source: source["kind"],
)
def test_every_source_is_accepted(source: dict[str, Any]) -> None:
    assert read(changed(source=source)).source.kind == source["kind"]


def test_submissions_go_where_the_files_came_from() -> None:
    assert read(changed(source={"kind": "kaggle", "slug": "tiny-pets"})).slug == "tiny-pets"


def test_a_competition_from_elsewhere_may_name_where_its_submissions_go() -> None:
    assert read(changed(kaggle="tiny-pets")).slug == "tiny-pets"
    assert read(changed()).slug is None


def test_the_metric_knows_its_direction_and_its_k() -> None:
    assert not read(changed(metric={"name": "log_loss"})).metric.metric.greater_is_better
    assert read(changed(metric={"name": "top_k_accuracy", "k": 5})).metric.metric.name == "top_5_accuracy"


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("accuracy", {}, "no meaning for accuracy of target.kind one_class; they count for macro_recall, balanced_log"),
        ("roc_auc", {}, "no meaning for roc_auc of target.kind one_class"),
        ("macro_f1", {"target": {"kind": "grades"}}, "no meaning for macro_f1 of target.kind grades"),
        ("micro_f1", {"target": {"kind": "several_labels"}}, "they count for roc_auc, average_precision"),
        ("spearman", {"target": {"kind": "numbers"}}, "no meaning for spearman of target.kind numbers; they count for"),
        ("log_loss", {"target": {"kind": "vote_shares"}}, "no meaning for log_loss of target.kind vote_shares; remove"),
    ],
)
def test_weights_without_a_meaning_are_refused(name: str, target: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read(changed(metric={"name": name, "weights": {"zebra": 3}}, **target))
    assert "\n" not in str(error.value)


def test_a_metric_of_ones_own_takes_no_weights() -> None:
    own = {"name": "macro_recall", "file": "my.py", "greater_is_better": True}
    read(changed(metric=own))
    with pytest.raises(InputError, match=r"weights has no meaning for macro_recall of target.kind one_class; remove"):
        read(changed(metric={**own, "weights": {"cat": 3}}))


def test_weights_with_a_meaning_are_taken() -> None:
    parts = {"kind": "several_targets", "targets": {"a": {"kind": "one_class"}, "b": {"kind": "one_class"}}}
    for name, target in (("macro_recall", {"kind": "one_class"}), ("rmse", {"kind": "numbers"}), ("accuracy", parts)):
        assert read(changed(metric={"name": name, "weights": {"a": 3, "b": 0}}, target=target)).metric.weights


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"metric": {"name": "acc"}}, "metric.*'acc' is unknown; .*accuracy"),
        ({"metric": {"name": "accuracy", "k": 3}}, "k has no meaning for accuracy"),
        ({"metric": {"name": "top_k_accuracy"}}, "top_k_accuracy needs k"),
        ({"metric": {"name": "top_k_accuracy", "k": 0}}, "k: .*got 0"),
        ({"metric": {"name": "macro_recall", "weights": {"cat": -1}}}, "metric.weights.cat: .*got -1"),
        ({"train": {"layout": "file_names", "images": "t", "pattern": "("}}, "pattern is not a regular expression"),
        ({"train": {"layout": "file_names", "images": "t", "pattern": r"\w+"}}, "pattern needs a group named label"),
        ({"train": {"layout": "folder", "images": "t"}}, r"train\.layout: unknown 'folder'; did you mean folders"),
        ({"train": {"layout": "csv_images", "images": "t", "table": "t.csv", "id": "Id"}}, "label is missing"),
        ({"train": {"layout": "folders", "image": "t"}}, r"unknown key train\.folders\.image; did you mean images"),
        ({"test": {"layout": "images", "images": "t", "listed_by": "table"}}, "listed_by: table needs table and id"),
        ({"test": {"layout": "images", "images": "t", "listed_by": "csv"}}, "listed_by: .*got 'csv'"),
        ({"storage": {"size": 3}}, "storage.size: .*got 3"),
        ({"storage": {"size": 32, "channels": 0}}, "storage.channels: .*got 0"),
        ({"storage": {"size": 32, "resize": "squash"}}, "storage.resize: .*got 'squash'"),
        ({"source": {"kind": "kaggle", "slug": "../x"}}, "slug: .*got '../x'"),
        ({"source": {"kind": "url", "path": "x"}}, r"source\.kind: unknown 'url'; known: kaggle, keras, local"),
        ({"source": {"kind": "sklearn", "name": "digits", "test_fraction": 1.0}}, "test_fraction: .*got 1.0"),
        ({"submission": {"kind": "label", "sample": "s.csv", "id": "Id"}}, "label is missing"),
        ({"submission": {**PROBABILITIES, "column": {}}}, "unknown key .*column; did you mean columns"),
        ({"models": []}, "models: .*at least 1"),
        ({"modles": ["one"]}, "unknown key modles; did you mean models"),
        ({"title": 3}, "title: .*got 3"),
        ({"kaggle": "Tiny Pets"}, "kaggle: String should match pattern"),
        (
            {"kaggle": "tiny-pets", "source": {"kind": "kaggle", "slug": "tiny-pets"}},
            "kaggle is for other sources: submissions go to source.slug; remove one",
        ),
    ],
)
def test_a_competition_that_does_not_fit_names_place_and_value(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"tiny.yaml: .*{message}"):
        read(changed(**sections))


@pytest.mark.parametrize(
    "key", ["title", "source", "train", "test", "storage", "mirror", "metric", "submission", "models"]
)
def test_a_competition_without_a_section_names_it(key: str) -> None:
    data = competition(LABELS)
    del data[key]
    with pytest.raises(InputError, match=f"{key} is missing"):
        read(data)


def test_a_competition_that_does_not_exist_names_the_near_ones(tmp_path: Path) -> None:
    write_json(competition_path(tmp_path, "animals15"), competition(LABELS))
    with pytest.raises(InputError, match=r"animals16\.yaml does not exist; did you mean animals15\?"):
        load_competition(tmp_path, "animals16")


def test_the_active_competition_is_the_one_that_params_name(tmp_path: Path) -> None:
    write_json(competition_path(tmp_path, "mine"), competition(LABELS))
    write_json(tmp_path / "params.yaml", {"competition": "mine"})
    assert load_competition(tmp_path).title == "Fabricated"


@pytest.mark.parametrize("params", [{}, {"competition": None}, {"competition": ["digits"]}])
def test_params_without_a_competition_are_refused(tmp_path: Path, params: dict[str, Any]) -> None:
    write_json(tmp_path / "params.yaml", params)
    with pytest.raises(InputError, match=r"params\.yaml: competition must name a file"):
        active_name(tmp_path)


@pytest.mark.parametrize(
    ("train", "wanted"),
    [("null", None), ("{}", None), ("7", "train must be a mapping, got 7"), ("{weights: 7}", "train.weights must be")],
)
def test_a_section_that_is_no_mapping_is_one_line(tmp_path: Path, train: str, wanted: str | None) -> None:
    (tmp_path / "params.yaml").write_text(f"competition: digits\ntrain: {train}\n")
    if wanted is None:
        assert weights_folder(tmp_path).is_relative_to(tmp_path)
        return
    with pytest.raises(InputError, match=wanted):
        weights_folder(tmp_path)
