"""Several targets of unlike kinds, classes beside numbers: a metric of the user's own, and no dead end."""

from pathlib import Path

import pytest
from support.competition_files import cells_and_sample, read, write

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import MetricOptions
from pipeline.core.metrics import get_metric
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_targets import SeveralTargets, list_part_columns
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.preparing import encode_truth
from pipeline.data.prepared.training_records import list_training_records

FILES = cells_and_sample("kind,age", "kind,age", [("ant", 1.5), ("bee", 2.5), ("cat", 4.25)], ("ant", 0.5))
# The same, with ages in years: that they are numbers is what the sample says.
YEARS = cells_and_sample("kind,age", "kind,age", [("ant", 10), ("bee", 20), ("cat", 35)], ("ant", 0.5))


@pytest.mark.parametrize("files", [FILES, YEARS])
def test_a_metric_of_ones_own_is_written_for_classes_beside_numbers(root: Path, files: dict[str, bytes | str]) -> None:
    found = read(root, files)
    target, truth = encode_truth(list_training_records(root / "unpacked", found)[0], found)
    assert [part.kind for _, part, _, _ in target.each()] == ["one_class", "numbers"]
    assert (root / "configs/metrics/shape.py").is_file()
    assert found.metric.own_metric is not None
    found.metric.own_metric.try_out(target, truth)
    metric = found.metric.metric_for(target)
    perfect = target.from_outputs(50 * target.make_targets(truth))
    perfect[:, 3] = truth[:, 1]
    assert metric.greater_is_better
    assert metric.score(truth, perfect) == pytest.approx(1.0)
    perfect[:, 3] = truth[:, 1].mean()
    assert metric.score(truth, perfect) == pytest.approx(0.5)
    assert "# CHECK: no shipped metric judges classes and numbers together" in (
        root / "configs/competitions/shape.yaml"
    ).read_text(encoding="utf-8")


def test_a_metric_file_that_is_there_stays(root: Path) -> None:
    own = root / "configs/metrics/shape.py"
    own.parent.mkdir(parents=True)
    own.write_text("def score(y_true, y_pred):\n    return 0.5\n", encoding="utf-8")
    lines = describe_local(root, write(root, FILES))
    assert "kept configs/metrics/shape.py" in lines
    assert "return 0.5" in own.read_text(encoding="utf-8")
    assert load_competition(root, "shape").metric.file == "shape.py"


@pytest.mark.parametrize("metric", ["accuracy", "rmse", "roc_auc", "macro_f1"])
def test_shipped_metrics_are_refused_with_what_to_do(root: Path, metric: str) -> None:
    with pytest.raises(InputError) as caught:
        describe_local(root, write(root, FILES), None, Choices(), metric)
    said = str(caught.value)
    for word in (f"--metric {metric}", "classes (kind) and numbers (age)", "metric: {file:", "README.md"):
        assert word in said
    assert "none" not in said
    assert not (root / "configs/competitions").exists()
    assert not (root / "configs/metrics").exists()


def test_a_description_by_hand_is_refused_with_what_to_do() -> None:
    parts: dict[str, OneClass | Numbers] = {
        "kind": OneClass(columns=("ant", "bee")),
        "age": Numbers(columns=("age",), means=(0.0,), scales=(1.0,)),
    }
    target = SeveralTargets(columns=list_part_columns(dict(parts)), parts=dict(parts))
    with pytest.raises(InputError, match=r"kind \(one_class\), age \(numbers\) together.*metric: \{file: my_metric.py"):
        get_metric("accuracy", target=target, options=MetricOptions())


def test_answers_are_not_lost_with_the_rows_that_lack_others(root: Path) -> None:
    """Attributes that one kind of thing has and another has not: leaving rows with blanks out leaves one kind."""
    cells = [("shirt", "red", ""), ("saree", "blue", "wide"), ("shirt", "blue", ""), ("shirt", "red", "")]
    files = cells_and_sample("kind,colour,border", "kind,colour,border", cells, ("shirt", "red", "wide"))
    with pytest.raises(InputError, match=r"9 of 12 training rows lack some .* 9 with kind 'shirt' .* they lack border"):
        read(root, files)
    some = [*cells[:3], ("shirt", "red", "thin")]
    found = read(root, cells_and_sample("kind,colour,border", "kind,colour,border", some, ("shirt", "red", "wide")))
    assert found.leave_out
    assert found.leave_out.no_label
