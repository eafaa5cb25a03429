"""Submissions: predictions in the format of the competition's sample.

All cells are text: ids and class names are written exactly as the competition writes them.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.predictions import Predictions
from pipeline.kaggle.answers.contract import AnswerSheet
from pipeline.kaggle.answers.forms import open_form


def build_submission(predictions: Predictions, sheet: AnswerSheet) -> pd.DataFrame:
    """Makes a submission: the sample's columns, ids and order, filled from predictions.

    Args:
        predictions: of the test images, in any order.
        sheet: the sample, the format that the competition requires, and what belongs to it.

    Returns:
        text columns, as in the CSV.

    Raises:
        InputError: ids or columns of the sample do not fit.
    """
    form = open_form(sheet)
    ids, values = form.pool(predictions.ids, predictions.probs)
    _require_same_ids(form.subjects, ids)
    place = {name: row for row, name in enumerate(ids)}
    cells = form.write(values[[place[name] for name in form.subjects]].astype(np.float64))
    frame = pd.DataFrame({sheet.section.id: form.ids} | cells, dtype="str")
    return frame[sheet.sample.columns.tolist()]


def check_sample(sheet: AnswerSheet, test_ids: Sequence[str]) -> None:
    """Checks the sample submission against the competition before anything costly starts.

    Raises:
        InputError: its columns or cells do not fit the form and the target, or its ids are not those of the test images
            (or of their units).
    """
    form = open_form(sheet)
    form.check_sample()
    ids = list(dict.fromkeys(sheet.units[name] for name in test_ids)) if sheet.units else test_ids
    _require_same_ids(form.subjects, ids)


def fill_sample(sample: pd.DataFrame, id_column: str, ids: Sequence[str]) -> pd.DataFrame:
    """Makes a sample submission for other ids: its columns, the values of its first row for every id."""
    filled = {column: sample[column].iloc[0] if len(sample) else "" for column in sample.columns}
    return pd.DataFrame({**filled, id_column: list(ids)}, columns=sample.columns, dtype="str")


def _require_same_ids(wanted: Sequence[str], predicted: Sequence[str]) -> None:
    missing = sorted(set(wanted) - set(predicted))
    extra = sorted(set(predicted) - set(wanted))
    if not missing and not extra:
        return
    stems = {re.sub(r"\.\w+$", "", name) for name in predicted}
    alike = all(re.sub(r"\.\w+$", "", name) in stems for name in missing) and missing and extra
    fix = "they differ by the extension: set test.listed_by: sample_submission" if alike else "check test in"
    raise InputError(
        f"the sample submission and the test images differ: {len(missing)} ids without an image "
        f"({some(missing, 3) or 'none'}), {len(extra)} images without an id ({some(extra, 3) or 'none'}); "
        f"{fix} {'in ' if alike else ''}the competition's file"
    )
