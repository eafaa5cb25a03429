"""Selected models: a model or the ensemble by its name, with the cards and checkpoints of all that predict."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.active import active_members, active_models, active_name
from pipeline.core.cards import EnsembleCard, ModelCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.digests import require_digest
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.paths import ENSEMBLE, card_path, checkpoints_folder, prepared_folder
from pipeline.core.targets.prepared import read_target
from pipeline.networks.checkpoint_files import BACKBONE_FILES, HEAD_KIND, WHOLE_KIND
from pipeline.training.seeds import name_fold


@dataclass(frozen=True)
class Selection:
    """A model, or the ensemble with its members.

    Attributes:
        name: a model, or ``ensemble``.
        models: cards of the models that predict.
        members: all whose out-of-fold predictions the combination needs; none for a single model.
    """

    name: str
    models: tuple[ModelCard, ...]
    members: tuple[str, ...]


def select_models(root: Path, name: str) -> Selection:
    """Looks up a model or the ensemble by its name.

    Raises:
        InputError: an unknown name, nothing trained yet, something trained on another competition, or an external
            member, which has predictions but no checkpoints.
    """
    models = active_models(root)
    external = set(active_members(root)) - set(models)
    if name in external:
        raise InputError(f"{name} is an external member: it has predictions, but no checkpoints")
    if name not in (*models, ENSEMBLE):
        raise InputError(f"params.yaml has no model {name!r}; {near_names(name, (*models, ENSEMBLE))}")
    if name != ENSEMBLE:
        return Selection(name, (_card(root, name),), ())
    from pipeline.ensemble.recombining import check_combination, list_used_members

    card = read_card(card_path(root, name), EnsembleCard)
    _require_active(root, name, card.competition)
    used = list_used_members(card)
    without_checkpoints = [member for member in used if member not in models]
    if without_checkpoints:
        raise InputError(
            f"the ensemble uses external members without checkpoints: {some(without_checkpoints)}; remove them from "
            "ensemble.external in params.yaml and run `dvc repro`, or pack a single model: "
            f"python -m pipeline pack {used[0] if used[0] in models else models[0]}"
        )
    check_combination(root, load_competition(root).metric.metric_for(read_target(prepared_folder(root))))
    return Selection(name, tuple(_card(root, member) for member in used), card.members)


def list_checkpoints(root: Path, card: ModelCard) -> dict[int, tuple[Path, ...]]:
    """Returns the checkpoints of a model's folds, in their order: of each fold those of all seeds.

    What folds share, a frozen backbone, lies beside them and is checked as they are.

    Raises:
        InputError: one is missing, the model reads columns beside the pictures, or its trees are kept in no file.
    """
    if "tabular" in card.config or card.config.get("columns"):
        raise InputError(
            f"{card.model} reads columns of the competition's tables, which other images lack; name a model of images"
        )
    if "backbones" in card.config and card.config["head"]["name"] == "trees":
        raise InputError(
            f"{card.model} has trees on cached features, which no checkpoint holds: it predicts the competition's test "
            "images alone; name another model"
        )
    folder = checkpoints_folder(root, card.model)
    heads = any(Path(name).match(f"fold*.{HEAD_KIND}") for name in card.digests)
    kind = "npz" if not card.has_network else HEAD_KIND if heads else WHOLE_KIND
    by_fold = {
        fold: tuple(folder / f"{name_fold(fold, seed, card.seed)}.{kind}" for seed in card.all_seeds)
        for fold in sorted(map(int, card.fold_scores))
    }
    paths = [path for of_seeds in by_fold.values() for path in of_seeds] + list_shared_backbones(root, card)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{folder} lacks {some(missing)}; run `dvc repro train@{card.model}`, or `dvc checkout`")
    for path in paths:
        fix = f"run `dvc checkout --force {folder.parent}`, or `dvc repro -f train@{card.model}`"
        require_digest(path, card.digests.get(f"{folder.name}/{path.name}"), fix)
    return by_fold


def list_shared_backbones(root: Path, card: ModelCard) -> list[Path]:
    """Lists the files of frozen backbones that the checkpoints of a model's folds share; of most models none."""
    names = [Path(name) for name in card.digests if Path(name).match(BACKBONE_FILES)]
    return [checkpoints_folder(root, card.model) / name.name for name in names]


def _card(root: Path, model: str) -> ModelCard:
    card = read_card(card_path(root, model), ModelCard)
    _require_active(root, model, card.competition)
    return card


def _require_active(root: Path, name: str, competition: str) -> None:
    if competition != active_name(root):
        raise InputError(
            f"{name} was trained for {competition}, the active competition is {active_name(root)}; run `dvc repro`"
        )
