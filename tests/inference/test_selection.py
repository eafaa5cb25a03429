"""Selected models: those that can be packed, and refusals of all others."""

from pathlib import Path

import pytest
from support import tiny
from support.fabricated import write_model_card
from support.packs import change_params, make_pack

from pipeline.core.cards import ModelCard, read_card
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.paths import card_path
from pipeline.inference.selection import list_checkpoints, list_shared_backbones, select_models


def test_before_anything_is_trained_it_names_the_command(tmp_path: Path) -> None:
    tiny.build(tmp_path)
    for name in ("ensemble", "small_cnn"):
        (tmp_path / "configs" / "models").mkdir(parents=True, exist_ok=True)
        (tmp_path / "configs" / "models" / "small_cnn.yaml").touch()
        with pytest.raises(InputError, match=r"\.json does not exist; run `dvc repro`"):
            make_pack(tmp_path, name)
        assert not (tmp_path / "pack" / name).exists()


def test_an_unknown_name_lists_the_near_ones(root: Path) -> None:
    with pytest.raises(InputError, match=r"params.yaml has no model 'tiny_cmm'; did you mean tiny_cnn"):
        make_pack(root, "tiny_cmm")


def test_an_external_member_cannot_be_packed(root: Path) -> None:
    change_params(root, models=["tiny_cnn"], ensemble={"external": ["tiny_hog"]})
    with pytest.raises(InputError, match="tiny_hog is an external member: it has predictions, but no checkpoints"):
        select_models(root, "tiny_hog")
    with pytest.raises(
        InputError,
        match=r"members without checkpoints: tiny_hog; .* pack a single model: python -m pipeline pack tiny_cnn",
    ):
        select_models(root, "ensemble")


def test_a_frozen_backbone_that_folds_share_goes_along_and_is_missed(tmp_path: Path) -> None:
    tiny.build(tmp_path)
    names = [*(f"fold{fold}.head.npz" for fold in range(2)), "backbone-12ab.npz"]
    folder = tmp_path / "folds" / "frozen" / "checkpoints"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    digests = {f"checkpoints/{name}": sha256(folder / name) for name in names}
    write_model_card(tmp_path, "frozen", fold_scores={"0": 0.5, "1": 0.5}, digests=digests)
    card = read_card(card_path(tmp_path, "frozen"), ModelCard)
    assert [path.name for (path,) in list_checkpoints(tmp_path, card).values()] == names[:2]
    assert list_shared_backbones(tmp_path, card) == [folder / names[2]]
    (folder / names[2]).write_bytes(b"damaged")
    with pytest.raises(
        InputError, match=r"backbone-12ab.npz is not the file that its card describes .*; run `dvc check"
    ):
        list_checkpoints(tmp_path, card)
    (folder / names[2]).unlink()
    with pytest.raises(InputError, match=r"checkpoints lacks backbone-12ab.npz; run `dvc repro train@frozen`, or"):
        list_checkpoints(tmp_path, card)


def test_what_was_trained_for_another_competition_is_refused(root: Path) -> None:
    write_model_card(root, "tiny_cnn", competition="former")
    with pytest.raises(InputError, match="tiny_cnn was trained for former, the active competition is tiny; run `dvc"):
        make_pack(root, "tiny_cnn")
