"""Kept graphs: a small network predicts without Keras what it predicts with it, and what is kept is made once."""

import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import trained

from pipeline.core.arrays import Images
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.paths import card_path
from pipeline.images.store import open_store
from pipeline.inference import kept_graph
from pipeline.inference.task_shape import TaskShape
from pipeline.inference.trained_model import TrainedModel, open_trained_model

LARGER = {
    "input": {"size": 16},
    "network": {"name": "plain_cnn", "filters": [4, 4], "kernels": [3, 3], "units": [8]},
    "training": trained.TRAINING,
    "views": {"mirror": True, "shift": 1},
    "seeds": 2,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.run(tmp_path_factory.mktemp("graphs"), {"larger": LARGER})


@pytest.fixture
def images(root: Path) -> Images:
    return np.ascontiguousarray(open_store(root / "data" / "prepared" / "test_images.npy"))


def open_both(root: Path, name: str) -> tuple[TrainedModel, TrainedModel]:
    card = read_card(card_path(root, name), ModelCard)
    return open_trained_model(root, card), open_trained_model(root, card, by_graph=True)


def list_kept(root: Path, name: str = "larger") -> list[Path]:
    return sorted((root / ".work" / "graphs").glob(f"{name}-*.onnx"))


def test_a_graph_computes_what_the_network_does(root: Path, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_graph, "_MOST_AT_ONCE", 4)  # nine images in three parts, the last of one
    network, graph = open_both(root, "larger")
    assert network.graph is None
    assert graph.graph is not None
    assert len(graph.graph.checkpoints) == 2 * len(network.checkpoints)
    for with_features in (True, False):
        wanted = list(network.predict_folds(images, with_features=with_features))
        made = list(graph.predict_folds(images, with_features=with_features))
        assert len(made) == len(wanted) > 1
        for own, other in zip(made, wanted, strict=True):
            np.testing.assert_allclose(own.probs, other.probs, atol=1e-5)
            assert (own.features is not None, own.logits is not None) == (with_features, with_features)
            if with_features:
                assert own.features is not None
                assert other.features is not None
                assert own.logits is not None
                assert other.logits is not None
                assert own.features.shape == (len(images), 8)
                np.testing.assert_allclose(own.logits, other.logits, atol=1e-4)
                np.testing.assert_allclose(own.features, other.features, atol=1e-4)


def test_a_graph_computes_the_folds_that_are_asked_for(root: Path, images: Images) -> None:
    _, graph = open_both(root, "larger")
    every = {fold: made.probs for fold, made in zip(graph.checkpoints, graph.predict_folds(images), strict=True)}
    last = max(every)
    (alone,) = graph.predict_folds(images, [last])
    np.testing.assert_array_equal(alone.probs, every[last])
    assert not np.allclose(alone.probs, every[0])


def test_a_graph_is_made_once_and_again_where_it_is_damaged(
    root: Path, images: Images, capsys: pytest.CaptureFixture[str]
) -> None:
    open_both(root, "larger")
    (kept,) = list_kept(root)
    made = kept.stat().st_mtime_ns
    open_both(root, "larger")
    assert kept.stat().st_mtime_ns == made
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    network, graph = open_both(root, "larger")
    assert "is damaged, and made again" in capsys.readouterr().out
    (own, *_), (other, *_) = graph.predict_folds(images), network.predict_folds(images)
    np.testing.assert_allclose(own.probs, other.probs, atol=1e-5)


def test_the_graph_of_an_earlier_training_goes(root: Path) -> None:
    card = read_card(card_path(root, "larger"), ModelCard)
    open_trained_model(root, card, by_graph=True)
    (before,) = list_kept(root)
    other = before.with_name(f"larger-b-{'0' * 16}.onnx")
    other.touch()  # of a model whose name begins alike
    again = card.model_copy(update={"fingerprint": "another"})
    open_trained_model(root, again, by_graph=True)
    kept = list_kept(root)
    assert (len(kept), other in kept, before in kept) == (2, True, False)
    assert not before.with_name(f"{before.name}.sha256").exists()
    other.unlink()


@pytest.mark.parametrize("change", ["parameters", "preprocess", "crops", "scales", "mlp_hog", "classic"])
def test_what_a_graph_does_not_suit_keeps_its_network(root: Path, change: str) -> None:
    card = read_card(card_path(root, "larger"), ModelCard)
    shape, paths = trained_shape(root, card)
    config = card.config
    changes: dict[str, dict[str, Any]] = {
        "parameters": {"parameters": 1_400_000},  # of six checkpoints
        "preprocess": {"config": config | {"input": config["input"] | {"preprocess": [{"name": "clahe"}]}}},
        "crops": {"config": config | {"views": config["views"] | {"crops": 0.8}}},
        "scales": {"config": config | {"views": config["views"] | {"scales": [0.9]}}},
        "mlp_hog": {"config": config | {"network": {"name": "mlp_hog"}}},
        "classic": {"config": {"classifier": {}}},
    }
    kept = list_kept(root)
    assert kept_graph.open_kept_graph(root, card.model_copy(update=changes[change]), paths, shape, root) is None
    assert list_kept(root) == kept


def test_a_graph_that_cannot_be_written_leaves_predictions_to_the_network(
    root: Path, images: Images, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for kept in list_kept(root):
        kept.unlink()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_graph, "atomic_path", refuse)
    network, graph = open_both(root, "larger")
    assert graph.graph is None
    assert "larger: no graph is kept for later predictions" in capsys.readouterr().out
    (own, *_), (other, *_) = graph.predict_folds(images), network.predict_folds(images)
    np.testing.assert_array_equal(own.probs, other.probs)
    assert not list_kept(root)


@pytest.mark.parametrize("lacking", ["views", "views.scales", "views.crops", "input.preprocess"])
def test_a_card_of_an_earlier_version_that_lacks_a_key_is_opened(root: Path, lacking: str) -> None:
    card = read_card(card_path(root, "larger"), ModelCard)
    config = json.loads(json.dumps(card.config))
    section, _, key = lacking.partition(".")
    if key:
        config[section].pop(key, None)
    else:
        del config[section]
    opened = open_trained_model(root, card.model_copy(update={"config": config}), by_graph=True)
    assert opened.graph is not None


@pytest.mark.parametrize(("stored", "size", "batch"), [(12, None, 19), (8, 24, 4), (800, None, 1)])
def test_large_images_and_many_views_are_computed_fewer_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, stored: int, size: int | None, batch: int
) -> None:
    card = read_card(card_path(root, "larger"), ModelCard)
    shape, paths = trained_shape(root, card)
    monkeypatch.setattr(kept_graph, "_MOST_PIXELS", 28_000)
    monkeypatch.setattr(kept_graph, "is_signed", lambda path: True)
    monkeypatch.setattr(kept_graph, "_open_session", lambda path: None)
    config = card.config | {"input": card.config["input"] | {"size": size}}
    shape = replace(shape, stored=stored)
    opened = kept_graph.open_kept_graph(root, card.model_copy(update={"config": config}), paths, shape, root)
    assert opened is not None
    assert (opened.n_views, opened.batch) == (10, batch)


