"""A metric of the user's own: called as scikit-learn calls metrics, refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from support.kinds import TARGETS, draw_truth, make_outputs

from pipeline.core.competition import Score
from pipeline.core.errors import InputError
from pipeline.core.measures.own_metric import OwnMetric, Response
from pipeline.core.scores import LabelledRows, summarise_scores
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.several_labels import SeveralLabels

CLASSES = OneClass(columns=("cat", "dog"))
TRUTH, PROBS = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], dtype=np.float32)
CLASS_METRICS = {"accuracy", "log_loss", "macro_f1", "top_3_accuracy"}
BESIDE = {
    "one_class": CLASS_METRICS,
    "grades": CLASS_METRICS,
    "several_labels": {"roc_auc", "average_precision", "micro_f1", "log_loss"},
    "numbers": {"rmse", "mae", "r2"},
    "vote_shares": {"kl_divergence", "accuracy"},
    "several_targets": set[str](),  # of classes and a number: no metric judges both
}


def own(folder: Path, body: str, response: Response = "predict") -> OwnMetric:
    """A metric whose function has this body."""
    (folder / "mine.py").write_text(
        f"import numpy as np\n\nseen = []\n\n\ndef score(y_true, y_pred):\n    {body}\n", encoding="utf-8"
    )
    return OwnMetric(folder / "mine.py", "score", True, response)


def test_classes_come_by_name(tmp_path: Path) -> None:
    metric = own(tmp_path, "return (y_true == y_pred).mean() + 10 * (y_pred[0] == 'cat')").open_metric(CLASSES)
    assert metric.score(TRUTH, PROBS) == pytest.approx(2 / 3 + 10)
    assert metric.greater_is_better


def test_probabilities_come_in_the_order_of_the_classes(tmp_path: Path) -> None:
    metric = own(tmp_path, "return y_pred[:, 1].sum() + (y_true == 'dog').sum()", "predict_proba").open_metric(CLASSES)
    assert metric.score(TRUTH, PROBS) == pytest.approx(1.3 + 2)


def test_labels_come_as_marks(tmp_path: Path) -> None:
    metric = own(tmp_path, "return float((y_true == y_pred).all(axis=1).mean())")
    target = SeveralLabels(columns=("a", "b"))
    assert metric.open_metric(target).score(np.array([[1, 0], [1, 1]]), PROBS[:2]) == 1 / 2


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ("return 1 / 0", r"mine.py raised ZeroDivisionError \(division by zero\) on 3 rows; correct that file"),
        ("return float('nan')", "returned nan on 3 rows"),
        ("return float('inf')", "returned inf on 3 rows; correct that file"),
        ("return np.float32('nan')", "returned nan on 3 rows"),
        ("return 'high'", "returned str 'high' on 3 rows, and not one number; correct that file"),
        ("return '0.5'", "returned str '0.5' on 3 rows, and not one number"),
        ("return bool(y_true[0] == y_pred[0])", "returned bool True on 3 rows"),
        ("return (y_true == y_pred).all()", r"returned bool np.(True|False)_ on 3 rows, and not one"),
        ("return y_true == y_pred", r"returned ndarray array\(\[.*\]\) on 3 rows"),
        ("return np.array([0.5])", r"returned ndarray array\(\[0.5\]\) on 3 rows"),
        ("return 0.5 + 0j", r"returned complex \(0.5\+0j\) on 3 rows"),
        ("return [0.5]", r"returned list \[0.5\] on 3 rows"),
        ("raise SystemExit(3)", r"raised SystemExit \(3\) on 3 rows"),
        ("return None", "returned NoneType None on 3 rows, and not one number"),
        ("seen.append(1); return 1.0 / (2 - len(seen))", r"raised ZeroDivisionError .* on 3 rows; correct that file"),
        ("open(__file__ + '.called', 'x').close(); return 1.0", r"raised FileExistsError .* on 3 rows"),
        ("y_true[:] = 'cat'; return 1.0", "changed the arrays that it was given"),
    ],
)
def test_a_function_that_fails_on_the_sample_is_refused_in_one_line(tmp_path: Path, body: str, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        own(tmp_path, body).try_out(CLASSES, TRUTH)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("body", ["return (y_true == y_pred).mean()", "return np.array(0.5)", "return 1"])
def test_a_function_that_works_is_taken(tmp_path: Path, body: str) -> None:
    own(tmp_path, body).try_out(CLASSES, TRUTH)


def test_a_missing_file_or_function_names_the_near_ones(tmp_path: Path) -> None:
    metric = own(tmp_path, "return 1.0")
    with pytest.raises(InputError, match="has no function 'scor'; did you mean score"):
        OwnMetric(metric.file, "scor", True, "predict").open_metric(CLASSES)
    with pytest.raises(InputError, match=r"mines.py does not exist; did you mean mine.py"):
        OwnMetric(tmp_path / "mines.py", "score", True, "predict").open_metric(CLASSES)
    with pytest.raises(InputError, match=r"mine.py does not exist; write it as configs/metrics/README.md says, or cor"):
        OwnMetric(tmp_path / "none" / "mine.py", "score", True, "predict").open_metric(CLASSES)
    metric.file.write_text("import nothing_of_that_name", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be run: ModuleNotFoundError"):
        metric.open_metric(CLASSES)


def test_a_function_of_other_arguments_is_refused_in_one_line(tmp_path: Path) -> None:
    metric = own(tmp_path, "return 1.0")
    metric.file.write_text("def score(y_true):\n    return 1.0\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"raised TypeError \(score\(\) takes 1 positional argument but 2 were given\)"
    ):
        metric.try_out(CLASSES, TRUTH)


def test_a_metric_of_ones_own_takes_decisions_unless_told_otherwise_as_scikit_learn_does() -> None:
    own_metric = Score(name="score", file="mine.py", greater_is_better=True).own_metric
    assert own_metric is not None
    assert own_metric.response == "predict"
    with pytest.raises(ValidationError, match="file and greater_is_better go together"):
        Score(name="score", file="mine.py")


@pytest.mark.parametrize("response", ["predict", "predict_proba"])
@pytest.mark.parametrize("kind", TARGETS)
def test_beside_a_metric_of_ones_own_stand_those_of_its_target(tmp_path: Path, kind: str, response: Response) -> None:
    target = TARGETS[kind]
    own(tmp_path, "return float(len(y_true))")
    score = Score(name="score", file="mine.py", greater_is_better=True, response=response)
    score.look_in(tmp_path)
    truth = draw_truth(target, 48, np.random.default_rng(0))
    rows, values = np.arange(48), target.from_outputs(make_outputs(target, truth))
    summary = summarise_scores(LabelledRows(truth, rows), rows % 3, values, score.metric_for(target), n_resamples=2)
    assert set(summary.scores) == {"score", *BESIDE[kind]}
    assert summary.fold_scores == {"0": 16.0, "1": 16.0, "2": 16.0}
