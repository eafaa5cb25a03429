"""The ``tune`` section of ``params.yaml``: budget, methods and storage of a study."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from pipeline.core.bounds import AutoHours, AutoText, Seed, Workers
from pipeline.core.config import Section

Sampler = Literal["tpe", "random", "gp", "cmaes"]
Pruner = Literal["successive_halving", "hyperband", "median", "none"]
Objective = Literal["score", "seconds"]


class TuneParams(Section):
    """How models are tuned; by default they are not.

    Attributes:
        n_trials: trials of a study, all runs of it together; 0 leaves every recipe unchanged, None sets no limit but
            ``hours``.
        hours: of searching, all runs together, shared equally by the models that have a search space; ``auto`` sets no
            limit but ``n_trials``.
        folds: on which a trial is scored; the others are kept to confirm the best trial.
        sampler: how the next trial is chosen.
        pruner: stops a trial within a fold, by its score after some epochs.
        across: stops a trial between folds, by a paired test on the rows of the folds done.
        objectives: ``[score, seconds]`` keeps the Pareto front of the two; nothing is pruned then.
        terminator: stop as soon as the expected gain is less than the spread between folds.
        workers: processes that run trials; on GPUs, one each.
        trials_per_process: after so many trials a fresh process replaces the old one.
        storage: URL of a database; ``auto`` means the environment variable ``TUNE_STORAGE``, or a journal file below
            ``.work``.
        seed: of the sampler.

    Reference: Akiba et al. 2019, Optuna, https://arxiv.org/abs/1907.10902
    """

    n_trials: int | None = Field(default=0, ge=0)
    hours: AutoHours = None
    folds: tuple[int, ...] = Field(default=(0,), min_length=1)
    sampler: Sampler = "tpe"
    pruner: Pruner = "successive_halving"
    across: Literal["wilcoxon", "none"] = "wilcoxon"
    objectives: tuple[Objective, ...] = ("score",)
    terminator: bool = False
    workers: Workers = 1
    trials_per_process: PositiveInt = 10
    storage: AutoText = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _settings_agree(self) -> "TuneParams":
        if self.n_trials == 0 and self.hours is not None:
            raise ValueError(
                f"n_trials: 0 means no tuning, but hours is {self.hours}; set n_trials: null to limit hours alone"
            )
        if self.n_trials is None and self.hours is None:
            raise ValueError("a study needs a limit: set n_trials, hours, or both")
        if len(set(self.folds)) < len(self.folds):
            raise ValueError(f"folds must differ, got {list(self.folds)}")
        if self.objectives not in {("score",), ("score", "seconds")}:
            raise ValueError(f"objectives must be [score] or [score, seconds], got {list(self.objectives)}")
        if self.sampler == "cmaes" and self.two:
            raise ValueError("sampler cmaes supports one objective; set tpe or random for [score, seconds]")
        if self.terminator and (self.two or len(self.folds) < 2):
            raise ValueError("terminator compares with the spread between folds: it needs one objective and two folds")
        return self

    @property
    def two(self) -> bool:
        """Whether seconds count beside the score."""
        return len(self.objectives) > 1
