"""Answers of the Kaggle client in JSON: lists of submissions and limits, in the one form that is known.

An answer of another form says nothing: an empty list, taken from it, would let a submission be sent twice.
"""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.core.errors import InputError
from pipeline.kaggle.client import ClientOutput
from pipeline.kaggle.client_errors import explain_refusal


class Counts(BaseModel):
    """The limits as the client prints them: zeros are left out; all are before a first submission, which is allowed."""

    today: int = Field(0, alias="numToday")
    total: int = Field(0, alias="numTotal")
    left: int = Field(0, alias="numAllowedNow")


class ListedItem(BaseModel):
    """A submission as the client prints it; numbers are taken for text."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    ref: str = Field(min_length=1)
    file: str | None = Field(alias="fileName")
    description: str | None
    status: str | None
    public: str | None = Field(alias="publicScore")
    private: str | None = Field(alias="privateScore")


_Form = TypeVar("_Form")
_COUNTS, _ITEMS = TypeAdapter(Counts), TypeAdapter(list[ListedItem])


def parse_counts(output: ClientOutput, slug: str, failed: str) -> Counts:
    """Parses the limits.

    Args:
        output: of the client.
        slug: the competition.
        failed: the first words of an error.

    Raises:
        InputError: Kaggle refuses, or the answer has another form.
    """
    return _parse(output, slug, failed, _COUNTS)


def parse_items(output: ClientOutput, slug: str, failed: str) -> list[ListedItem]:
    """Parses a list of submissions; takes and raises what `parse_counts` does."""
    return _parse(output, slug, failed, _ITEMS)


def _parse(output: ClientOutput, slug: str, failed: str, form: TypeAdapter[_Form]) -> _Form:
    if output.code:
        raise explain_refusal(output.lines, slug, failed)
    try:
        return form.validate_json(output.out)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "json_invalid":
            raise explain_refusal(output.lines, slug, f"{failed}, as its answer is not JSON") from error
        place = ".".join(map(str, problem["loc"])) or "all of it"
        raise InputError(
            f"{failed}, as its answer has another form than expected ({place}: {problem['msg']}); take the version of "
            "the Kaggle client that `make run` installs"
        ) from error
