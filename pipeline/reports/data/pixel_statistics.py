"""Pixel statistics: channels of all images for normalisation, brightness and contrast by class for shortcuts."""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Rows
from pipeline.core.sampling import draw_rows
from pipeline.images.channels import make_grey
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, ORANGE, open_chart, render_chart, shorten_label
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Column, render_table
from pipeline.reports.data.classes import BARS
from pipeline.reports.data.prepared_data import PreparedData, describe_sample

MOST = 10_000  # images whose pixels are read
_COLOURS = ("red", "green", "blue")
_GREY = 8  # of 255: channels that differ by less are of a grey image


@dataclass(frozen=True)
class PixelStatistics:
    """Pixel statistics of some images.

    Attributes:
        rows: int64 (n,), which images.
        mean: float64 (n, channels), of each channel, 0 to 255.
        square: float64 (n, channels), mean of the squares.
        brightness: float64 (n,), mean grey level.
        contrast: float64 (n,), deviation of the grey levels.
        grey: bool (n,), whether all channels are (nearly) the same.
    """

    rows: Rows
    mean: NDArray[np.float64]
    square: NDArray[np.float64]
    brightness: NDArray[np.float64]
    contrast: NDArray[np.float64]
    grey: NDArray[np.bool_]

    def channels(self) -> list[tuple[float, float]]:
        """Mean and deviation of each channel over all pixels of all images (which are of one size)."""
        mean, square = self.mean.mean(axis=0), self.square.mean(axis=0)
        return list(zip(mean.tolist(), np.sqrt(np.maximum(square - mean**2, 0)).tolist(), strict=True))


def measure_pixels(data: PreparedData, part: str, rows: Rows) -> PixelStatistics:
    """Reads images and computes the statistics of each."""
    measured = [_measure_image(image) for chunk in data.chunks(part, rows) for image in chunk]
    mean, square, brightness, contrast, grey = zip(*measured, strict=True)
    return PixelStatistics(
        rows, np.array(mean), np.array(square), np.array(brightness), np.array(contrast), np.array(grey)
    )


def show_pixel_statistics(data: PreparedData) -> Part:
    """Shows means and deviations of the channels, and brightness and contrast by class."""
    rows = draw_rows(len(data.train), MOST, 2)
    statistics = measure_pixels(data, "train", rows)
    labels = data.labels[rows]
    frame = average_by_class(statistics, labels, data.names)
    channels = statistics.channels()
    names = _name_channels(len(channels))
    scaled = [(name, mean, std, mean / 255, std / 255) for name, (mean, std) in zip(names, channels, strict=True)]
    columns = [
        Column("channel"),
        Column("mean", ".1f"),
        Column("deviation", ".1f"),
        Column("mean / 255", ".4f"),
        Column("deviation / 255", ".4f"),
    ]
    sampled = frame.dropna(subset=["brightness"])
    bright = sampled.iloc[int(sampled["brightness"].to_numpy().argmax())]
    dark = sampled.iloc[int(sampled["brightness"].to_numpy().argmin())]
    explained = compute_explained_variance(statistics.brightness, labels)
    sentences = [
        f"The mean grey level is {statistics.brightness.mean():.0f} of 255.",
        f"The brightest class is {bright['class']} ({bright['brightness']:.0f}), the darkest {dark['class']} "
        f"({dark['brightness']:.0f});",
        f"the class explains {explained:.0%} of the variance of brightness between images.",
    ]
    grey = float(statistics.grey.mean())
    blocks = [
        render_paragraph(*sentences),
        render_paragraph(_describe_grey(grey, len(names))),
        render_note(describe_sample(len(rows), len(data.train))),
    ]
    blocks += [render_table("Pixels of the stored images, 0 to 255", columns, scaled), _draw_chart(frame)]
    wanted = [
        Column("class"),
        *(
            Column(name, form)
            for name, form in zip(frame.columns[1:], [",d", *[".1f"] * (frame.shape[1] - 2)], strict=True)
        ),
    ]
    blocks.append(render_table("Brightness, contrast and channels by class", wanted, _list_rows(frame), folded=True))
    numbers = {f"mean_{name}": mean for name, (mean, _) in zip(names, channels, strict=True)}
    numbers |= {f"deviation_{name}": std for name, (_, std) in zip(names, channels, strict=True)}
    finding = (
        f"The class explains {explained:.0%} of the variance of brightness: a model may use it as a shortcut."
        if explained > 0.25
        else ""
    )
    return Part(
        PageSection("Brightness and colour", blocks, "light-and-colour"),
        numbers | {"grey_share": grey, "brightness_explained_by_class": explained},
        {"light": frame},
        (finding,) if finding else (),
    )


