"""Test rows of a table that holds the sample's ids beside the names of their images, also of the training table."""

from pipeline.data.describe.match import ENOUGH, ImageFiles, Reading
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.test_folders import check_missing


def describe_rows_of_ids(images: ImageFiles, sample: SampleSubmission, train: Reading) -> tuple[Reading, str] | None:
    """Describes the test section by a table with a row for each id of the sample, and a column that names its image.

    Of the training table, which may list test images, too, the rows of these ids count. Some cells may be blank.

    Args:
        images: the files; those of the training data are no test images.
        sample: the sample submission, with the tables that hold its ids.
        train: the training section.

    Returns:
        The section, and the sample's id column; None where no table tells.
    """
    for listed in [each for each in sample.lists if len(each.ids) == 1]:
        key, table = listed.ids[0], listed.table
        both = listed.path == train.section.get("table")
        rows = table[table[key].isin(set(sample.table[listed.column]))] if both else table
        for name in [str(name) for name in table.columns if name != key and not rows[key].duplicated().any()]:
            named = [cell for cell in rows[name].tolist() if cell]
            if len(named) < ENOUGH * len(rows) or len(set(named)) < len(named):
                continue
            found = [match for match in images.matches(name, named, train.images) if match.share == 1]
            if len(found) == 1:
                fact = f"{listed.path}: {len(rows):,} rows; {key} holds the ids of {sample.path}, {name} their images"
                check = check_missing(len(rows) - len(named), listed.path, found[0].folder, train)
                section = {"layout": "images", "images": found[0].folder, "listed_by": "table", "table": listed.path}
                return Reading(section | {"id": key, "file": name}, (fact,), check, found[0].images), listed.column
    return None
