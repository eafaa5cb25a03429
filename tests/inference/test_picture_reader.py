"""Readers of picture files by a card's words: they make the pixels that the pipeline stores, in Python and JavaScript.

Held to Pillow 13.0 as `images/decoding.py` calls it; the readers share no code with it.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from support.project_imports import imports

from pipeline.images.decoding import decode_file
from pipeline.images.fitting import StorageForm
from pipeline.inference.outside_graph import describe_outside, make_check_picture
from pipeline.inference.picture_reader import read_picture

JAVASCRIPT = Path(__file__).parents[2] / "docs" / "readers" / "read_picture.mjs"
FORMS = [
    StorageForm(48, 3, "crop"),
    StorageForm(48, 3, "pad"),
    StorageForm(33, 1, "stretch"),
    StorageForm(200, 3, "crop"),
    StorageForm(47, 1, "pad"),
]
RUN = """
import {{ fitPixels }} from {module};
import {{ readFileSync, writeFileSync }} from "node:fs";
const [pixels, card, width, height, out] = process.argv.slice(2);
writeFileSync(out, fitPixels(readFileSync(pixels), Number(width), Number(height), JSON.parse(readFileSync(card))));
"""


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """Picture files of the kinds that a reader meets: turned, transparent, huge, small, deep."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (61, 90, 4), dtype=np.uint8)
    waves = np.add.outer(np.arange(1100), np.arange(1500)) % 256
    paths = {name: tmp_path / name for name in ("turned.jpg", "clear.png", "huge.jpg", "small.png", "deep.png")}
    paths["turned.jpg"].write_bytes(make_check_picture(StorageForm(48, 3, "crop")))
    Image.fromarray(noise).save(paths["clear.png"])
    Image.fromarray(waves.astype(np.uint8)).save(paths["huge.jpg"], quality=90)
    Image.fromarray(noise[:7, :9, :3]).save(paths["small.png"])
    Image.fromarray(rng.integers(0, 65536, (50, 70), dtype=np.uint16)).save(paths["deep.png"])
    return paths


def as_card(form: StorageForm) -> dict[str, object]:
    words: dict[str, object] = json.loads(json.dumps(describe_outside(form, several_files=False)))
    return words


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_words_of_a_card_are_enough_to_make_the_stored_pixels(pictures: dict[str, Path], form: StorageForm) -> None:
    for path in pictures.values():
        np.testing.assert_array_equal(read_picture(path, as_card(form)), decode_file(path, form).pixels, str(path))


@pytest.mark.parametrize("values", ["data", "percentile", (100.0, 40000.0)])
def test_deep_values_become_levels_by_the_range_of_the_card(
    pictures: dict[str, Path], values: "str | tuple[float, float]"
) -> None:
    form = StorageForm(24, 1, "crop", values)  # type: ignore[arg-type]
    path = pictures["deep.png"]
    np.testing.assert_array_equal(read_picture(path, as_card(form)), decode_file(path, form).pixels)


def test_the_words_of_a_card_tell_slices_and_levels_between_two_whole_ones() -> None:
    spread: Any = as_card(StorageForm(48, 5, "crop", slices="spread"))
    assert (spread["files"], spread["slices"]["kind"], spread["slices"]["count"]) == (
        "a folder of slices for each image",
        "spread",
        5,
    )
    mean: Any = as_card(StorageForm(48, 1, "crop", slices="mean", slice_count=7))
    assert (mean["slices"]["count"], mean["channels"]) == (7, "grey of slices")
    eight: Any = as_card(FORMS[0])
    assert (eight["files"], eight["slices"]) == ("one for each image", None)
    deep: Any = as_card(StorageForm(48, 3, "crop", dtype="uint16"))
    for card, rounded in ((eight, True), (deep, False)):
        assert ("rounded half to even" in card["deep_values"]["rule"]) == rounded
        assert ("rounded to a whole level" in card["resize"]["rule"]) == rounded


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"channels": "5 bands, each scaled by itself"}, "makes RGB and grey, not 5 bands"),
        ({"resize": {"filter": "area", "widened_by_shrinking": True}}, "bicubic filter of Pillow alone"),
    ],
)
def test_a_card_that_asks_for_more_is_refused(
    pictures: dict[str, Path], changed: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        read_picture(pictures["small.png"], as_card(FORMS[0]) | changed)


def test_the_reader_imports_nothing_of_the_pipeline() -> None:
    assert not [name for name in imports("pipeline.inference.picture_reader") if name.startswith("pipeline")]


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node on this machine: apt-get install nodejs")
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_reader_in_javascript_makes_the_stored_pixels(
    pictures: dict[str, Path], tmp_path: Path, form: StorageForm
) -> None:
    """It gets decoded, upright pixels, as a browser's canvas gives them."""
    script, card, raw, out = (tmp_path / name for name in ("run.mjs", "card.json", "rgba.bin", "fitted.bin"))
    script.write_text(RUN.format(module=json.dumps(JAVASCRIPT.as_uri())))
    card.write_text(json.dumps(as_card(form)))
    for name in ("turned.jpg", "clear.png", "small.png"):
        upright = open_upright(pictures[name])
        raw.write_bytes(upright.tobytes())
        size = [str(upright.shape[1]), str(upright.shape[0])]
        subprocess.run(["node", *map(str, (script, raw, card)), *size, str(out)], check=True, timeout=60)
        fitted = np.frombuffer(out.read_bytes(), dtype=np.uint8).reshape(form.size, form.size, form.channels)
        apart = np.abs(fitted.astype(np.int16) - decode_file(pictures[name], form).pixels)
        # For some sizes Pillow 13 goes along the columns first, and it rounds transparency otherwise.
        assert apart.max() <= 2, name
        assert apart.mean() < 0.2, name


def open_upright(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))


def test_the_picture_beside_a_model_betrays_a_reader_that_is_wrong(tmp_path: Path) -> None:
    """Stretched, or on its side, or with red for blue, it differs by several levels on average."""
    form, path = StorageForm(48, 3, "crop"), tmp_path / "check.jpg"
    path.write_bytes(make_check_picture(form))
    right = decode_file(path, form).pixels.astype(np.int16)
    with Image.open(path) as image:
        sideways = np.asarray(ImageOps.fit(image, (48, 48), Image.Resampling.BICUBIC), dtype=np.int16)
    stretched = decode_file(path, StorageForm(48, 3, "stretch")).pixels.astype(np.int16)
    assert all(np.abs(wrong - right).mean() > 3 for wrong in (sideways, stretched, right[..., ::-1]))


@pytest.mark.slow
def test_the_reader_runs_by_itself_beside_an_exported_model(predicting_root: Path, tmp_path: Path) -> None:
    from pipeline.stages import export

    export.run(predicting_root, "dense", "onnx", "float32", tmp_path / "made", None)
    made = tmp_path / "made"
    command = [sys.executable, "-I", *map(str, (made / "read_picture.py", made, made / "check.jpg"))]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, cwd=tmp_path).stdout
    check, card = json.loads((made / "check.json").read_text()), json.loads((made / "export.json").read_text())
    assert json.loads(printed)["values"] == pytest.approx(check["expected"], abs=1e-6)
    pixels = np.frombuffer((made / "check_pixels.bin").read_bytes(), dtype=np.uint8).reshape(check["shape"])
    np.testing.assert_array_equal(pixels, read_picture(made / "check.jpg", card["outside"]))
    assert card["from_files"]["compared_files"] == 36
    assert card["from_files"]["max_pixel_difference"] == 0
    assert card["from_files"]["max_probability_difference"] <= 1e-5
