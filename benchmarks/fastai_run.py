"""One training by fastai from scratch within a budget, in an environment of its own; writes a submission.

    FASTAI/bin/python benchmarks/fastai_run.py FOLDER SUBMISSION --deadline SECONDS [--mirror] [--seed N]

FOLDER holds train.csv (Id, Label), train/<Id>.png and test/<Id>.png; the deadline counts as `time.time` does. All rows
train. The recipe is what fastai's own pages say of training without pretrained weights: an xresnet, normalised
pictures, `aug_transforms`, smoothed labels, `fit_one_cycle`, mixup from 80 epochs on only, since with fewer it costs
more than it brings, and test-time augmentation at the end. For minutes on few cores it is half as wide and has its
channels last; for pictures below 64 pixels the first convolution keeps every pixel. Pictures are kept in memory. The
first epoch, at a tenth of the rate, is timed; as many as then fit follow in one cycle. Should the machine get slower on
the way, training ends early enough to predict.

Reference: Howard and Gugger 2020, fastai: A Layered API for Deep Learning, https://arxiv.org/abs/2002.04688, and
https://github.com/fastai/fastbook/blob/master/07_sizing_and_tta.ipynb
"""

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import Callback, CancelFitException, CancelValidException
from fastai.callback.mixup import MixUp
from fastai.callback.schedule import fit_one_cycle  # noqa: F401 - gives it to Learner
from fastai.data.core import Datasets
from fastai.data.transforms import Categorize, IntToFloatTensor, Normalize
from fastai.learner import Learner
from fastai.losses import LabelSmoothingCrossEntropyFlat
from fastai.torch_core import TensorImage, set_seed
from fastai.vision.augment import aug_transforms
from fastai.vision.models.xresnet import xresnet18
from PIL import Image

RATE = 3e-3
BATCH = 64
WIDTH, STEM = 0.5, (16, 16, 64)
_SMALL = 64  # pixels: below, the stem does not halve
_MIXUP = 80  # epochs
_VIEWS = 4  # random ones beside the plain picture
_MARGIN = 0.97  # of the time left, for epochs
_ENDING = 3.0  # seconds to write answers and to end the process


class EndInTime(Callback):  # type: ignore[misc]
    """Ends a fit at a moment, and never validates: there are no rows for it."""

    def __init__(self, moment: float) -> None:
        """Takes the moment as `time.time` counts."""
        self.moment, self.early = moment, False

    def after_batch(self) -> None:
        """Looks at the clock."""
        if self.training and time.time() > self.moment:
            self.early = True
            raise CancelFitException

    def before_validate(self) -> None:
        """Leaves the validation out."""
        raise CancelValidException


def read_pictures(folder: Path, names: list[str]) -> torch.Tensor:
    """Reads pictures of one size: (n, channels, height, width) uint8."""
    pixels = np.stack([np.asarray(Image.open(folder / f"{name}.png")) for name in names])
    return torch.from_numpy(pixels[:, None] if pixels.ndim == 3 else np.moveaxis(pixels, 3, 1).copy())


def build_learner(pictures: torch.Tensor, labels: list[str], mirror: bool) -> Learner:
    """Builds the data and the network; one label per training picture, the pictures behind them are to be predicted."""
    count = len(labels)

    def open_picture(row: int) -> TensorImage:
        return TensorImage(pictures[row])

    def find_label(row: int) -> str:
        return labels[row]

    known = pictures[:count].float() / 255
    means, deviations = known.mean((0, 2, 3)), known.std((0, 2, 3))
    data = Datasets(range(count), [[open_picture], [find_label, Categorize()]], splits=[range(count), range(1)])
    batch_tfms = [
        IntToFloatTensor(),
        *aug_transforms(do_flip=mirror),
        Normalize.from_stats(means, deviations, cuda=False),
    ]
    loaders = data.dataloaders(bs=BATCH, after_batch=batch_tfms, num_workers=0, device=torch.device("cpu"))
    network = xresnet18(False, c_in=pictures.shape[1], n_out=len(loaders.vocab), widen=WIDTH, stem_szs=STEM)
    if pictures.shape[2] < _SMALL:
        network[0][0].stride = (1, 1)
    return Learner(loaders, network, loss_func=LabelSmoothingCrossEntropyFlat(), cbs=ChannelsLast())


def train(learner: Learner, deadline: float, n_test: int) -> tuple[str, bool]:
    """Trains until shortly before the deadline.

    Args:
        learner: not trained.
        deadline: as `time.time` counts.
        n_test: pictures to be predicted.

    Returns:
        What was done, and whether there is time for test-time augmentation.
    """
    with learner.no_bar(), learner.no_logging():
        begun = time.time()
        learner.fit_one_cycle(1, RATE / 10, cbs=(ending := EndInTime(deadline - _ENDING)))
        epoch = time.time() - begun
        look = epoch * n_test / len(learner.dls.train_ds) / 2  # a pass without gradients costs less than half
        left = deadline - time.time() - _ENDING - (1 + _VIEWS) * look
        epochs = int(_MARGIN * left / epoch)
        if epochs > 0:
            mixup = [MixUp()] if epochs >= _MIXUP else []
            ending = EndInTime(deadline - _ENDING - look)
            learner.fit_one_cycle(epochs, RATE, cbs=[ending, *mixup])
    views = deadline - time.time() - _ENDING > (1 + _VIEWS) * look
    more = ", mixup" * (epochs >= _MIXUP) + ", ended early" * ending.early
    return f"1 + {max(epochs, 0)} epochs, the first {epoch:.1f} s{more}", views


def main() -> None:
    """Reads, trains, predicts, writes, and prints a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("submission", type=Path)
    parser.add_argument("--deadline", type=float, required=True)
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    set_seed(given.seed)
    with (given.folder / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    tests = sorted((path.stem for path in (given.folder / "test").glob("*.png")), key=int)
    names = [row["Id"] for row in rows]
    pictures = torch.cat([read_pictures(given.folder / "train", names), read_pictures(given.folder / "test", tests)])
    learner = build_learner(pictures, [row["Label"] for row in rows], given.mirror)
    done, views = train(learner, given.deadline, len(tests))
    asked: Any = learner.dls.test_dl(range(len(rows), len(pictures)))
    with learner.no_bar(), learner.no_logging():
        probs, _ = learner.tta(dl=asked, n=_VIEWS) if views else learner.get_preds(dl=asked)
    with given.submission.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Id", "Label"])
        writer.writerows(zip(tests, (learner.dls.vocab[best] for best in probs.argmax(1)), strict=True))
    shown = f"{'with' if views else 'without'} test-time augmentation"
    print(f"xresnet18 x {WIDTH}, {done}, {shown}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
