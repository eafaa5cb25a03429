"""A search of some hours for better settings of a model; what it finds is a model of its own, and no stage runs again.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml with its search space, ``tune`` of params.yaml but
its budget. Writes: configs/models/<model>_tuned_<competition>.yaml, where settings are better when measured again;
reports/search/<model>.html and .json. The study is that of the stage tune.
"""

from pathlib import Path

from pipeline.core import cards, paths
from pipeline.core.active import active_name
from pipeline.core.config import load_params
from pipeline.core.errors import InputError
from pipeline.training.model_file import recipe_from
from pipeline.training.recipes.model_yaml import is_found_by_search, read_model
from pipeline.tuning.params import TuneParams
from pipeline.tuning.results import write_found_model


def run(root: Path, model: str, hours: float) -> None:
    """Searches, and writes what was found.

    Args:
        root: the repository.
        model: a file under configs/models.
        hours: of searching, all runs of the study together; measuring the best trial again comes on top.

    Raises:
        InputError: no search space, a file of the new model's name that no search wrote, or a search that cannot go on.
        SystemExit: Ctrl-C or SIGTERM; all trials are kept.
    """
    params = load_params(root, "tune", TuneParams).model_copy(update={"n_trials": None, "hours": hours})
    settings, space = read_model(root, model)
    if not space:
        raise InputError(f"configs/models/{model}.yaml has no section search; docs/tuning.md says how to write one")
    path = paths.model_path(root, paths.found_model(model, active_name(root)))
    if path.is_file() and not is_found_by_search(path):
        raise InputError(f"{path} was not written by a search and would be lost; rename it")
    # A search builds networks, whose imports take seconds: a mistyped name need not wait for them.
    from pipeline.tuning import study

    folder = paths.reports_folder(root) / "search"
    card = study.tune_model(root, model, params, hours, folder / f"{model}.html")
    cards.write_card(folder / f"{model}.json", card)
    full = recipe_from(settings, str(paths.model_path(root, model))).model_dump(mode="json")
    written = write_found_model(root, card, settings, full)
    if written is None:
        print(f"{model}: nothing better was found; see {folder / model}.html")
    else:
        print(f"{model}: {written.relative_to(root)} is a model of its own now: python -m pipeline look {written.stem}")
