"""Checkpoints: the head alone where the backbone stays frozen, which lies beside the folds once, by its digest."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import backbones
from support.trainings import repository, session, task, transfer

from pipeline.core import predictions
from pipeline.core.errors import InputError, find_fix
from pipeline.networks import runtime
from pipeline.networks.build import BuiltNetwork, WeightSource, build_network
from pipeline.networks.checkpoint_files import LoadedWeights, load_checkpoint, save_checkpoint
from pipeline.training.finished import is_finished
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.trainer import train_fold

HEAD: dict[str, Any] = {
    "unfreeze": "head",
    "epochs": 1,
    "batch_size": 16,
    "optimizer": {"name": "adam", "learning_rate": 0.02},
}
NAMES = ["checkpoint.head.npz", "done.json", "history.csv", "test.parquet", "valid.parquet"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which a frozen model's folds 0 and 1 are trained; tests put back what they change."""
    runtime.start_backend("float32")
    folder = repository(tmp_path_factory.mktemp("frozen"))
    with pytest.MonkeyPatch.context() as patch:
        backbones.install(patch, folder / "weights")
        opened = session(folder, recipe())
        for fold in (0, 1):
            train_fold(task(folder, recipe(), "work", fold), opened)
    return folder


@pytest.fixture(autouse=True)
def _tiny(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbones.install(monkeypatch, root / "weights")


def recipe() -> Recipe:
    return transfer(**HEAD)


def heads(root: Path) -> list[Path]:
    return [task(root, recipe(), "work", fold).folder / "checkpoint.head.npz" for fold in (0, 1)]


def gather(root: Path, folder: Path) -> list[Path]:
    """Lays the checkpoints of the folds side by side, as results do."""
    folder.mkdir()
    (shared,) = heads(root)[0].parents[1].glob("backbone-*.npz")
    (folder / shared.name).write_bytes(shared.read_bytes())
    for fold, path in enumerate(heads(root)):
        (folder / f"fold{fold}.head.npz").write_bytes(path.read_bytes())
    return [folder / f"fold{fold}.head.npz" for fold in (0, 1)]


def build(size: int = 16, weights: Path | None = None, classes: int = 3) -> BuiltNetwork:
    source = WeightSource(weights) if weights else None
    return build_network(recipe().network, size, 1, classes, "auto", source)


def test_folds_of_a_frozen_model_hold_heads_alone_and_their_backbone_once(root: Path) -> None:
    for path in heads(root):
        assert sorted(each.name for each in path.parent.iterdir()) == NAMES
    (shared,) = heads(root)[0].parents[1].glob("backbone-*.npz")
    with np.load(shared) as kept, np.load(heads(root)[0]) as head:
        assert str(head["backbone"]) == shared.name.removeprefix("backbone-").removesuffix(".npz")
        assert len(kept.files) == len(build().backbone.variables)  # type: ignore[union-attr]
        assert [head[str(number)].shape for number in range(2)] == [(6, 3), (3,)]


def test_a_network_without_weights_predicts_what_training_predicted_to_the_bit(root: Path, tmp_path: Path) -> None:
    from pipeline.networks.predicting import predict_from_features

    opened, net = session(root, recipe()), build()
    assert net.head is not None
    features = opened.inputs.view_features(opened.phases[0], "test", recipe().views)
    for keep in (False, True):
        loaded, checkpoints = LoadedWeights(keep), gather(root, tmp_path / str(keep))
        for fold in (0, 1, 0):  # the third time from memory, where it stays
            load_checkpoint(net, checkpoints[fold], loaded)
            made = task(root, recipe(), "work", fold).folder / "test.parquet"
            wanted = predictions.read_predictions(made, opened.data.target).probs
            logits = np.concatenate(
                [part[0] for _, part in predict_from_features(net.head, features, np.arange(len(wanted)))]
            )
            assert np.array_equal(opened.data.target.from_outputs(logits), wanted)
        assert len(loaded.kept_heads) == (2 if keep else 0)
        pretrained = build(weights=root / "weights").backbone
        assert pretrained is not None
        assert net.backbone is not None
        for ours, theirs in zip(net.backbone.variables, pretrained.variables, strict=True):
            assert np.array_equal(ours.numpy(), theirs.numpy())


def test_a_missing_or_damaged_backbone_is_one_line(root: Path, tmp_path: Path) -> None:
    (checkpoint, _), net = gather(root, tmp_path / "kept"), build()
    (shared,) = checkpoint.parent.glob("backbone-*.npz")
    whole = shared.read_bytes()
    shared.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"backbone-.*npz is damaged \(.*\); run `dvc checkout --force .*kept`, or"):
        load_checkpoint(net, checkpoint, LoadedWeights())
    with np.load(heads(root)[0].parents[1] / shared.name) as kept:
        changed = {name: kept[name] for name in kept.files}
    changed["0"] = changed["0"] + 1
    np.savez(shared, **changed)
    with pytest.raises(
        InputError, match=r"is not the backbone that its name says \(damaged: its digest differs\); run"
    ):
        load_checkpoint(net, checkpoint, LoadedWeights())
    shared.unlink()
    with pytest.raises(InputError, match="does not exist: the backbone that the folds' heads were trained on; run"):
        load_checkpoint(net, checkpoint, LoadedWeights())


