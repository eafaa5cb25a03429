"""Trains one model on every fold, in one process.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: folds/predictions/<model>/ (OOF and test
predictions) and folds/<model>/ (checkpoints, test predictions by fold, history, curves, card, metrics). What is half
done lies in .work/train.
"""

from pathlib import Path

from pipeline.competition import active_name, load_competition
from pipeline.gathering import gather
from pipeline.model_file import load_model
from pipeline.opening import open_model
from pipeline.surroundings import surroundings
from pipeline.task import FoldTask


def run(root: Path, model: str) -> None:
    """Trains what is not trained yet and gathers the folds into predictions, card and metrics.

    Raises:
        InputError: no such model, a setting that does not fit, or a training that diverged.
    """
    competition = load_competition(root)
    recipe = load_model(root, model, competition.mirror)
    around = surroundings(root)
    opened = open_model(recipe, around)
    tasks = [
        FoldTask(
            model=model,
            fold=fold,
            recipe=opened.recipe,
            prepared=around.prepared,
            folds=around.folds,
            work=root / ".work" / "train",
            fingerprint=opened.fingerprint,
            score=competition.metric,
            seed=around.seed,
            precision=opened.precision,
        )
        for fold in around.wanted
    ]
    for task in tasks:
        opened.train(task)
    gather(root, tasks, around.data, active_name(root))
