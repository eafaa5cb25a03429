"""Targets of every kind for the little pictures of `trainings.repository`, whose stripes show three classes."""

import json
from pathlib import Path

from pipeline.core import tables
from pipeline.core.competition import Score
from pipeline.core.measures.metric import Metric
from pipeline.core.targets.contract import CELL_SEPARATOR, Target
from pipeline.core.targets.prepared import format_cells, write_target
from pipeline.core.targets.spec import (
    GradesSpec,
    NumbersSpec,
    OneClassSpec,
    SeveralLabelsSpec,
    SeveralTargetsSpec,
    TargetSpec,
    VoteSharesSpec,
)

# The cells of the three classes, by kind.
SPECS: dict[str, tuple[TargetSpec, tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "one_class": (OneClassSpec(), ("label",), (("ant",), ("bee",), ("cat",))),
    "grades": (GradesSpec(kind="grades"), ("grade",), (("0",), ("1",), ("3",))),
    "several_labels": (SeveralLabelsSpec(kind="several_labels", separator=" "), ("tags",), (("a",), ("a", "b"), ())),
    "numbers": (NumbersSpec(kind="numbers"), ("x", "y"), (("10", "-1"), ("20", "5"), ("40", "2"))),
    "vote_shares": (
        VoteSharesSpec(kind="vote_shares"),
        ("p", "q", "r"),
        (("8", "2", "0"), ("1", "9", "0"), ("0", "1", "4")),
    ),
    "several_targets": (
        SeveralTargetsSpec(
            kind="several_targets", targets={"shape": OneClassSpec(), "length": NumbersSpec(kind="numbers")}
        ),
        ("shape", "length"),
        (("line", "3"), ("dot", "7"), ("line", "9")),
    ),
}


class LossScore(Score):
    """A metric that judges every kind: its own loss."""

    name: str = "accuracy"

    def metric_for(self, target: Target) -> Metric:
        """Returns the mean loss of the target."""
        return Metric("loss", False, lambda truth, values: float(target.measure_losses(truth, values).mean()), "label")


def retarget(root: Path, kind: str) -> Target:
    """Gives a prepared repository a target of another kind, whose truth goes by the class of each image."""
    prepared = root / "data" / "prepared"
    index = tables.read_index(prepared / "train.csv")
    spec, columns, by_class = SPECS[kind]
    cells = [CELL_SEPARATOR.join(by_class[label]) for label in index["label"]]
    target = spec.fit(cells, columns)
    write_target(prepared, target)
    if kind != "one_class":
        index[kind] = format_cells(cells)
    index["label"] = target.index_labels(target.encode(cells))
    tables.write_index(prepared / "train.csv", index)
    competition = root / "configs" / "competitions" / "tiny.yaml"
    described = json.loads(competition.read_text(encoding="utf-8"))
    described |= {"target": spec.model_dump(mode="json"), "metric": {"name": target.default_metric}}
    competition.write_text(json.dumps(described), encoding="utf-8")
    return target