def test_another_backend_computes_by_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = read_card(card_path(root, "larger"), ModelCard)
    shape, paths = trained_shape(root, card)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert kept_graph.open_kept_graph(root, card, paths, shape, root) is None


def trained_shape(root: Path, card: ModelCard) -> tuple[TaskShape, list[Path]]:
    model = open_trained_model(root, card, by_graph=True)
    return TaskShape(12, 3, 3), [path for of_seeds in model.checkpoints.values() for path in of_seeds]


def test_a_second_predict_starts_no_tensorflow(root: Path) -> None:
    open_both(root, "larger")
    code = (
        "import sys; from pathlib import Path; from pipeline.inference.predictor import open_predictor\n"
        "from pipeline.images.store import open_store; import numpy as np\n"
        "predictor = open_predictor(Path(sys.argv[1]), 'larger')\n"
        "images = np.ascontiguousarray(open_store(Path(sys.argv[1]) / 'data/prepared/test_images.npy'))\n"
        "predictor.predict(images)\n"
        "print(sorted({'keras', 'tensorflow', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    for wanted in (None, "[]"):  # the first fits what recognises unknown images
        ran = subprocess.run(
            [sys.executable, "-c", code, str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
        assert wanted is None or ran.stdout.strip() == wanted, ran.stdout