def test_a_head_of_another_shape_or_no_head_is_refused(root: Path, tmp_path: Path) -> None:
    checkpoint = gather(root, tmp_path / "kept")[0]
    with pytest.raises(InputError, match=r"fold0.head.npz does not fit the card of its model \(2 arrays of other shap"):
        load_checkpoint(build(classes=4), checkpoint, LoadedWeights())
    checkpoint.write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"fold0.head.npz does not fit the card of its model .*; train that model"):
        load_checkpoint(build(), checkpoint, LoadedWeights())


def test_a_damaged_backbone_is_written_again_with_the_fold(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shared,) = heads(root)[0].parents[1].glob("backbone-*.npz")
    whole, made = shared.read_bytes(), task(root, recipe(), "work", 0)
    shared.write_bytes(whole[:-9])
    assert not is_finished(made)
    assert f"{shared.name} damaged; this fold is trained again" in capsys.readouterr().out
    train_fold(made, session(root, recipe()))
    assert shared.read_bytes() == whole
    assert is_finished(made)


def test_a_network_that_trains_whole_keeps_all_its_weights(tmp_path: Path) -> None:
    (tmp_path / "fold0").mkdir()
    first, second = build(), build()
    assert save_checkpoint(first, tmp_path / "fold0", frozen=False) == []
    loaded = LoadedWeights(backbone="another")
    load_checkpoint(second, tmp_path / "fold0" / "checkpoint.weights.h5", loaded)
    assert loaded.backbone is None
    for ours, theirs in zip(first.model.variables, second.model.variables, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_a_head_that_stayed_in_memory_comes_back_on_its_own_backbone(tmp_path: Path) -> None:
    loaded, net = LoadedWeights(keep=True), build()
    assert net.head is not None
    assert net.backbone is not None
    for number in (1.0, 2.0):
        for variable in net.model.variables:
            variable.assign(np.full(variable.shape, number))
        (tmp_path / str(number)).mkdir()
        save_checkpoint(net, tmp_path / str(number), frozen=True)
    for number in (1.0, 2.0, 1.0):
        (tmp_path / f"{number}.head.npz").write_bytes((tmp_path / str(number) / "checkpoint.head.npz").read_bytes())
        load_checkpoint(net, tmp_path / f"{number}.head.npz", loaded)
        assert {float(variable.numpy().mean()) for variable in net.model.variables} == {number}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("flush dest failure failed (file write failed: file descriptor = 6, errno = 28, error message = 'No", OSError),
        ("something else", RuntimeError),
    ],
)
def test_a_disk_that_is_full_while_hdf5_flushes_is_an_error_of_the_system(
    tmp_path: Path, said: str, expected: type[Exception]
) -> None:
    def save_weights(path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError(said)

    model = SimpleNamespace(save_weights=save_weights, variables=[np.zeros(3)])
    net: Any = SimpleNamespace(model=model, backbone=None, head=None)
    with pytest.raises(expected) as caught:
        save_checkpoint(net, tmp_path, frozen=False)
    if isinstance(caught.value, OSError):
        assert find_fix(caught.value) == "free some space"
    assert not list(tmp_path.iterdir())


def test_no_checkpoint_is_begun_where_the_disk_has_no_room_for_it(tmp_path: Path) -> None:
    def save_weights(path: Path) -> None:
        raise AssertionError("HDF5 may end the process")

    model = SimpleNamespace(save_weights=save_weights, variables=[np.broadcast_to(np.float32(0), (2**40,))] * 64)
    net: Any = SimpleNamespace(model=model, backbone=None, head=None)
    with pytest.raises(InputError, match=r"needs 281,474,97.\.. MB, the disk has .* free; free some space"):
        save_checkpoint(net, tmp_path, frozen=False)
    assert not list(tmp_path.iterdir())