def average_by_class(statistics: PixelStatistics, labels: Rows, names: tuple[str, ...]) -> pd.DataFrame:
    """Means of each class: brightness, contrast, channels; NaN for a class without images in the sample."""
    values = {"brightness": statistics.brightness, "contrast": statistics.contrast}
    if statistics.mean.shape[1] > 1:
        values |= {
            name: statistics.mean[:, place] for place, name in enumerate(_name_channels(statistics.mean.shape[1]))
        }
    grouped = pd.DataFrame(values).groupby(labels)
    frame = grouped.mean().reindex(range(len(names))).reset_index(drop=True)
    frame.insert(0, "images", np.bincount(labels, minlength=len(names)))
    frame.insert(0, "class", list(names))
    return frame


def _measure_image(image: Images) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, bool]:
    if image.shape[2] not in (1, 3):
        mean, std = image.mean(axis=(0, 1), dtype=np.float64), image.std(axis=(0, 1), dtype=np.float64)
        grey = make_grey(image)
        return mean, std**2 + mean**2, float(grey.mean()), float(grey.std()), False
    mean, std = (np.asarray(value[:, 0], dtype=np.float64) for value in cv2.meanStdDev(image))
    if image.shape[2] == 1:
        return mean, std**2 + mean**2, float(mean[0]), float(std[0]), True
    grey_mean, grey_std = cv2.meanStdDev(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY))
    apart = max(int(cv2.absdiff(image[..., one], image[..., two]).max()) for one, two in ((0, 1), (1, 2)))
    return mean, std**2 + mean**2, float(grey_mean[0, 0]), float(grey_std[0, 0]), apart < _GREY


def _name_channels(count: int) -> tuple[str, ...]:
    return {1: ("grey",), 3: _COLOURS}.get(count) or tuple(f"channel {number}" for number in range(1, count + 1))


def compute_explained_variance(values: NDArray[np.float64], labels: Rows) -> float:
    """Returns the share of the variance between images that lies between classes, 0 to 1.

    It is adjusted for the number of classes (epsilon squared): classes of few images would explain much by chance.
    """
    freedom = len(values) - len(np.unique(labels))
    whole = float(((values - values.mean()) ** 2).sum())
    if freedom < 1 or not whole:
        return 0.0
    within = float((pd.Series(values) - pd.Series(values).groupby(labels).transform("mean")).pow(2).sum())
    return max(0.0, 1 - (within / freedom) / (whole / (len(values) - 1)))


def _describe_grey(share: float, channels: int) -> str:
    if channels == 1:
        return "The images are stored as greyscale."
    if channels != 3:
        return f"The images have {channels} channels, which are no colours."
    if share == 1:
        return "All of them are grey although they are stored in colour: storage.channels: 1 is sufficient."
    return f"{share:.1%} of them are grey." if share else "None of them is grey."


def _list_rows(frame: pd.DataFrame) -> list[tuple[str | float | None, ...]]:
    return [tuple(row) for row in frame.itertuples(index=False, name=None)]


def _draw_chart(frame: pd.DataFrame) -> Html:
    classes = frame.dropna(subset=["brightness"]).sort_values("brightness", ascending=False)
    title = "Brightness and contrast by class"
    if len(classes) > BARS:
        classes = pd.concat([classes.head(BARS // 2), classes.tail(BARS // 2)])
        title = f"Brightness and contrast of the {BARS // 2} brightest and the {BARS // 2} darkest classes"
    with open_chart(7.5, 0.7 + 0.19 * len(classes)) as figure:
        axes = figure.subplots()
        places = np.arange(len(classes))
        axes.scatter(classes["brightness"], places, color=BLUE, s=22, label="brightness (mean grey level)")
        axes.scatter(
            classes["contrast"], places, color=ORANGE, marker="D", s=18, label="contrast (deviation of grey levels)"
        )
        axes.set_yticks(places, [shorten_label(name) for name in classes["class"]])
        axes.set(ylim=(len(classes) - 0.4, -0.6), xlabel="grey levels, 0 to 255", xlim=(0, None))
        axes.grid(axis="both")
        axes.tick_params(length=0)
        figure.legend(loc="outside upper left")
    first, last = classes.iloc[0], classes.iloc[-1]
    return render_chart(
        figure,
        title,
        f"From {first['class']} at {first['brightness']:.0f} to {last['class']} at {last['brightness']:.0f}.",
    )
