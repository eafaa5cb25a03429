"""Paths below the repository's root: where each thing lies, in one place.

Folders of results are named by models, hence what a model may be called.
"""

import re
from pathlib import Path

from pipeline.core.errors import InputError

ENSEMBLE = "ensemble"
_RESERVED = (ENSEMBLE, "predictions", "log")  # folds/predictions, submissions/log.csv
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_COMPETITION = re.compile(r"\w[\w. -]{0,199}")


def find_root() -> Path:
    """Returns the repository folder, where everything is read and written: the working directory.

    Raises:
        InputError: the command was called elsewhere.
    """
    root = Path.cwd()
    if not params_path(root).is_file():
        raise InputError(f"{root} has no params.yaml; run the command in the repository's folder")
    return root


def check_model_name(name: str) -> None:
    """Refuses a model whose folder would be another's.

    Raises:
        InputError: the name is reserved or has letters other than A-Z, a-z, 0-9, ``_`` and ``-``.
    """
    if name in _RESERVED or not _NAME.fullmatch(name):
        raise InputError(
            f"params.yaml: models: {name!r} cannot name a model: letters, digits, _ and - only, "
            f"and not {' or '.join(_RESERVED)}; rename configs/models/{name}.yaml"
        )


def params_path(root: Path) -> Path:
    """What runs: ``params.yaml``."""
    return root / "params.yaml"


def competitions_folder(root: Path) -> Path:
    """The files that describe competitions."""
    return root / "configs" / "competitions"


def competition_path(root: Path, name: str) -> Path:
    """The file that describes a competition.

    Raises:
        InputError: the name is a path, or has other letters that a file under configs/competitions should not have.
    """
    if not _COMPETITION.fullmatch(name):
        fix = "name a file under configs/competitions without .yaml, or give a folder or archive to `init --from PATH`"
        if any(file.stem == name for file in competitions_folder(root).glob("*.yaml")):
            fix = f"rename the file configs/competitions/{name}.yaml"
        raise InputError(f"{name[:60]!r} cannot name a competition: letters, digits, _, -, . and spaces only; {fix}")
    return competitions_folder(root) / f"{name}.yaml"


def models_folder(root: Path) -> Path:
    """The files that describe models."""
    return root / "configs" / "models"


def model_path(root: Path, model: str) -> Path:
    """The file that describes a model."""
    return models_folder(root) / f"{model}.yaml"


def found_model(model: str, competition: str) -> str:
    """The name of the model that a search by hand makes of another; settings are found on a competition."""
    return f"{model}_tuned_{competition}"


def measured_recipes_path(root: Path) -> Path:
    """The table of recipes that were measured."""
    return root / "configs" / "measured_recipes.csv"


def schema_path(root: Path, name: str) -> Path:
    """Returns the JSON schema of a kind of YAML files: params, competition, model."""
    return root / "configs" / "schemas" / f"{name}.json"


def options_page_path(root: Path) -> Path:
    """Returns the page of all options."""
    return root / "docs" / "options.md"


def metrics_folder(root: Path) -> Path:
    """Metrics of the user's own."""
    return root / "configs" / "metrics"


def doubted_path(root: Path, competition: str) -> Path:
    """The list of a competition's doubted labels, as the user left it."""
    return root / "configs" / "doubted" / f"{competition}.csv"


def tuned_path(root: Path, model: str) -> Path:
    """What tuning found for a model."""
    return root / "configs" / "tuned" / f"{model}.yaml"


def source_listing_path(root: Path) -> Path:
    """The list of the source's files, as `fetch` found them."""
    return root / "data" / "source.json"


def raw_folder(root: Path) -> Path:
    """The unpacked sources, a folder each."""
    return root / "data" / "raw"


def prepared_folder(root: Path) -> Path:
    """The image stores, their indices, classes, sample submission and solution."""
    return root / "data" / "prepared"


def index_path(root: Path, part: str) -> Path:
    """The image index of ``train`` or ``test``."""
    return prepared_folder(root) / f"{part}.csv"


