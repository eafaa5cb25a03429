"""An exported network on the photographs that a fold validates: stored pixels in, and files in by the card's words.

The folder is one that `python -m pipeline export --fold K` wrote. Beside the two ways that have to agree stands what
comes of pictures that are stretched instead, so that the measure is seen to tell them apart.

python -m benchmarks.exported_photos FOLDER [--root REPOSITORY]
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.core import cards, files, paths
from pipeline.core.competition import load_competition
from pipeline.core.paths import prepared_folder
from pipeline.core.tables import read_index
from pipeline.data.sources.source import find_source_folder
from pipeline.inference.export_formats import FILE_NAMES, load_exported
from pipeline.inference.parity import PictureFiles, measure_files
from pipeline.inference.trained_model import open_trained_model
from pipeline.training.context import read_context


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", type=Path, default=Path())
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    about = files.read_json(arguments.folder / "export.json", "run `python -m pipeline export`")
    (fold,) = about["folds"]
    data = read_context(root).data
    rows = data.rows(fold)[1]
    pixels, truth = np.asarray(data.images[rows]), data.truth[rows]
    model = open_trained_model(root, cards.read_card(paths.card_path(root, about["model"]), cards.ModelCard))
    predict = load_exported(arguments.folder / FILE_NAMES[about["format"]], about["format"])
    (own,) = (each.probs for each in model.predict_folds(pixels, [fold]))
    made = np.concatenate([predict(image[None]) for image in pixels])

    def describe(values: np.ndarray) -> str:
        same = float((values.argmax(axis=1) == own.argmax(axis=1)).mean())
        apart, loss = float(np.abs(values - own).max()), float(model.target.measure_losses(truth, values).mean())
        return f"same class {same:.1%}, probabilities differ by {apart:.2g} at most, log loss {loss:.4f}"

    print(f"{about['model']} fold {fold}, {len(rows)} photographs; the pipeline {describe(own)}")
    print(f"stored pixels in: {describe(made)}")
    folder = find_source_folder(root, load_competition(root))
    assert folder is not None
    source = read_index(prepared_folder(root) / "train.csv")["source"]
    photos = PictureFiles([folder / str(source.iloc[row]) for row in rows], pixels)
    read = measure_files(model, [fold], predict, about["outside"], photos)
    print(f"files in, by the card's words: {read}")
    stretched = about["outside"] | {"resize": {**about["outside"]["resize"], "mode": "stretch"}}
    print(f"files in, stretched: {measure_files(model, [fold], predict, stretched, photos)}")


if __name__ == "__main__":
    main()
