"""The competition: one typed file with its source, layout, columns, metric and submission."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, field_validator, model_validator

from pipeline.core.active import active_name
from pipeline.core.answers import Submission
from pipeline.core.columns import Columns
from pipeline.core.config import Section, load
from pipeline.core.confined import check_relative, list_paths
from pipeline.core.errors import near_names
from pipeline.core.layouts import CsvImages, CsvOneHot, Test, TestImages, Train
from pipeline.core.measures.metric import Metric, MetricOptions
from pipeline.core.measures.own_metric import OwnMetric, Response
from pipeline.core.metrics import METRIC_NAMES, REQUIRED, WEIGHTED, get_metric, set_beside
from pipeline.core.paths import competition_path, metrics_folder
from pipeline.core.row_rules import Groups, LeaveOut, MoreRows
from pipeline.core.source_kinds import SLUG, KaggleSource, Source
from pipeline.core.storage import Storage
from pipeline.core.targets.contract import Target
from pipeline.core.targets.spec import OneClassSpec, SeveralLabelsSpec, TargetSpec


class Score(Section):
    """The competition's metric.

    Attributes:
        name: see docs/metrics.md.
        k: length of the ranked list of ``top_k_accuracy``, ``map_k`` and ``recall_k``.
        beta: of F-beta: how much more recall weighs than precision.
        weights: by the name of a class, label, number or target; a name without one weighs 1.
        min_tpr: of ``partial_roc_auc``: the true positive rate above which the area counts.
        tpr_bands: of ``weighted_roc_auc``: upper end and weight of each band of the true positive rate, rising to 1.
        file: a Python file under configs/metrics; ``name`` is then a function in it, ``greater_is_better`` its
            direction, ``response`` whether it takes decisions (``predict``) or probabilities (``predict_proba``).
        greater_is_better: of a metric of your own: whether the higher value is the better one.
        response: of a metric of your own: whether it takes decisions (``predict``) or probabilities
            (``predict_proba``); as in scikit-learn, decisions where it is left out.
    """

    name: str
    k: int | None = Field(default=None, ge=1)
    beta: float | None = Field(default=None, gt=0.0)
    weights: dict[str, Annotated[float, Field(ge=0.0, allow_inf_nan=False)]] | None = None
    min_tpr: float | None = Field(default=None, ge=0.0, lt=1.0)
    tpr_bands: tuple[tuple[float, float], ...] | None = None
    file: str | None = Field(default=None, pattern=r"^[\w-]+\.py$")
    greater_is_better: bool | None = None
    response: Response | None = None
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("tpr_bands")
    @classmethod
    def _rising(cls, bands: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        ends = [end for end, _ in bands or ((1.0, 1.0),)]
        if ends != sorted(set(ends)) or ends[0] <= 0 or ends[-1] != 1 or any(weight < 0 for _, weight in bands or ()):
            raise ValueError(f"tpr_bands must rise to 1 and weigh >= 0, such as [[0.4, 2], [1.0, 1]]; got {bands}")
        return bands

    @model_validator(mode="after")
    def _options_of_the_metric(self) -> "Score":
        own = self.file is not None
        if (self.greater_is_better is not None) != own or (self.response is not None and not own):
            raise ValueError("file and greater_is_better go together, response with them: a metric of your own")
        if self.file is None and self.name not in METRIC_NAMES:
            raise ValueError(f"metric {self.name!r} is unknown; {near_names(self.name, METRIC_NAMES)}")
        wanted = REQUIRED.get(self.name)
        for option in ("k", "beta", "min_tpr", "tpr_bands"):
            if (getattr(self, option) is not None) != (option == wanted):
                raise ValueError(
                    f"{self.name} needs {option}" if option == wanted else f"{option} has no meaning for {self.name}"
                )
        return self

    @property
    def metric(self) -> Metric:
        """The metric of one class per image."""
        return get_metric(self.name, options=self._options)

    def metric_for(self, target: Target) -> Metric:
        """The metric of a target, its direction included.

        Raises:
            InputError: the metric does not judge targets of this kind, or its options do not fit the target.
        """
        own = self.own_metric
        if own:
            return set_beside(own.open_metric(target), target)
        return get_metric(self.name, target=target, options=self._options)

    @property
    def own_metric(self) -> OwnMetric | None:
        """The metric of the user's own, where ``file`` names one."""
        if self.file is None or self.greater_is_better is None:
            return None
        return OwnMetric(self._folder / self.file, self.name, self.greater_is_better, self.response or "predict")

    def look_in(self, folder: Path) -> None:
        """Says where ``file`` lies."""
        self._folder = folder

    @property
    def _options(self) -> MetricOptions:
        return MetricOptions(self.k, self.beta, self.weights, self.min_tpr, self.tpr_bands)


