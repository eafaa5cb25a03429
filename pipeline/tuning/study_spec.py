"""Specification of a study: plain values with which any process opens the study and the context of its trials."""

from dataclasses import dataclass
from pathlib import Path

from optuna.study import Study

from pipeline.core.competition import load_competition
from pipeline.core.paths import prepared_folder, work_folder
from pipeline.core.targets.prepared import read_target
from pipeline.training.context import read_context
from pipeline.tuning import optuna_studies, storages
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import load_space
from pipeline.tuning.trial_context import TrialContext


@dataclass(frozen=True)
class StudySpec:
    """A study, as it is passed to processes.

    Attributes:
        root: the repository folder.
        model: the model that is tuned.
        name: of the study.
        params: the ``tune`` section.
        url: of the storage, with its password; empty for the journal.
        deadline: of `time.time`; None for none.
        epochs: the longest training of the space.
    """

    root: Path
    model: str
    name: str
    params: TuneParams
    url: str
    deadline: float | None
    epochs: int

    @property
    def locks_folder(self) -> Path:
        """Folder of this repository's locks."""
        return work_folder(self.root, "tune")

    def read_context(self) -> TrialContext:
        """Reads the context of the trials."""
        competition = load_competition(self.root)
        space = load_space(self.root, self.model, competition.mirror)
        training = read_context(self.root)
        return TrialContext(self.root, self.model, space, training, competition.metric, self.params, self.deadline)

    def open_study(self) -> Study:
        """Opens the study.

        Raises:
            InputError: the database does not answer.
        """
        metric = load_competition(self.root).metric.metric_for(read_target(prepared_folder(self.root)))

        def attempt() -> Study:
            storage = storages.open_storage(self.root, self.model, self.url)
            return optuna_studies.open_study(storage, self.name, self.params, metric, self.epochs)

        return storages.retry_while_down(attempt, self.url)
