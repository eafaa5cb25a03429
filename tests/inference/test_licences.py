"""Licences of weights that bind what is passed on."""

from pathlib import Path
from typing import Any

from pipeline.core.cards import ModelCard
from pipeline.inference.licences import list_licences, write_licences


def card(name: str, preset: str = "hf://somebody/tiny") -> Any:
    config = {"network": {"name": name, "preset": preset}, "training": {"optimizer": {"name": "adamw"}}}
    return ModelCard.model_construct(model=f"my_{name}", config=config)


def test_dinov3_is_named_and_other_weights_are_not() -> None:
    assert list_licences([card("dinov2"), card("siglip")]) == []
    (line,) = list_licences([card("dinov2"), card("dinov3")])
    assert line.startswith("my_dinov3 is made of dinov3, whose weights are under the DINOv3 License (https://")


def test_nothing_is_written_where_no_licence_binds(tmp_path: Path) -> None:
    assert write_licences(tmp_path, [card("dinov2")], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_text_beside_the_preset_goes_along(tmp_path: Path) -> None:
    preset, folder = tmp_path / "weights" / "tiny", tmp_path / "pack"
    preset.mkdir(parents=True)
    folder.mkdir()
    (preset / "LICENSE.md").write_text("its text")
    (line,) = write_licences(folder, [card("dinov3")], tmp_path / "weights")
    assert (folder / "LICENCE-my_dinov3-LICENSE.md").read_text() == "its text"
    assert (folder / "LICENCES.txt").read_text() == line + "\n"


def test_a_text_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    lines = write_licences(tmp_path, [card("dinov3")], tmp_path / "weights")
    assert lines[-1] == "note: no text of the licence is next to the preset; add it before you pass this on"
    assert (tmp_path / "LICENCES.txt").read_text().splitlines() == lines
