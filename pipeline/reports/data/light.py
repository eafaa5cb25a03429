"""Colour, brightness and contrast: of all images for normalisation, and by class for shortcuts a model could take."""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Rows
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, ORANGE, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Column, render_table
from pipeline.reports.data.classes import BARS, short
from pipeline.reports.data.material import Seen, sample, sampled

MOST = 10_000  # images whose pixels are read
_COLOURS = ("red", "green", "blue")
_GREY = 8  # of 255: channels that differ by less are of a grey image


@dataclass(frozen=True)
class Light:
    """What the pixels of some images say.

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


def measure(seen: Seen, part: str, rows: Rows) -> Light:
    """Reads images and measures each."""
    found = [_measured(image) for chunk in seen.chunks(part, rows) for image in chunk]
    mean, square, brightness, contrast, grey = zip(*found, strict=True)
    return Light(rows, np.array(mean), np.array(square), np.array(brightness), np.array(contrast), np.array(grey))


def light(seen: Seen) -> Part:
    """Channel means and deviations, brightness and contrast by class."""
    rows = sample(len(seen.train), MOST, 2)
    found = measure(seen, "train", rows)
    labels = seen.labels[rows]
    frame = by_class(found, labels, seen.names)
    channels = found.channels()
    names = _COLOURS if len(channels) == 3 else ("grey",)
    scaled = [(name, mean, std, mean / 255, std / 255) for name, (mean, std) in zip(names, channels, strict=True)]
    columns = [
        Column("channel"),
        Column("mean", ".1f"),
        Column("deviation", ".1f"),
        Column("mean / 255", ".4f"),
        Column("deviation / 255", ".4f"),
    ]
    seen_classes = frame.dropna(subset=["brightness"])
    bright = seen_classes.iloc[int(seen_classes["brightness"].to_numpy().argmax())]
    dark = seen_classes.iloc[int(seen_classes["brightness"].to_numpy().argmin())]
    explained = explained_by_class(found.brightness, labels)
    said = [
        f"The mean grey level is {found.brightness.mean():.0f} of 255.",
        f"The brightest class is {bright['class']} ({bright['brightness']:.0f}), the darkest {dark['class']} "
        f"({dark['brightness']:.0f});",
        f"the class explains {explained:.0%} of the differences in brightness between images.",
    ]
    grey = float(found.grey.mean())
    blocks = [
        render_paragraph(*said),
        render_paragraph(_grey(grey, len(names))),
        render_note(sampled(len(rows), len(seen.train))),
    ]
    blocks += [render_table("Pixels of the stored images, 0 to 255", columns, scaled), _chart(frame)]
    wanted = [
        Column("class"),
        *(
            Column(name, form)
            for name, form in zip(frame.columns[1:], [",d", *[".1f"] * (frame.shape[1] - 2)], strict=True)
        ),
    ]
    blocks.append(render_table("Brightness, contrast and channels by class", wanted, _rows(frame), folded=True))
    numbers = {f"mean_{name}": mean for name, (mean, _) in zip(names, channels, strict=True)}
    numbers |= {f"deviation_{name}": std for name, (_, std) in zip(names, channels, strict=True)}
    finding = (
        f"The class explains {explained:.0%} of the differences in brightness: a model may lean on that."
        if explained > 0.25
        else ""
    )
    return Part(
        PageSection("Light and colour", blocks),
        numbers | {"grey_share": grey, "brightness_explained_by_class": explained},
        {"light": frame},
        (finding,) if finding else (),
    )


def by_class(found: Light, labels: Rows, names: tuple[str, ...]) -> pd.DataFrame:
    """Means of each class: brightness, contrast, channels; a class of which no image was looked at has none."""
    values = {"brightness": found.brightness, "contrast": found.contrast}
    if found.mean.shape[1] == 3:
        values |= {name: found.mean[:, place] for place, name in enumerate(_COLOURS)}
    grouped = pd.DataFrame(values).groupby(labels)
    frame = grouped.mean().reindex(range(len(names))).reset_index(drop=True)
    frame.insert(0, "images", np.bincount(labels, minlength=len(names)))
    frame.insert(0, "class", list(names))
    return frame


def _measured(image: Images) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, bool]:
    mean, std = (np.asarray(value[:, 0], dtype=np.float64) for value in cv2.meanStdDev(image))
    if image.shape[2] == 1:
        return mean, std**2 + mean**2, float(mean[0]), float(std[0]), True
    grey_mean, grey_std = cv2.meanStdDev(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY))
    apart = max(int(cv2.absdiff(image[..., one], image[..., two]).max()) for one, two in ((0, 1), (1, 2)))
    return mean, std**2 + mean**2, float(grey_mean[0, 0]), float(grey_std[0, 0]), apart < _GREY


def explained_by_class(values: NDArray[np.float64], labels: Rows) -> float:
    """Returns the share of the variance between images that lies between classes, 0 to 1.

    It is adjusted for the number of classes (epsilon squared): classes of few images would explain much by chance.
    """
    freedom = len(values) - len(np.unique(labels))
    whole = float(((values - values.mean()) ** 2).sum())
    if freedom < 1 or not whole:
        return 0.0
    within = float((pd.Series(values) - pd.Series(values).groupby(labels).transform("mean")).pow(2).sum())
    return max(0.0, 1 - (within / freedom) / (whole / (len(values) - 1)))


def _grey(share: float, channels: int) -> str:
    if channels == 1:
        return "The images are stored in grey."
    if share == 1:
        return "All of them are grey though they are stored in colour: storage.channels: 1 would do."
    return f"{share:.1%} of them are grey." if share else "None of them is grey."


def _rows(frame: pd.DataFrame) -> list[tuple[str | float | None, ...]]:
    return [tuple(row) for row in frame.itertuples(index=False, name=None)]


def _chart(frame: pd.DataFrame) -> Html:
    shown = frame.dropna(subset=["brightness"]).sort_values("brightness", ascending=False)
    title = "Brightness and contrast by class"
    if len(shown) > BARS:
        shown = pd.concat([shown.head(BARS // 2), shown.tail(BARS // 2)])
        title = f"Brightness and contrast of the {BARS // 2} brightest and the {BARS // 2} darkest classes"
    with open_chart(7.5, 0.7 + 0.19 * len(shown)) as figure:
        axes = figure.subplots()
        places = np.arange(len(shown))
        axes.scatter(shown["brightness"], places, color=BLUE, s=22, label="brightness (mean grey level)")
        axes.scatter(
            shown["contrast"], places, color=ORANGE, marker="D", s=18, label="contrast (deviation of grey levels)"
        )
        axes.set_yticks(places, [short(name) for name in shown["class"]])
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel="grey levels, 0 to 255", xlim=(0, None))
        axes.grid(axis="both")
        axes.tick_params(length=0)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    first, last = shown.iloc[0], shown.iloc[-1]
    return render_chart(
        figure,
        title,
        f"From {first['class']} at {first['brightness']:.0f} to {last['class']} at {last['brightness']:.0f}.",
    )
