"""Simulated members of an ensemble whose fresh-test score can be measured, because rows can be drawn without end.

A row has a class and a difficulty that all members share; every member sees it through noise of its own, and through
noise that it shares with its family (members of one architecture). The strong have little noise, the weak much. What a
member says is its true belief, or that sharpened (over-confident), or that mixed with equal probabilities (smoothed).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from pipeline.core.arrays import Labels, Probs
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.ensemble.members import Members

_SIGNAL, _SHARED, _FAMILY, _FAMILY_SIZE = 2.5, 1.0, 0.5, 4
_LEAST, _MOST, _EQUAL = 0.8, 4.0, 2.0
_FOLDS = 5


@dataclass(frozen=True)
class Crew:
    """Members that can predict any number of rows.

    Attributes:
        noise: (n_members,) standard deviation of each member's own noise.
        family: (n_members,) members of the same number share noise.
        sharpness: (n_members,) what log-probabilities are multiplied by; 1 is honest.
        smoothing: (n_members,) share of equal probabilities that is mixed in.
        n_classes: of the competition.
    """

    noise: NDArray[np.float64]
    family: NDArray[np.int64]
    sharpness: NDArray[np.float64]
    smoothing: NDArray[np.float64]
    n_classes: int = 10

    def draw(self, rows: int, random: np.random.Generator) -> tuple[Probs, Labels]:
        """Returns probabilities (n_members, rows, n_classes) of new rows, and their labels (rows,)."""
        labels = random.integers(0, self.n_classes, rows)
        row = _SHARED * random.standard_normal((rows, self.n_classes))
        row[np.arange(rows), labels] += _SIGNAL
        families = random.standard_normal((self.family.max() + 1, rows, self.n_classes))
        stacked = np.empty((len(self.noise), rows, self.n_classes), np.float32)
        for member, noise in enumerate(self.noise):
            own = random.standard_normal((rows, self.n_classes))
            evidence = row + _FAMILY * families[self.family[member]] + noise * own
            # The log-odds of a class whose evidence is _SIGNAL higher in noise of this variance.
            belief = softmax(self.sharpness[member] * _SIGNAL / (_SHARED**2 + _FAMILY**2 + noise**2) * evidence, axis=1)
            stacked[member] = (1 - self.smoothing[member]) * belief + self.smoothing[member] / self.n_classes
        return stacked, labels


def mixed(n_members: int, random: np.random.Generator, n_classes: int = 10) -> Crew:
    """Draws weak and strong members; a third over-confident, a third smoothed, in families of four."""
    kind = random.permutation(n_members) % 3
    return Crew(
        noise=np.exp(random.uniform(np.log(_LEAST), np.log(_MOST), n_members)),
        family=np.arange(n_members) // _FAMILY_SIZE,
        sharpness=np.where(kind == 1, random.uniform(1.5, 3, n_members), 1.0),
        smoothing=np.where(kind == 2, random.uniform(0.1, 0.3, n_members), 0.0),
        n_classes=n_classes,
    )


def equal(n_members: int, random: np.random.Generator) -> Crew:
    """Makes honest members of one strength and no families: nothing beats weighing them alike."""
    del random  # nothing about them is drawn
    ones = np.ones(n_members)
    return Crew(_EQUAL * ones, np.arange(n_members), ones, 0 * ones)


def as_members(stacked: Probs, labels: Labels) -> Members:
    """Returns rows as `pipeline.ensemble.fitting.fit_ensemble` takes them, in five folds, each a group of its own."""
    rows = np.arange(len(labels))
    table = pd.DataFrame({"id": rows.astype(str), "label": labels, "group": rows, "fold": rows % _FOLDS})
    names = tuple(f"member_{number:02}" for number in range(len(stacked)))
    return Members(names, table, labels, stacked, number_classes(stacked.shape[2]), {})


def number_classes(many: int) -> OneClass:
    """Returns the target of one of so many classes per image."""
    return OneClass(columns=tuple(str(number) for number in range(many)))


def as_label_members(n_members: int, rows: int, n_labels: int, random: np.random.Generator) -> Members:
    """Draws members of several labels per image, a fifth of them true; noise as that of `mixed` members."""
    marks = (random.random((rows, n_labels)) < 0.2).astype(np.float32)
    noise = np.exp(random.uniform(np.log(_LEAST), np.log(_MOST), n_members))
    row = _SHARED * random.standard_normal((rows, n_labels)) + _SIGNAL * (marks - 0.7)
    stacked = np.empty((n_members, rows, n_labels), np.float32)
    for member, own in enumerate(noise):
        evidence = row + own * random.standard_normal((rows, n_labels))
        stacked[member] = expit(_SIGNAL / (_SHARED**2 + own**2) * evidence)
    numbers = np.arange(rows)
    table = pd.DataFrame({"id": numbers.astype(str), "label": -1, "group": numbers, "fold": numbers % _FOLDS})
    names = tuple(f"member_{number:02}" for number in range(n_members))
    target = SeveralLabels(columns=tuple(str(number) for number in range(n_labels)))
    return Members(names, table, marks, stacked, target, {})
