"""Trains a student of pseudo-labels, then a student of that one, and so on, while each gains over the one before.

Run by hand: no stage of dvc.yaml. A round is a model of its own, whose fold k learns from the models of fold k of the
round before: no label of fold k's rows reaches it, in any round. It ends with the first round that gains nothing beyond
chance, by the paired 95 % interval of the OOF scores; so the choice of a round hardly flatters the score.

Reads: configs/models/<model>.yaml, what `train` reads, the teachers' predictions
Writes: configs/models/<model>_round<n>.yaml from the second round on, and what `train` writes of each round

Reference: Xie et al. 2020, Self-training with Noisy Student, https://arxiv.org/abs/1911.04252
"""

from collections.abc import Callable
from pathlib import Path

from pipeline.core.cards import ModelCard, read_card
from pipeline.core.config import dump_yaml, round_trip_yaml
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.core.paths import card_path, model_path, tuned_path
from pipeline.reports.comparison import compare_models
from pipeline.training.recipes.model_yaml import read_model
from pipeline.training.recipes.recipe import load_recipe


def run(root: Path, model: str, rounds: int, train: Callable[[Path, str], None]) -> None:
    """Trains rounds until one gains nothing beyond chance; what is trained already is not trained again.

    Args:
        root: the repository folder.
        model: the student of the first round.
        rounds: how many at most.
        train: trains one model on every fold.

    Raises:
        InputError: the model has no teachers, they are not trained, or the file of a round is another model's.
    """
    pseudo = load_recipe(root, model).training.pseudo
    if pseudo is None:
        raise InputError(
            f"{model_path(root, model)} has no training.pseudo, so there is nothing to learn from in rounds; name its "
            "teachers there"
        )
    before = _find_best(root, pseudo.teachers)
    for number in range(1, rounds + 1):
        name = model if number == 1 else f"{model}_round{number}"
        if number > 1:
            _write_round(root, model, name, before)
        train(root, name)
        compared = compare_models(root, name, before)
        print(f"round {number}: {compared.sentence}")
        if compared.gain.low <= 0:
            print(f"{name} gains nothing beyond chance over {before}, so this ends here; keep {before}")
            return
        before = name
    print(f"{before} still gained in round {rounds}, the last one asked for; keep it, or say --rounds {rounds + 1}")


def _find_best(root: Path, teachers: tuple[str, ...]) -> str:
    """Returns the teacher that scores best alone."""
    for name in teachers:
        if not card_path(root, name).is_file():
            raise InputError(
                f"training.pseudo.teachers: {name} is not trained; run `python -m pipeline train {name}` first"
            )
    cards = {name: read_card(card_path(root, name), ModelCard) for name in teachers}
    return max(cards, key=lambda name: cards[name].pooled if cards[name].greater_is_better else -cards[name].pooled)


def _write_round(root: Path, model: str, name: str, teacher: str) -> None:
    """Writes the file of a round: the student's own settings, tuned ones included, with the round before as teacher."""
    settings, _ = read_model(root, model)
    settings["training"]["pseudo"]["teachers"] = [teacher]
    path = model_path(root, name)
    if path.is_file() and read_model(root, name)[0] != settings:
        raise InputError(f"{path} is there and is no round of {model} as its file is now; move it away, or rename it")
    if not path.is_file():
        title = f"# A round of `python -m pipeline self-train {model}`: its teacher is {teacher}.\n"
        write_text(path, title + dump_yaml(round_trip_yaml(), settings))
    if tuned_path(root, model).is_file():
        write_text(tuned_path(root, name), tuned_path(root, model).read_text(encoding="utf-8"))
