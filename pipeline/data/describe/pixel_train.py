"""Training images in a table of pixels: their section, with labels, groups and rows left out."""

import pandas as pd

from pipeline.core.errors import some
from pipeline.data.describe.group_readings import GroupedRows
from pipeline.data.describe.groups import describe_groups
from pipeline.data.describe.label_columns import read_labels
from pipeline.data.describe.left_out import describe_lacking
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, Reading, is_id, pick_reading
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.storage import PixelTable, find_pixel_table


def describe_pixels(pixels: PixelTable, listing: Listing, sample: SampleSubmission, choices: Choices) -> Reading:
    """Describes the training section.

    Args:
        pixels: the table.
        listing: the files.
        sample: the sample submission.
        choices: ``id``, ``label`` and ``group`` decide.

    Raises:
        InputError: several columns of ids or labels, or cells that fit no kind of target.
    """
    others = listing.columns(pixels.table, pixels.others)
    answers = {*sample.columns[1:], *sample.parts, choices.label, *(choices.label or "").split(",")}
    ids = {name: name for name in pixels.others if is_id(others[name]) and name not in answers}
    row_id = pick_reading(f"the id column of {pixels.table}", ids, "--id", choices.id) if ids or choices.id else None
    labels = read_labels(others, pixels.table, [row_id] if row_id else [], sample, choices)
    facts = (
        f"{pixels.table}: {len(others):,} rows of {pixels.count:,} pixels and {some(pixels.others)}",
        *labels.facts,
    )
    named = {"label": labels.columns} if labels.marks else labels.train_keys
    section = {"layout": "csv_pixels", "table": pixels.table, **named, **pixels.section(row_id)}
    left = describe_lacking(others, labels)
    rows, target = len(others) - left.lacking, labels.section
    names = others[row_id].tolist() if row_id else [str(row) for row in range(len(others))]
    taken = [*([row_id] if row_id else []), *labels.columns, *sample.columns]
    grouped = GroupedRows(others, pixels.table, names, (), labels.row_classes.tolist(), taken)
    groups = describe_groups(listing, grouped, _list_test_pixels(listing, pixels, sample), choices)
    section |= {"group": groups.column} if groups.column else {}
    facts, check, more = (*facts, *groups.facts), (*left.check, *groups.check), left.section | groups.sections
    if pixels.planes:
        words = (
            "planes is true, as neighbours are more alike so: a row holds all values of one channel, then of the next"
        )
        check = (*check, words)
    known = labels.labelled
    return Reading(
        section, facts, check, (), labels.classes, pixels.shape, rows, more=more, target=target, labelled=known
    )


def _list_test_pixels(listing: Listing, pixels: PixelTable, sample: SampleSubmission) -> list[pd.DataFrame]:
    """Lists what other tables of pixels say beside them: of which groups test images are."""
    others = [path for path in listing.tables if path not in (pixels.table, sample.path)]
    found = [find_pixel_table(listing.head(path), path) for path in others]
    return [listing.columns(each.table, each.others) for each in found if each is not None and each.others]
