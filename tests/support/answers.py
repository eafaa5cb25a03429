"""Sheets of answers for tests: a sample, a section and the classes of one class per image."""

from collections.abc import Sequence

import pandas as pd

from pipeline.core.answers import Submission
from pipeline.core.targets.classes import OneClass
from pipeline.kaggle.answers.contract import AnswerSheet


def make_class_sheet(sample: pd.DataFrame, section: Submission, classes: Sequence[str]) -> AnswerSheet:
    return AnswerSheet(section, OneClass(columns=tuple(classes)), sample)
