"""Heads on frozen backbones: new images get what training predicted of them, from the head and the files of weights."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import backbones, tiny, trained

from pipeline import cli
from pipeline.core import paths, predictions, tables
from pipeline.core.arrays import Images, Logits
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.digests import read_signed_json, write_signed_json
from pipeline.core.errors import InputError
from pipeline.core.targets.prepared import read_target
from pipeline.images.store import open_store
from pipeline.inference.checkpoints import InferenceInput, predict_images
from pipeline.inference.exported_graph import build_graph
from pipeline.inference.opened_head import OpenedHead
from pipeline.inference.selection import list_checkpoints
from pipeline.inference.task_shape import TaskShape
from pipeline.inference.trained_model import open_trained_model
from pipeline.stages import pack, train
from pipeline.stages.pack import PackOptions

TINY: dict[str, Any] = {"network": {"name": "pretrained", "backbone": "Tiny"}}
TWO_SIZES = [TINY, TINY | {"input": {"size": 16}}]
RECIPES: dict[str, dict[str, Any]] = {
    "joined": {"backbones": TWO_SIZES, "head": {"name": "logistic"}},
    "near": {
        "backbones": [TINY],
        "head": {"name": "neighbours", "neighbours": 5},
        "views": {"mirror": True, "average": "probabilities", "weights": "learned"},
    },
    "trees": {"backbones": [TINY], "head": {"name": "trees", "components": 3}},
}


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.build(tmp_path_factory.mktemp("heads"), RECIPES)


@pytest.fixture
def root(prepared_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with folds and nothing trained; pretrained weights lie in ``data/weights``."""
    root = Path(shutil.copytree(prepared_once, tmp_path / "copy"))
    backbones.install(monkeypatch, root / "data" / "weights")
    return root


