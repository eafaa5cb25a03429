"""Training images: their section, from a table beside images, pixels, folders of classes, or file names."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.core.errors import InputError, some
from pipeline.data.containers.formats import ROW_SUFFIXES
from pipeline.data.describe import near_misses
from pipeline.data.describe.candidates import (
    Candidate,
    TableCandidate,
    find_candidates,
    find_name_candidates,
    find_shown_names,
)
from pipeline.data.describe.classes import find_id_beside
from pipeline.data.describe.folder_groups import describe_groups_of_folders, describe_groups_of_rows
from pipeline.data.describe.folders import (
    FolderCandidate,
    NameCandidate,
    describe_class_folders,
    describe_file_names,
    find_classes_beside_tests,
)
from pipeline.data.describe.group_readings import GroupedRows, GroupReading
from pipeline.data.describe.joined_answers import find_joined_answers
from pipeline.data.describe.joined_tables import offer_joined
from pipeline.data.describe.label_columns import read_labels
from pipeline.data.describe.left_out import describe_left_out, list_tests_here
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import (
    Choices,
    ImageFiles,
    Reading,
    is_below,
    is_id,
    parent_folder,
    pick_reading,
    plain_stem,
)
from pipeline.data.describe.nested_folders import find_inner_folders, refuse_two_levels
from pipeline.data.describe.nothing_read import format_nothing
from pipeline.data.describe.pixel_train import describe_pixels
from pipeline.data.describe.ruled_out import rule_out_candidates, tell_passed
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.slice_paths import check_channels, check_further_files
from pipeline.data.describe.storage import PixelTable
from pipeline.data.describe.targets import describe_single_class
from pipeline.data.describe.test_tables import find_test_tables


def describe_train(
    listing: Listing,
    images: ImageFiles,
    tables: Sequence[str],
    sample: SampleSubmission,
    choices: Choices,
    describe_packed: Callable[[], Reading | None],
) -> Reading:
    """Describes the training section.

    Args:
        listing: the files.
        images: the same, by folder.
        tables: those that may hold training labels: neither sample submission nor solution.
        sample: the sample submission.
        choices: ``train``, ``id`` and ``label`` decide.
        describe_packed: describes the section where no file is an image of the training data.

    Raises:
        InputError: nothing to read, or several readings; the candidates are listed.
    """
    near_misses.refuse_headless(listing, images, [*tables, sample.path])
    found, passed = _list_readings(listing, images, tables, sample, choices)
    if not found or (choices.train or "").lower().endswith(ROW_SUFFIXES):
        packed = describe_packed()
        if packed is not None:
            return packed
    if not found:
        near_misses.refuse_mask_columns(listing, tables, sample)
        nothing, _, way = format_nothing(listing, images, tables, sample).rpartition(". ")
        raise InputError(f"{nothing}{near_misses.format_near_misses(listing, images, tables, sample)}. {way}")
    if choices.train is None:
        refuse_two_levels(listing, images, tables, found, sample)
    joined = offer_joined(listing, images, found, sample, choices)
    what = f"the training data in {listing.source}" + (" (the first way joins two tables)" if joined else "")
    candidate = pick_reading(what, {**joined, **found}, "--train", choices.train)
    reading = _describe_candidate(candidate, listing, images, tables, sample, choices)
    return replace(reading, check=(*reading.check, *passed))


def _list_readings(
    listing: Listing, images: ImageFiles, tables: Sequence[str], sample: SampleSubmission, choices: Choices
) -> tuple[dict[str, Candidate], tuple[str, ...]]:
    """Lists what may be the training data, and lines about tables that are none though they name images."""
    found = find_candidates(listing, images, tables, sample, choices)
    passed: tuple[str, ...] = ()
    if len(found) > 1 and choices.train is None:
        found, passed = rule_out_candidates(found, listing, images, sample)
    if names := find_shown_names(listing, images, found, sample):
        beside = [(name, each) for name, each in found.items() if isinstance(each, TableCandidate)]
        lines = tuple(tell_passed(name, each, names, sample) for name, each in beside)
        passed = lines if choices.train is None else ()
        found = {**(found if choices.train is not None else {}), **names}
    found = found or dict(find_name_candidates(listing, images, tables, sample, choices))
    found = {**found, **find_inner_folders(images, found, sample)}
    if not found or any(isinstance(each, FolderCandidate) for each in found.values()):
        folders = find_classes_beside_tests(images, _list_sample_folders(images, sample))
        found |= {each.folder: each for each in folders if not found or each.folder in found}
    return found, passed


def _describe_candidate(
    candidate: Candidate,
    listing: Listing,
    images: ImageFiles,
    tables: Sequence[str],
    sample: SampleSubmission,
    choices: Choices,
) -> Reading:
    if isinstance(candidate, FolderCandidate | NameCandidate) and (choices.label or choices.id):
        raise InputError(f"--label and --id choose columns of a table, but {candidate.folder} has none; leave them out")
    if isinstance(candidate, FolderCandidate):
        reading = describe_class_folders(candidate, images)
        known, apart = set(images.paths), candidate.aside or candidate.folder
        others = [path for path in listing.of("") if is_below(candidate.folder, path) and path not in known]
        others = [path for path in others if candidate.folder != "." or parent_folder(path) not in (".", apart)]
        if others:
            line = (
                f"{len(others):,} files below {candidate.folder} are not called as images: {some(others, 3)}; prepare "
                "takes those that are pictures, and lists the others as left out"
            )
            reading = replace(reading, check=(*reading.check, line))
        reading = _judge_classes(reading, candidate.folder, choices)
        return describe_groups_of_folders(listing, images, reading, tables, sample.table, choices)
    if isinstance(candidate, NameCandidate):
        reading = _judge_classes(describe_file_names(candidate, images), candidate.folder, choices)
        return describe_groups_of_folders(listing, images, reading, tables, sample.table, choices)
    if isinstance(candidate, PixelTable):
        return describe_pixels(candidate, listing, sample, choices)
    return _describe_table(candidate, listing, images, tables, sample, choices)


def _list_sample_folders(images: ImageFiles, sample: SampleSubmission) -> set[str]:
    """Lists the folders whose images the sample submission may name."""
    names = [str(name) for name in sample.columns if is_id(sample.table[name])]
    return {match.folder for name in names for match in images.matches(name, sample.table[name].tolist())}


def _judge_classes(reading: Reading, folder: str, choices: Choices) -> Reading:
    """Gives classes of folders or file names their kind: one class per image, or grades."""
    classes, section = describe_single_class(reading.classes, folder, choices)
    words = (f"grades, the lowest first: {some(classes, len(classes))}",) if section else ()
    return replace(reading, classes=classes, target=section, facts=(*reading.facts, *words))


def _describe_table(
    candidate: TableCandidate,
    listing: Listing,
    images: ImageFiles,
    tables: Sequence[str],
    sample: SampleSubmission,
    choices: Choices,
) -> Reading:
    joined = find_joined_answers(listing, candidate.table, tables, sample, choices)
    table = joined.table if joined is not None else listing.table(candidate.table)
    table = table if candidate.label_rows is None else candidate.label_rows.join(table)
    others = [path for path in tables if path != candidate.table and (joined is None or path != joined.path)]
    tests = list(find_test_tables(listing, others, sample.table).values())
    best = max(match.share for match in candidate.matches)
    matches = [match for match in candidate.matches if match.share == best]
    # Two columns that name the same images row by row (a name with and without extension) are one reading.
    same = len({match.images for match in matches}) == 1
    named = [match for match in matches if match.column in sample.columns] or matches
    options = {match.column: match for match in matches}
    match = (
        named[0]
        if same and choices.id is None
        else pick_reading(f"the id column of {candidate.table}", options, "--id", choices.id)
    )
    taken = [match.column, *([joined.key] if joined is not None else [])]
    if candidate.label_rows is None:
        labels = read_labels(table, joined.path if joined is not None else candidate.table, taken, sample, choices)
    else:
        labels = candidate.label_rows.describe(table, sample, choices)
    plain = listing.table(candidate.table)
    facts = [
        f"{candidate.table}: {len(plain):,} rows, columns {some(plain.columns)}",
        f"{match.column}: {len(match.images):,} of {match.rows:,} ids name an image in {match.folder}",
        *(joined.facts if joined is not None else ()),
        *labels.facts,
    ]
    check: list[str] = []
    files = candidate.files
    if files is not None:
        facts.append(f"files of each image: {files.path}, {len(files.channels) or 1} of them, by columns of its row")
        check += [f"files differ in more than the channel ({each}): the first is taken" for each in files.further]
        check += check_channels(files.path, files.channels)
        one = not files.channels
        check += check_further_files(files.path, match.images, images.paths, match.column) if one else ()
        if files.alike:
            check.append(
                f"most folders, though not all, hold files named {some(files.alike)}: they are taken for slices of an "
                "image; if they are channels, add the lost files or remove their folders"
            )
    row_id = find_id_beside(table, match.column) if choices.id is None else match.column
    taken = [row_id, *taken, match.column, *labels.columns, *sample.columns]
    places = list(match.places)
    ids, cells = table[row_id].iloc[places].tolist(), labels.cells.iloc[places].tolist()
    left = describe_left_out(table, row_id, labels, match, candidate.table)
    asked = {plain_stem(name) for name in sample.table.iloc[:, 0]}
    classes = labels.row_classes.iloc[places].tolist()
    rows = GroupedRows(table.iloc[places], candidate.table, ids, match.images, classes, taken, asked)
    rows, tests_here = rows.part(list_tests_here(ids, cells, asked, left))
    tests += tests_here
    if joined is not None and choices.group is None:
        groups = GroupReading(joined.key)
    else:
        beside = others if files is None else []
        groups = describe_groups_of_rows(listing, images, rows, tests, beside, choices)
    check += [
        *near_misses.check_endings(match, table[match.column].iloc[places].tolist()),
        *near_misses.check_folders(match, cells),
    ]
    section = {
        "layout": "csv_one_hot" if labels.marks else "csv_images",
        "images": match.folder,
        "table": candidate.table,
        "id": row_id,
        **({"file": match.column} if row_id != match.column else {}),
        **({"files": files.section} if files is not None else {}),
        **labels.train_keys,
        **(candidate.label_rows.section if candidate.label_rows is not None else {}),
        **({"answers": {"table": joined.path, "key": joined.key}} if joined is not None else {}),
        **({"group": groups.column} if groups.column else {}),
    }
    more = groups.sections | left.section
    facts, check = [*facts, *left.facts, *groups.facts], [*check, *left.check, *groups.check]
    return Reading(
        section,
        tuple(facts),
        tuple(check),
        tuple(rows.images),
        labels.classes,
        rows=len(match.images) - left.lacking,
        more=more,
        target=labels.section,
        labelled=labels.labelled,
    )
