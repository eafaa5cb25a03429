"""Heads on cached features as models: one pass over the images for all of them, files as any member has them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import backbones, tiny
from support.trainings import ALL, repository

from pipeline.core.cards import ModelCard, read_card
from pipeline.core.errors import InputError
from pipeline.core.paths import card_path, checkpoints_folder, doubted_path, oof_path, work_folder
from pipeline.core.predictions import read_predictions
from pipeline.core.targets.prepared import read_target
from pipeline.images.views import Views
from pipeline.networks.features import FeatureCache
from pipeline.stages import train
from pipeline.training.context import read_context
from pipeline.training.doubted import DOUBTED_MARK
from pipeline.training.fingerprints import digest_images
from pipeline.training.heads.backbones import open_backbone
from pipeline.training.heads.recipe import FrozenBackbone
from pipeline.training.model_file import load_model

BACKBONE: dict[str, Any] = {"input": {"size": 16}, "network": {"name": "pretrained", "backbone": "Tiny"}}
LOGISTIC: dict[str, Any] = {"backbones": [BACKBONE], "head": {"name": "logistic"}}
FROZEN: dict[str, Any] = BACKBONE | {
    "augmentation": {"flip": "random"},
    "training": ALL | {"unfreeze": "head"},
    "views": {"mirror": True},
}


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    repository(tmp_path, weights="weights")
    backbones.install(monkeypatch, tmp_path / "weights")
    return tmp_path


def write_model(root: Path, name: str, settings: dict[str, Any]) -> None:
    tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", settings)


def count_images(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lists how many images each view that is computed has."""
    counts: list[int] = []
    blocks = FeatureCache._blocks

    def counted(self: FeatureCache, folder: Path, count: int, make: Any) -> list[Path]:
        counts.append(count)
        return blocks(self, folder, count, make)

    monkeypatch.setattr(FeatureCache, "_blocks", counted)
    return counts


def opened(root: Path, settings: dict[str, Any]) -> str:
    """Returns the digest of a backbone's features."""
    context = read_context(root)
    return open_backbone(FrozenBackbone(**settings), context, digest_images(context.prepared)).digest


def test_a_head_is_a_member_like_any_other_and_its_checkpoint_the_head_alone(root: Path) -> None:
    write_model(root, "one", LOGISTIC)
    train.run(root, "one")
    made = read_predictions(oof_path(root, "one"), read_target(root / "data" / "prepared"))
    card = read_card(card_path(root, "one"), ModelCard)
    assert len(made.ids) == 60
    assert card.pooled > 0.7
    assert list(card.backbones) == ["tiny_notop.h5"]
    sizes = [path.stat().st_size for path in checkpoints_folder(root, "one").glob("fold*.npz")]
    assert len(sizes) == 3
    assert max(sizes) < 3000


def test_a_head_trains_without_doubted_labels_and_its_card_says_so(root: Path) -> None:
    target = read_target(root / "data" / "prepared")
    write_model(root, "one", LOGISTIC)
    train.run(root, "one")
    data, path = read_context(root).data, doubted_path(root, "tiny")
    path.parent.mkdir(parents=True)
    lines = [f"{data.ids[row]},{data.classes[(data.labels[row] + 1) % 3]}" for row in (4, 17, 33)]
    path.write_text("\n".join(["id,predicted", *lines]), encoding="utf-8")
    write_model(root, "two", LOGISTIC | {"doubted": "relabel"})
    train.run(root, "two")
    usual, other = (read_predictions(oof_path(root, name), target) for name in ("one", "two"))
    assert usual.ids == other.ids
    assert not np.allclose(usual.probs, other.probs, atol=1e-3)
    assert read_card(card_path(root, "one"), ModelCard).peeked == ()
    assert read_card(card_path(root, "two"), ModelCard).peeked == other.peeked == (DOUBTED_MARK,)


def test_heads_compute_what_is_missing_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = count_images(monkeypatch)
    joined = LOGISTIC | {"backbones": [BACKBONE, BACKBONE | {"input": {"size": 8}}]}
    more_views = LOGISTIC | {"views": {"mirror": True, "shift": 1}}  # four shifts, each mirrored, too
    wanted = {"first": 4, "another head": 0, "a second backbone": 4, "views": 2 * 8, "views again": 0}
    changes = (LOGISTIC, LOGISTIC | {"head": {"name": "ridge"}}, joined, more_views, more_views)
    found = {}
    for name, settings in zip(wanted, changes, strict=True):
        before = len(counts)
        write_model(root, "one", settings)
        train.run(root, "one")
        found[name] = len(counts) - before
    assert found == wanted