def store_path(root: Path, part: str) -> Path:
    """The image store of ``train`` or ``test``."""
    return prepared_folder(root) / f"{part}_images.npy"


def classes_path(root: Path) -> Path:
    """The labels, in class order."""
    return prepared_folder(root) / "classes.json"


def target_path(root: Path) -> Path:
    """Where the target lies, for other kinds than one class per image."""
    return prepared_folder(root) / "target.json"


def class_names_path(root: Path) -> Path:
    """What people call the classes, in class order."""
    return prepared_folder(root) / "class_names.json"


def sample_path(root: Path) -> Path:
    """The sample submission."""
    return prepared_folder(root) / "sample_submission.csv"


def solution_path(root: Path) -> Path:
    """The labels of the test images, where the competition is over and has told them."""
    return prepared_folder(root) / "solution.csv"


def work_folder(root: Path, what: str) -> Path:
    """Half-done work of one kind, git-ignored: ``train``, ``features``, ``tune``, ..."""
    return root / ".work" / what


def folds_path(root: Path) -> Path:
    """The fold table."""
    return root / "folds" / "folds.csv"


def oof_path(root: Path, name: str) -> Path:
    """The OOF predictions of a model, or of the ensemble."""
    return _predictions_folder(root, name) / "oof.parquet"


def predicted_test_path(root: Path, name: str) -> Path:
    """The test predictions of a model, or of the ensemble."""
    return _predictions_folder(root, name) / "test.parquet"


def _predictions_folder(root: Path, name: str) -> Path:
    # One folder holds the models' predictions and nothing else, so that DVC can take it as the ensemble's dependency:
    # its templates cannot list one dependency per model. The ensemble's own lie outside, or it would depend on itself.
    return model_folder(root, name) if name == ENSEMBLE else root / "folds" / "predictions" / name


def model_folder(root: Path, name: str) -> Path:
    """What a training leaves beside predictions, or the ensemble beside its card."""
    return root / "folds" / name


def predicted_test_fold_path(root: Path, model: str, fold: int) -> Path:
    """The test predictions that a model made on one fold alone, before the mean of all folds is taken."""
    return model_folder(root, model) / "test_by_fold" / f"fold{fold}.parquet"


def checkpoints_folder(root: Path, model: str) -> Path:
    """The checkpoints of a model, one a fold."""
    return model_folder(root, model) / "checkpoints"


def oof_seed_path(root: Path, model: str, seed: int) -> Path:
    """OOF predictions of one seed of a model alone."""
    return model_folder(root, model) / "oof_by_seed" / f"seed{seed}.parquet"


def history_path(root: Path, model: str) -> Path:
    """The epochs of a model's training, all folds."""
    return model_folder(root, model) / "history.csv"


def metrics_path(root: Path, name: str) -> Path:
    """The numbers of a model, or of the ensemble, that `dvc metrics` compares."""
    return model_folder(root, name) / "metrics.json"


def reports_folder(root: Path) -> Path:
    """Pages, plots and cards that belong to no single model."""
    return root / "reports"


def report_tables_folder(root: Path) -> Path:
    """The tables of the page about the models."""
    return reports_folder(root) / "report"


def summary_path(root: Path) -> Path:
    """The last run in a few lines."""
    return reports_folder(root) / "summary.txt"


def runs_folder(root: Path, competition: str) -> Path:
    """The history of a competition's runs."""
    return reports_folder(root) / "runs" / competition


def card_path(root: Path, name: str) -> Path:
    """The card of a model, or of the ensemble."""
    return reports_folder(root) / "ensemble.json" if name == ENSEMBLE else model_folder(root, name) / "card.json"


def submissions_folder(root: Path) -> Path:
    """Submissions and their cards, the log, and what was sent."""
    return root / "submissions"


def submission_path(root: Path, name: str) -> Path:
    """The submission of a model, or of the ensemble."""
    return submissions_folder(root) / f"{name}.csv"
