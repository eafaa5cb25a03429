"""Joined ids: a training table with a row for each image and label, target or number, whose ids join both."""

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from random import Random
from typing import Any

import pandas as pd

from pipeline.core.file_layouts import JoinedRows
from pipeline.data.describe.label_sets import refuse_masks
from pipeline.data.describe.match import Choices, ImageFiles, is_id
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_columns import AnswerColumns, TargetReading
from pipeline.data.describe.targets import describe_target
from pipeline.data.prepared.joined_rows import unfold_rows

JOINTS = ("__", "_", "-", " ", "|", ":", ".", "/")
# Ids that separators are tried on, from the top and drawn from all, and the least share of ids that names an image.
_PROBES, _ENOUGH = 2000, 0.9


@dataclass(frozen=True)
class JoinedIds:
    """A table whose ids join an image and a part.

    Attributes:
        path: of the table.
        id: the column of ids.
        rows: how they join.
        parts: in the order of their first rows.
    """

    path: str
    id: str
    rows: JoinedRows
    parts: tuple[str, ...]

    @property
    def section(self) -> dict[str, Any]:
        """The keys of the training section that say so."""
        return {"rows": self.rows.model_dump()}

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """Unfolds the rows of each image; one row is left."""
        return unfold_rows(table, self.id, self.rows, self.parts, self.path)

    def describe(self, joined: pd.DataFrame, sample: SampleSubmission, choices: Choices) -> TargetReading:
        """Describes the target of the unfolded rows.

        Raises:
            InputError: a kind that the cells contradict, or masks.
        """
        if choices.target is None:
            whole = [cell for part in self.parts for cell in joined[part]]
            refuse_masks(whole, self.rows.value, f"column {self.rows.value} of {self.path}")
        reason = f"{self.id} joins an image and one of them, {self.rows.value} holds the answers"
        return describe_target(AnswerColumns(joined, self.path, self.parts, reason), sample, choices)


def find_joined_ids(
    table: pd.DataFrame, path: str, images: ImageFiles, sample: SampleSubmission, choices: Choices
) -> list[JoinedIds]:
    """Finds columns of a table whose cells begin with the name of an image and end in one of a few parts.

    Args:
        table: as text.
        path: of the table.
        images: the files.
        sample: the sample submission; a column of its answers is that of the table's answers.
        choices: ``id`` and ``label`` decide.
    """
    columns = [str(name) for name in table.columns]
    wanted = [name for name in columns if name in ([choices.label] if choices.label else sample.columns[1:])]
    found = []
    stems = frozenset(name for names in images.by_folder.values() for name in names)
    stems |= {path.rpartition("/")[2] for path in images.paths}  # a.png_Fish
    for name in [name for name in columns if choices.id in (None, name) and is_id(table[name])]:
        values = [each for each in wanted if each != name] or [each for each in columns if each != name]
        ids = table[name].tolist()
        drawn = sorted(Random(0).sample(range(len(ids)), min(_PROBES, len(ids))))  # a stride could miss a part
        probes = ids[:_PROBES], [ids[row] for row in drawn]
        likely = [each for each in JOINTS if all(_split_ids(probe, each, stems) for probe in probes)]
        ways = [_split_ids(ids, separator, stems) for separator in likely]
        found += [JoinedIds(path, name, JoinedRows(pattern=way[0], value=values[0]), way[1]) for way in ways if way]
    return [each for each in found if len(table.columns) == 2 or each.rows.value in wanted]


def _split_ids(ids: Sequence[str], separator: str, stems: Set[str]) -> tuple[str, tuple[str, ...]] | None:
    """Returns the pattern by which ids join an image and a part, and the parts; None where they do not."""
    parts = Counter(part for name in ids if (part := _find_part(name, separator, stems)) is not None)
    if parts.total() < _ENOUGH * len(ids) or not 2 <= len(parts) <= len(ids) / 2:
        return None
    return write_pattern(separator, tuple(parts)), tuple(parts)


def write_pattern(separator: str, parts: Sequence[str]) -> str:
    """Writes the pattern of ids that join an image and one of some parts."""
    plain = len(separator) == 1 and not any(separator in part for part in parts)
    ends = f"[^{re.escape(separator)}]+" if plain else "|".join(re.escape(part) for part in parts)
    image = ".+" if plain else ".+?"  # a part such as left_eye may end in another one
    return f"(?P<image>{image}){re.escape(separator)}(?P<part>{ends})"


def _find_part(name: str, separator: str, stems: Set[str]) -> str | None:
    """Finds what follows the longest name of an image that an id begins with; None where there is no image.

    A part does not begin with the separator: two of them are another one.
    """
    cut = name.rfind(separator)
    while cut >= 0 and name[:cut] not in stems:
        cut = name.rfind(separator, 0, cut)
    part = name[cut + len(separator) :]
    return part if cut >= 0 and not part.startswith(separator) else None