@pytest.fixture(scope="module")
def joined_once(prepared_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which the two joined backbones have their head: copy it before a change."""
    root = Path(shutil.copytree(prepared_once, tmp_path_factory.mktemp("joined") / "copy"))
    with pytest.MonkeyPatch.context() as patch:
        backbones.install(patch, root / "data" / "weights")
        train.run(root, "joined")
    return root


@pytest.fixture
def joined(joined_once: Path, root: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(joined_once, root, dirs_exist_ok=True))


def predict(root: Path, model: str, work: Path, weights: Path) -> np.ndarray:
    """Predicts the test images by the checkpoints, as a packed notebook does."""
    card = read_card(paths.card_path(root, model), ModelCard)
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    inputs = InferenceInput(images, read_target(root / "data" / "prepared"), weights, work)
    return predict_images(card, list_checkpoints(root, card), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["joined", "near"])
def test_new_images_get_what_training_predicted_of_them(root: Path, tmp_path: Path, model: str) -> None:
    train.run(root, model)
    target = read_target(root / "data" / "prepared")
    known = predictions.read_predictions(paths.predicted_test_path(root, model), target).probs
    # Weighted views are summed in other pieces: the last bit of float32 may differ.
    assert np.abs(predict(root, model, tmp_path / "work", root / "data" / "weights") - known).max() <= 6e-8
    opened = open_trained_model(root, read_card(paths.card_path(root, model), ModelCard))
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    for number in range(2):  # the second time with the network that is built
        made = np.mean([fold.probs for fold in opened.predict_folds(images[: 3 + number])], axis=0)
        assert np.abs(made - known[: 3 + number]).max() <= 1e-6


@pytest.mark.slow
def test_a_graph_of_two_backbones_and_a_linear_head_predicts_the_same(joined: Path) -> None:
    card = read_card(paths.card_path(joined, "joined"), ModelCard)
    opened = open_trained_model(joined, card, precision="float32")
    images = open_store(joined / "data" / "prepared" / "test_images.npy")
    shape = TaskShape(images.shape[1], images.shape[3], opened.target.n_outputs)
    graph = build_graph(card, opened.checkpoints, shape, opened.target, joined / "data" / "weights")
    made = np.mean([fold.probs for fold in opened.predict_folds(images)], axis=0)
    # The pipeline keeps features in half the bytes; the graph hands them on as they are.
    np.testing.assert_allclose(graph.predict_on_batch(np.asarray(images)), made, atol=3e-3)


@pytest.mark.slow
def test_the_command_predicts_files_by_a_head(
    joined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = open_store(joined / "data" / "prepared" / "test_images.npy")
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.fromarray(images[number]).save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.chdir(joined)
    capsys.readouterr()
    seen: list[int] = []
    compute = OpenedHead.predict_logits

    def count(head: OpenedHead, checkpoints: Sequence[Path], images: Images, work: Path) -> Iterator[Logits]:
        seen.append(len(images))
        yield from compute(head, checkpoints, images, work)

    monkeypatch.setattr(OpenedHead, "predict_logits", count)
    assert cli.main(["predict", str(tmp_path / "photos"), "--model", "joined", "--format", "csv"]) == 0
    assert seen == [2]  # known images, to tell unknown ones from, pass through no backbone again
    printed = capsys.readouterr().out
    assert "0.png" in printed
    assert "1.png" in printed


def test_new_folds_under_an_old_head_are_one_line(
    joined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(joined, tmp_path / "split again"))
    table = tables.read_folds(paths.folds_path(root))
    tables.write_folds(paths.folds_path(root), table.assign(fold=table["fold"].max() - table["fold"]))
    (root / "folds" / "digests.json").unlink()  # as if `split` had run
    Image.fromarray(open_store(root / "data" / "prepared" / "test_images.npy")[0]).save(tmp_path / "0.png")
    monkeypatch.chdir(root)
    assert cli.main(["predict", str(tmp_path / "0.png"), "--model", "joined"]) == 1
    assert "oof.parquet was made on other folds than folds/folds.csv" in capsys.readouterr().err


def test_weights_that_are_gone_or_others_are_one_line(joined: Path, tmp_path: Path) -> None:
    path = joined / "data" / "weights" / "tiny_notop.h5"
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(InputError, match=r"tiny_notop.h5 holds other weights than joined was trained on; put the file"):
        predict(joined, "joined", tmp_path / "work", path.parent)
    with pytest.raises(InputError, match=r"tiny_notop\.h5"):
        predict(joined, "joined", tmp_path / "work", tmp_path / "none")


def test_a_card_of_before_and_trees_are_refused(joined: Path, tmp_path: Path) -> None:
    path = paths.card_path(joined, "joined")
    write_signed_json(path, read_signed_json(path, "") | {"backbone_precisions": []})
    with pytest.raises(InputError, match=r"does not say what its backbones computed in; run `dvc repro train@joined`"):
        predict(joined, "joined", tmp_path / "work", joined / "data" / "weights")
    write_signed_json(path, read_signed_json(path, "") | {"config": RECIPES["trees"]})
    with pytest.raises(InputError, match="joined has trees on cached features, which no checkpoint holds"):
        predict(joined, "joined", tmp_path / "work", joined / "data" / "weights")


def name_in_card(root: Path, network: dict[str, str]) -> None:
    """Puts another network into the card's sections of backbones."""
    path = paths.card_path(root, "joined")
    card = read_signed_json(path, "")
    sections = [section | {"network": network} for section in card["config"]["backbones"]]
    write_signed_json(path, card | {"config": card["config"] | {"backbones": sections}})


@pytest.mark.parametrize("named", ["{outside}/other.safetensors", "../other.safetensors"])
def test_weights_that_a_packed_notebook_would_not_find_are_refused(joined: Path, tmp_path: Path, named: str) -> None:
    (joined / "data" / "other.safetensors").touch()
    timm = {"name": "timm", "model": "vit", "weights": named.format(outside=joined / "data")}
    name_in_card(joined, timm)
    with pytest.raises(InputError, match=r"other\.safetensors is no path below the folder of weights"):
        pack.run(joined, "joined", tmp_path / "pack", PackOptions())
    assert not (tmp_path / "pack").exists()


@pytest.mark.slow
@pytest.mark.parametrize("below", [".", "sub"])
def test_a_pack_brings_the_backbones_along(joined: Path, tmp_path: Path, below: str) -> None:
    if below == "sub":
        place = joined / "data" / "weights" / below
        place.mkdir()
        path = place.parent / "tiny_notop.h5"
        name_in_card(joined, TINY["network"] | {"weights": str(path.rename(place / path.name))})
    params = tiny.read_yaml(joined / "params.yaml")
    tiny.write_yaml(joined / "params.yaml", params | {"models": ["joined"]})
    pack.run(joined, "joined", tmp_path / "pack", PackOptions())
    shutil.rmtree(joined / "data" / "weights")
    shutil.copytree(joined / "data" / "prepared", tmp_path / "pack" / "data" / "prepared", dirs_exist_ok=True)
    made = predict(tmp_path / "pack", "joined", tmp_path / "work", tmp_path / "pack" / "weights")
    target = read_target(joined / "data" / "prepared")
    assert (made == predictions.read_predictions(paths.predicted_test_path(joined, "joined"), target).probs).all()
