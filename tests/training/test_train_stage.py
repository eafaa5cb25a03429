"""The train stage: what it writes, what it reuses, what it refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from support import tiny
from support.fabricated import CLASSES, write_params
from support.trainings import repository, settings

from pipeline.core import cards, paths, predictions, tables
from pipeline.core.digests import read_signed_json, write_signed_json
from pipeline.core.errors import InputError, NoRoomError
from pipeline.networks import hardware
from pipeline.stages import train
from pipeline.training import fingerprints


def write_recipe(root: Path, **changes: Any) -> None:
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(**changes))


def set_train(root: Path, **changes: Any) -> None:
    write_params(root, ["one"], train={"seed": 0, "folds": None, "precision": "float32"} | changes)


def outputs(root: Path) -> dict[str, bytes]:
    """All that DVC keeps of a training, by path, without what tells its seconds."""
    found = [path for path in (root / "folds").rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.suffix != ".json"}


def card(root: Path) -> cards.ModelCard:
    return cards.read_card(paths.card_path(root, "one"), cards.ModelCard)


def oof(root: Path) -> predictions.Predictions:
    return predictions.read_predictions(paths.oof_path(root, "one"), CLASSES)


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root on which nothing is trained yet."""
    root = repository(tmp_path_factory.mktemp("bare"))
    write_recipe(root)
    return root


