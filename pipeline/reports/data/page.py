"""The page about the data: its parts in reading order, and the overview that comes first."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.core.competition import Competition
from pipeline.core.progress import track_progress
from pipeline.core.threads import limit_threads
from pipeline.page.document import PageSection
from pipeline.page.parts import Part, build_overview
from pipeline.reports.data import (
    adversarial,
    answer_groups,
    augmentation,
    classes,
    duplicates,
    features,
    image_map,
    keypoints,
    pixel_statistics,
    preprocessing,
    sizes,
    suspicious_images,
)
from pipeline.reports.data.model_inputs import ModelInput
from pipeline.reports.data.prepared_data import PreparedData


def build_data_parts(data: PreparedData, inputs: Mapping[str, ModelInput], raw: Path | None) -> dict[str, Part]:
    """Builds all parts, in the order of the page.

    Args:
        data: of the competition.
        inputs: by model, what its file does to the training images.
        raw: folder of the original files; None where it is not here.
    """
    builders: dict[str, Callable[[], Part]] = {
        "classes": lambda: classes.show_classes(data),
        "samples": lambda: classes.show_samples(data),
        "sizes": lambda: sizes.show_sizes(data),
        "light": lambda: pixel_statistics.show_pixel_statistics(data),
        "duplicates": lambda: duplicates.show_duplicates(data),
        "suspicious": lambda: suspicious_images.show_suspicious_images(data, raw),
        "keypoints": lambda: keypoints.show_keypoints(data),
        "preprocessing": lambda: preprocessing.show_preprocessing(data),
        "augmentation": lambda: augmentation.show_augmentation(data, inputs),
        "map": lambda: image_map.show_image_map(data, train),
        "folds": lambda: classes.show_folds(data),
        "train_against_test": lambda: adversarial.compare_train_with_test(data, train, test),
    }
    truth, parts = data.truth, {}
    if truth is not None:
        builders = {"columns": lambda: answer_groups.show_columns(data.target, truth, data.grouping)} | builders
    # Small matrices: threads cost more than they give, and one thread gives the same figures everywhere.
    with limit_threads(), track_progress("exploring", len(builders)) as advance:
        train, test = (features.compute_image_features(data, part) for part in ("train", "test"))
        for name, build in builders.items():
            parts[name] = build()
            advance(1)
    return parts


def build_data_overview(data: PreparedData, competition: Competition, parts: Mapping[str, Part]) -> PageSection:
    """Builds the first section: key figures of the data, and the findings of all parts."""
    height, width, channels = data.shape
    figures = [
        ("training images", f"{len(data.train):,}"),
        ("test images", f"{len(data.test):,}"),
        ("columns" if data.grouping else "classes", f"{len(data.target.columns):,}"),
        ("stored at", f"{height} x {width} x {channels}"),
        ("metric", competition.metric.metric_for(data.target).name.replace("_", " ")),
        ("mirroring keeps the class", "yes" if competition.mirror else "no"),
    ]
    return build_overview(figures, parts)