@pytest.mark.slow  # trains a network beside the heads
def test_two_models_on_one_backbone_never_compute_features_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = count_images(monkeypatch)
    write_model(root, "one", LOGISTIC)
    write_model(root, "two", FROZEN)
    train.run(root, "one")
    assert sorted(counts) == [20, 20, 60, 60]  # test and training images, and their mirror images
    assert "features train-plain: 60 x 6, 0.0 MB in " in capsys.readouterr().out
    train.run(root, "two")
    write_model(root, "one", LOGISTIC | {"head": {"name": "neighbours", "neighbours": 5}})
    train.run(root, "one")
    assert len(counts) == 4


@pytest.mark.slow
def test_a_second_head_starts_no_backend(root: Path) -> None:
    write_model(root, "one", LOGISTIC)
    train.run(root, "one")
    write_model(root, "two", LOGISTIC | {"head": {"name": "ridge"}})
    code = (
        "import sys; from pathlib import Path; from pipeline.stages import train; train.run(Path(sys.argv[1]), 'two'); "
        "print('loaded:', *{'keras', 'tensorflow', 'jax', 'torch', 'albumentations'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded:"


def test_other_weights_are_other_features(root: Path) -> None:
    before = opened(root, BACKBONE)
    assert opened(root, BACKBONE) == before
    path = root / "weights" / "tiny_notop.h5"
    with h5py.File(path, "a") as file:
        file.attrs["changed"] = 1
    assert opened(root, BACKBONE) != before
    assert len(list((work_folder(root, "features") / "opened").iterdir())) == 1


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.networks.features.require_space", _refuse)
    write_model(root, "one", LOGISTIC)
    with pytest.raises(InputError, match="no room for 1440 bytes; free"):
        train.run(root, "one")
    assert not list(work_folder(root, "features").rglob("*.npy"))


def _refuse(folder: Path, needed: int) -> None:
    raise InputError(f"{folder} has no room for {needed} bytes; free some space")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbones": []}, "backbones"),
        ({"backbones": [BACKBONE, BACKBONE]}, "two backbones are the same"),
        ({"backbones": [{"network": {"name": "mlp_pixels"}}]}, "network.name must be a backbone .*got 'mlp_pixels'"),
        ({"backbones": [{"network": {"name": "pretrained", "backbone": "Tinny"}}]}, "unknown backbone 'Tinny'"),
        ({"head": {"name": "forest"}}, "head"),
        ({"grades": "regression"}, "grades: regression is for a target of ordered grades"),
    ],
)
def test_what_does_not_fit_is_one_line(root: Path, settings: dict[str, Any], message: str) -> None:
    write_model(root, "one", LOGISTIC | settings)
    with pytest.raises(InputError, match=message) as error:
        train.run(root, "one")
    assert "\n" not in str(error.value)
    assert not list(work_folder(root, "features").rglob("*.npy"))


def test_nothing_is_mirrored_where_mirror_images_are_no_members_of_their_class(root: Path) -> None:
    write_model(root, "one", LOGISTIC)
    recipe = load_model(root, "one", mirror=False).model_dump(mode="json")
    assert recipe["mirror_training"] is recipe["views"]["mirror"] is False


def test_a_head_resumes_fold_by_fold(root: Path) -> None:
    write_model(root, "one", LOGISTIC)
    train.run(root, "one")
    before = oof_path(root, "one").read_bytes()
    (folder,) = work_folder(root, "train").glob("one-*")
    (folder / "fold1" / "done.json").unlink()
    (folder / "fold1" / "valid.parquet").unlink()
    train.run(root, "one")
    assert oof_path(root, "one").read_bytes() == before
    assert json.loads((folder / "fold1" / "done.json").read_text())["backbones"]


def test_features_beyond_the_range_of_halves_stay_whole(tmp_path: Path) -> None:
    images = np.zeros((70, 2, 2, 1), dtype=np.uint8)
    cache = FeatureCache(tmp_path, lambda batch: np.full((len(batch), 3), 1e6, dtype=np.float32), 2, 1)
    (plain,) = cache.compute_views("train", images, Views())
    assert plain.dtype == np.float32
    assert np.array_equal(plain, np.full((70, 3), 1e6))