class Competition(Section):
    """The whole truth about one competition, from ``configs/competitions/<name>.yaml``.

    Attributes:
        title: the competition's name, for people.
        source: where its files come from.
        train: how the training images and their answers are arranged there.
        test: how the test images are arranged there.
        target: what is predicted; one class per image where it is absent.
        mirror: whether a mirrored image keeps its class: false for digits, letters and text, and then no model's
            ``augmentation.flip`` is used.
        submission: the form of its answers.
        class_names: what people call the labels (``0: Healthy``): pictures show these names, tables and submissions
            keep the labels.
        models: the recommended models, which ``python -m pipeline init`` writes into ``params.yaml``.
        solution: a file of true test labels, if the competition has one (rebuilt ones do).
        kaggle: the slug that submissions go to, where the files do not come from Kaggle themselves.
        encoding: that of tables that are not UTF-8 and have no byte order mark (``cp1251``, ``gb18030``).
        leave_out: which training rows are left out.
        groups: which training images share a fold where no column says so.
        columns: which columns in addition to the picture tabular models read.
        more_rows: labelled images from elsewhere that train, too.
    """

    title: str
    source: Source
    train: Train
    test: Test
    target: TargetSpec = OneClassSpec()
    storage: Storage
    mirror: bool
    metric: Score
    submission: Submission
    class_names: dict[str, str] | None = None
    models: tuple[str, ...] = Field(min_length=1)
    solution: str | None = None
    kaggle: str | None = Field(default=None, pattern=f"^{SLUG}$")
    encoding: str | None = None
    leave_out: LeaveOut | None = None
    groups: Groups | None = None
    columns: Columns | None = None
    more_rows: tuple[MoreRows, ...] = ()

    @model_validator(mode="after")
    def _one_slug(self) -> "Competition":
        if self.kaggle is not None and isinstance(self.source, KaggleSource):
            raise ValueError("kaggle is for other sources: submissions go to source.slug; remove one")
        return self

    @model_validator(mode="after")
    def _paths_below_the_source(self) -> "Competition":
        check_relative(list_paths(self))
        return self

    @model_validator(mode="after")
    def _listed_beside_the_sample(self) -> "Competition":
        apart = "units" if self.submission.unit is not None else "rows" if self.submission.kind == "rows" else None
        by_sample = isinstance(self.test, TestImages) and self.test.listed_by == "sample_submission"
        if apart is not None and by_sample:
            raise ValueError(f"the sample submission lists {apart}, not images: set test.listed_by to table or folder")
        if apart is not None and self.hides_tests:
            raise ValueError(f"test.hidden does not go with a sample submission of {apart}")
        return self

    @model_validator(mode="after")
    def _weights_that_count(self) -> "Competition":
        metric, kind = self.metric, self.target.kind
        known = () if metric.file is not None else WEIGHTED.get(kind, ())
        every = metric.file is None and kind == "several_targets"
        if metric.weights is not None and not every and metric.name not in known:
            there = f"; they count for {', '.join(known)}" if known else ""
            raise ValueError(f"metric.weights has no meaning for {metric.name} of target.kind {kind}{there}; remove it")
        return self

    @model_validator(mode="after")
    def _present_labels(self) -> "Competition":
        plain = isinstance(self.target, SeveralLabelsSpec) and self.target.separator is None
        if isinstance(self.train, CsvImages) and self.train.present is not None and not plain:
            raise ValueError("train.present is about rows of one label each: target.kind several_labels, no separator")
        return self

    @model_validator(mode="after")
    def _separator_of_cells(self) -> "Competition":
        cells = isinstance(self.target, SeveralLabelsSpec) and self.target.separator is not None
        if isinstance(self.train, CsvOneHot) and cells:
            raise ValueError(
                "target.separator is for cells of names, and train.classes are columns of 0 and 1: remove it"
            )
        return self

    @model_validator(mode="after")
    def _slices_of_rows(self) -> "Competition":
        by_folder = isinstance(self.test, TestImages) and self.test.listed_by == "folder"
        if self.storage.slices is not None and (not isinstance(self.train, CsvImages | CsvOneHot) or by_folder):
            raise ValueError(
                "storage.slices takes the folders that the rows of a table name: train.layout csv_images or "
                "csv_one_hot, and test.listed_by table or sample_submission"
            )
        return self

    @model_validator(mode="after")
    def _sets_of_different_names(self) -> "Competition":
        if len({rule.name for rule in self.more_rows}) < len(self.more_rows):
            raise ValueError("more_rows: two sets have one name; give each its own")
        return self

    @property
    def hides_tests(self) -> bool:
        """Whether only a notebook at Kaggle sees test images."""
        return isinstance(self.test, TestImages) and self.test.hidden

    @property
    def slug(self) -> str | None:
        """The Kaggle competition that submissions go to, if there is one."""
        return self.source.slug if isinstance(self.source, KaggleSource) else self.kaggle


def load_competition(root: Path, name: str | None = None) -> Competition:
    """Reads a competition's file; without a name, the active one's.

    Raises:
        InputError: no such competition (the near names are listed), or the file does not fit the schema.
    """
    competition = load(competition_path(root, name or active_name(root)), Competition)
    competition.metric.look_in(metrics_folder(root))
    return competition
