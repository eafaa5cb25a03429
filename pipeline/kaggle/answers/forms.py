"""Opens the form of answers that a competition's file describes."""

from pipeline.core.answers import RowSubmission
from pipeline.kaggle.answers.column_form import ColumnForm
from pipeline.kaggle.answers.contract import AnswerForm, AnswerSheet
from pipeline.kaggle.answers.row_form import RowForm


def open_form(sheet: AnswerSheet) -> AnswerForm:
    """Opens the form that a section describes.

    Raises:
        InputError: the sample or the target does not fit it.
    """
    return RowForm(sheet) if isinstance(sheet.section, RowSubmission) else ColumnForm(sheet)
