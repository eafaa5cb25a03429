"""Adds an external member to the ensemble. Run by hand: no stage of dvc.yaml.

Reads: the files given, data/prepared/{classes.json,target.json,test.csv}, folds/folds.csv, params.yaml
Writes: folds/predictions/<name>/{oof,test}.parquet, and the name into ensemble.external of params.yaml
"""

from dataclasses import replace
from pathlib import Path

from pipeline.core import paths, predictions, tables
from pipeline.core.active import active_members, active_models
from pipeline.core.config import dump_yaml, load_params, round_trip_yaml
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.core.paths import index_path, model_path, params_path, prepared_folder
from pipeline.core.targets.prepared import read_target
from pipeline.ensemble.external import PredictionFiles, check_same_folds, read_external
from pipeline.ensemble.fitting import EnsembleParams


def run(root: Path, name: str, oof: PredictionFiles, test: PredictionFiles, folds: Path | None) -> None:
    """Checks a member's predictions and lists it in ``params.yaml``; the same name again replaces it.

    Args:
        root: the repository.
        name: of the member.
        oof: its out-of-fold predictions, of every training image.
        test: its test predictions.
        folds: a table of the folds it was made on; without it the ensemble requires ``allow_peeked``.

    Raises:
        InputError: the name is a model's, or the files do not fit.
    """
    paths.check_model_name(name)
    if name in active_models(root) or (model_path(root, name)).is_file():
        raise InputError(f"{name} is a model of this repository; give the external member another name")
    load_params(root, "ensemble", EnsembleParams)  # a wrong section is refused before anything is written
    members = active_members(root)
    target = read_target(prepared_folder(root))
    table = tables.read_folds(paths.folds_path(root), prepared_folder(root))
    test_ids = tables.read_index(index_path(root, "test"))["id"].tolist()
    digest = check_same_folds(folds, table) if folds is not None else None
    out_of_fold = replace(read_external(oof, target, table["id"].tolist()), folds=digest)
    tested = read_external(test, target, test_ids)
    predictions.write_predictions(paths.oof_path(root, name), out_of_fold)
    predictions.write_predictions(paths.predicted_test_path(root, name), tested)
    if name not in members:
        _list_member(params_path(root), name)
    print(f"{name}: {len(table):,} out-of-fold and {len(test_ids):,} test rows; run `dvc repro`")
    if digest is None:
        print(
            "it is unknown whether it was made on folds/folds.csv: give --folds FILE, or set ensemble.allow_peeked: "
            "true in params.yaml, and take the ensemble's score for optimistic"
        )


def _list_member(path: Path, name: str) -> None:
    yaml = round_trip_yaml()
    params = yaml.load(path.read_text(encoding="utf-8-sig"))
    if params.get("ensemble") is None:  # absent, or null for the defaults
        params["ensemble"] = {}
    section = params["ensemble"]
    if section.get("external"):
        section["external"].append(name)
    else:
        section["external"] = [name]
    write_text(path, dump_yaml(yaml, params))
