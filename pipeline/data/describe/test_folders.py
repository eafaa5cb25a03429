"""Test images in a folder that holds others, too: ids without an image, ids that fit several, several folders."""

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.data.describe.match import ImageFiles, Match, Reading, is_below, parent_folder, plain_stem
from pipeline.data.describe.padded_names import check_padded
from pipeline.data.describe.sample import SampleSubmission


def check_test_folder(images: ImageFiles, match: Match, sample: SampleSubmission, train: Reading) -> tuple[str, ...]:
    """Says which ids of the sample have no image in the folder of test images, and whether it holds several folders.

    Args:
        images: the files; those of the training data are no test images.
        match: the folder, and its images that the sample names.
        sample: the sample submission.
        train: the training section.

    Raises:
        InputError: ids that fit several images below the folder, which `prepare` refuses.
    """
    lines: tuple[str, ...] = ()
    if match.rows > len(match.images):
        lines = _check_others(images, match, sample, train)
    lines += check_padded(match, sample.table[match.column].iloc[list(match.places)].tolist())
    homes = natural_order(sorted({parent_folder(path) for path in match.images}))
    if len(homes) > 1 and any(is_below(match.folder, path) for path in train.images[:1]):
        lines += (f"test images were read from several folders next to the training images: {some(homes, 5)}",)
    return lines


def _check_others(images: ImageFiles, match: Match, sample: SampleSubmission, train: Reading) -> tuple[str, ...]:
    known, used = set(match.places), set(train.images)
    ids = {plain_stem(name): name for place, name in enumerate(sample.table[match.column]) if place not in known}
    found: dict[str, list[str]] = {}
    for path in images.paths:
        if (stem := plain_stem(path.rpartition("/")[2])) in ids and path not in used:
            found.setdefault(ids[stem], []).append(path)
    below = {name: [path for path in paths if is_below(match.folder, path)] for name, paths in found.items()}
    shared = [f"{name} ({some(paths, 3)})" for name, paths in below.items() if len(paths) > 1]
    if shared:
        raise InputError(
            f"{len(shared):,} ids of {sample.path} fit several images below {match.folder}: {some(shared, 3)}; leave "
            "those that are neither for training nor for testing out of the source, or move the test images into one "
            "folder"
        )
    lines = check_missing(len(ids), sample.path, match.folder, train)
    elsewhere = natural_order(sorted({parent_folder(path) for paths in found.values() for path in paths}))
    words = f"images of {len(found):,} of these ids are in {some(elsewhere, 5)}: move the test images into one folder"
    return (*lines, words) if elsewhere else lines


def check_missing(missing: int, path: str, folder: str, train: Reading) -> tuple[str, ...]:
    """Says how many ids of test images have no image, and what becomes of them."""
    told, black = train.more.get("leave_out", {}).get("no_image"), "they are predicted from a black picture"
    refused = f"prepare will refuse them; add the files, or write leave_out: {{no_image: true}}, with which {black}"
    words = f"{missing:,} ids of {path} have no image in {folder}: {f'{black}, see leave_out' if told else refused}"
    return (words,) if missing else ()