@pytest.fixture(scope="module")
def trained(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root after the train stage; tests read it."""
    root = copy(bare, tmp_path_factory.mktemp("trained"))
    train.run(root, "one")
    return root


def test_each_training_row_is_predicted_once_by_the_fold_that_did_not_see_it(trained: Path) -> None:
    folds = tables.read_folds(paths.folds_path(trained)).set_index("id")["fold"]
    found = oof(trained)
    assert sorted(found.ids) == sorted(folds.index)
    for place in (trained / ".work" / "train").rglob("valid.parquet"):
        part = predictions.read_predictions(place, CLASSES)
        assert {folds[name] for name in part.ids} == {int(place.parent.name.removeprefix("fold"))}
        rows = [found.ids.index(name) for name in part.ids]
        assert np.array_equal(part.probs, found.probs[rows])


def test_test_predictions_are_the_mean_of_the_folds(trained: Path) -> None:
    parts = [
        predictions.read_predictions(path, CLASSES) for path in (trained / ".work" / "train").rglob("test.parquet")
    ]
    assert len(parts) == 3
    mean = predictions.read_predictions(paths.predicted_test_path(trained, "one"), CLASSES)
    wanted = np.mean([part.aligned(mean.ids, "") for part in parts], axis=0)
    assert np.allclose(mean.probs, wanted, atol=1e-7)


def test_what_each_fold_says_of_the_test_images_is_kept(trained: Path) -> None:
    for place in (trained / ".work" / "train").rglob("test.parquet"):
        path = paths.predicted_test_fold_path(trained, "one", int(place.parent.name.removeprefix("fold")))
        assert path.read_bytes() == place.read_bytes()
    assert len(list((trained / "folds" / "one" / "test_by_fold").iterdir())) == 3


def test_the_card_tells_scores_costs_and_that_nothing_was_peeked_at(trained: Path) -> None:
    found = card(trained)
    labels = tables.read_folds(paths.folds_path(trained)).set_index("id")["label"].reindex(list(oof(trained).ids))
    assert found.pooled == pytest.approx((oof(trained).probs.argmax(axis=1) == labels.to_numpy()).mean())
    assert sorted(found.fold_scores) == ["0", "1", "2"]
    assert found.parameters == 64 * 8 + 8 + 8 * 3 + 3
    assert found.train_seconds > 0
    assert found.images_per_second > 0
    assert found.peeked == ()
    assert found.view_weights == {"plain": 1.0}
    assert found.fold_table == tables.folds_digest(tables.read_folds(paths.folds_path(trained)))
    assert found.precision == "float32"
    assert found.config["training"]["epochs"] == 4


def test_the_model_beats_chance(trained: Path) -> None:
    assert card(trained).pooled > 0.45


def test_checkpoints_and_history_cover_every_fold(trained: Path) -> None:
    folder = trained / "folds" / "one"
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert names == [f"fold{fold}.weights.h5" for fold in range(3)]
    history = pd.read_csv(folder / "history.csv")
    assert history.groupby("fold")["epoch"].apply(list).tolist() == [[1, 2, 3, 4]] * 3
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_dvc_compares_is_equal_bit_for_bit_in_a_fresh_run(bare: Path, trained: Path, tmp_path: Path) -> None:
    root = copy(bare, tmp_path)
    train.run(root, "one")
    assert outputs(root) == outputs(trained)


def test_a_second_run_trains_nothing_and_writes_the_same(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy(trained, tmp_path)
    shutil.rmtree(root / "folds" / "one")
    shutil.rmtree(root / "folds" / "predictions")
    train.run(root, "one")
    assert "epoch" not in capsys.readouterr().out
    assert outputs(root) == outputs(trained)
    assert card(root) == card(trained)


def test_one_fold_gives_its_rows_alone_and_a_full_run_reuses_it(
    bare: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy(bare, tmp_path)
    set_train(root, folds=[0])
    train.run(root, "one")
    folds = tables.read_folds(paths.folds_path(root))
    assert sorted(oof(root).ids) == sorted(folds.loc[folds["fold"] == 0, "id"])
    assert list(card(root).fold_scores) == ["0"]
    capsys.readouterr()
    set_train(root)
    train.run(root, "one")
    said = capsys.readouterr().out
    assert "fold 0" not in said
    assert "fold 1" in said
    assert outputs(root) == outputs(trained)


def test_fewer_folds_leave_nothing_of_the_others(trained: Path, tmp_path: Path) -> None:
    root = copy(trained, tmp_path)
    set_train(root, folds=[1])
    train.run(root, "one")
    assert [path.name for path in (root / "folds" / "one" / "checkpoints").iterdir()] == ["fold1.weights.h5"]
    assert [path.name for path in (root / "folds" / "one" / "test_by_fold").iterdir()] == ["fold1.parquet"]


@pytest.mark.parametrize(("folds", "got"), [([3], r"\[3\]"), ([-1], r"\[-1\]"), ([0, 0], r"\[0, 0\]"), ([], r"\[\]")])
def test_folds_that_do_not_exist_are_refused(bare: Path, tmp_path: Path, folds: list[int], got: str) -> None:
    root = copy(bare, tmp_path)
    set_train(root, folds=folds)
    with pytest.raises(InputError, match=rf"train.folds must name different folds in 0..2, got {got}; see params.yaml"):
        train.run(root, "one")
    assert not (root / "folds" / "one").exists()


def test_an_unknown_model_is_refused_and_nothing_is_written(bare: Path, tmp_path: Path) -> None:
    root = copy(bare, tmp_path)
    with pytest.raises(InputError, match=r"on.yaml does not exist; did you mean one"):
        train.run(root, "on")
    assert not (root / ".work").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("real_pictures")
def test_a_training_that_peeks_says_so_in_its_card(bare: Path, tmp_path: Path) -> None:
    root = copy(bare, tmp_path)
    set_train(root, folds=[0])
    write_recipe(root, epochs=2, select="best", patience=1)
    train.run(root, "one")
    assert card(root).peeked == ("epoch chosen on the validation fold", "stopped on the validation fold")


def test_a_competition_whose_mirrored_images_change_their_class_is_trained_without_flips(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy(bare, tmp_path)
    set_train(root, folds=[0])
    edit_mirror(root, monkeypatch)
    write_recipe(root, epochs=1)
    train.run(root, "one")
    assert card(root).config["augmentation"]["flip"] == "none"


def fingerprint(root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The fingerprint that a run would work under."""
    found: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.session.Session", lambda *_, **__: None)
        patch.setattr("pipeline.training.trainer.train_fold", lambda task, session: found.append(task.fingerprint))
        patch.setattr(train, "gather_folds", lambda *_: None)
        train.run(root, "one")
    return found[0]


def edit_recipe(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(root, epochs=5)


def edit_seed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_train(root, seed=1)


def edit_precision(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_train(root, precision="bfloat16")


def edit_pixel(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "data" / "prepared" / "test_images.npy"
    images = np.load(path)
    images[3, 4, 5] += 1
    np.save(path, images)


def edit_folds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = tables.read_folds(paths.folds_path(root))
    folds["fold"] = (folds["fold"] + 1) % 3
    tables.write_folds(paths.folds_path(root), folds)


def edit_metric(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "configs" / "competitions" / "tiny.yaml"
    path.write_text(path.read_text().replace('"accuracy"', '"macro_f1"'))


def edit_mirror(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "configs" / "competitions" / "tiny.yaml"
    path.write_text(path.read_text().replace('"mirror": true', '"mirror": false'))


def edit_settings(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")


def edit_code(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "code_digest", lambda module: "other code")


def edit_hardware(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "name_hardware", lambda: "another machine")


@pytest.mark.parametrize(
    "edit",
    [
        edit_recipe,
        edit_seed,
        edit_precision,
        edit_pixel,
        edit_folds,
        edit_metric,
        edit_mirror,
        edit_settings,
        edit_code,
    ],
)
def test_whatever_changes_the_result_changes_the_fingerprint(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Any
) -> None:
    root = copy(bare, tmp_path)
    before = fingerprint(root, monkeypatch)
    edit(root, monkeypatch)
    assert fingerprint(root, monkeypatch) != before


def test_hardware_is_no_part_of_the_fingerprint(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy(bare, tmp_path)
    before = fingerprint(root, monkeypatch)
    edit_hardware(root, monkeypatch)
    assert fingerprint(root, monkeypatch) == before


@pytest.mark.slow
def test_a_fold_of_another_machine_counts_and_stands_on_the_card_unless_hardware_must_be_the_same(
    bare: Path, trained: Path, tmp_path: Path
) -> None:
    root = copy(bare, tmp_path / "other")
    (fold,) = (trained / ".work" / "train").glob("one-*/fold1")
    other = copy(fold, root / fold.relative_to(trained))
    done = read_signed_json(other / "done.json", "")
    write_signed_json(other / "done.json", done | {"hardware": "gpu T4", "machine": "far"})
    strict = copy(root, tmp_path / "strict")
    train.run(root, "one")
    assert outputs(root) == outputs(trained)
    assert card(root).trained_on["1"] == "gpu T4 (far)"
    assert card(root).trained_on["0"] == card(trained).trained_on["0"]
    assert "gpu T4" in card(root).versions["hardware"]
    set_train(strict, same_hardware=True)
    with pytest.raises(InputError, match=r"one fold 1 was trained on gpu T4, fold 0 is for cpu .*same_hardware: false"):
        train.run(strict, "one")
    assert (other / "done.json").is_file()


def test_comments_in_the_recipe_and_the_choice_of_folds_leave_the_fingerprint(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy(bare, tmp_path)
    before = fingerprint(root, monkeypatch)
    set_train(root, folds=[2])
    path = root / "configs" / "models" / "one.yaml"
    path.write_text("# a thought\n" + path.read_text())
    assert fingerprint(root, monkeypatch) == before


@pytest.mark.usefixtures("real_pictures")  # another process draws them
@pytest.mark.slow
def test_folds_trained_side_by_side_are_those_that_one_core_trains(bare: Path, tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core cannot be shared out")
    one, two = copy(bare, tmp_path / "one"), copy(bare, tmp_path / "two")
    set_train(two, workers=len(cores))
    train.run(two, "one")
    code = f"import pathlib; from pipeline.stages import train; train.run(pathlib.Path({str(one)!r}), 'one')"
    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
    finally:
        os.sched_setaffinity(0, kept)
    assert outputs(one) == outputs(two)
    assert card(two).versions["hardware"].endswith(" x1")
    assert (card(one).fingerprint, card(one).versions) == (card(two).fingerprint, card(two).versions)


@pytest.mark.slow
def test_a_training_that_fails_side_by_side_says_why(bare: Path, tmp_path: Path) -> None:
    root = copy(bare, tmp_path)
    set_train(root, workers=2)
    write_recipe(root, optimizer={"name": "sgd", "learning_rate": 1e30})
    with pytest.raises(InputError, match=r"one fold \d"):
        train.run(root, "one")


@pytest.mark.slow
def test_memory_that_runs_out_halves_the_batch_of_all_folds(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy(bare, tmp_path)
    fit, sizes = keras.Model.fit, list[int]()

    def crowded(self: keras.Model, batches: Any, **how: Any) -> Any:
        sizes.append(how["callbacks"][0]._training.phase.batch_size)
        if len(sizes) == 2:  # one fold is done
            raise MemoryError
        return fit(self, batches, **how)

    monkeypatch.setattr(keras.Model, "fit", crowded)
    train.run(root, "one")
    assert sizes == [8, 8, 4, 4, 4]
    assert (
        "memory ran out while 8 images a step were trained on; all folds begin again with 4" in capsys.readouterr().out
    )
    training = card(root).config["training"]
    assert (training["batch_size"], training["optimizer"]["accumulate"]) == (4, 2)
    made = outputs(root)
    train.run(root, "one")
    assert outputs(root) == made
    assert len(sizes) == 5  # what was settled is remembered, and nothing trained again


@pytest.mark.slow
def test_memory_that_does_not_hold_one_image_is_one_error(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(keras.Model, "fit", fit)
    root = copy(bare, tmp_path)
    write_recipe(root, batch_size=2)
    with pytest.raises(NoRoomError, match=r"memory ran out while 1 images a step were trained on; lower"):
        train.run(root, "one")
