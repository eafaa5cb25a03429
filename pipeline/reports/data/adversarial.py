"""Adversarial validation: can a classifier tell test images from training images, and which give it away?

Where it can, scores on the folds may say little about the test images.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.core.arrays import Rows
from pipeline.page.blocks import render_details, render_heading, render_note, render_paragraph
from pipeline.page.chart import BLUE, ORANGE, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_pictures
from pipeline.reports.data.features import Described, told
from pipeline.reports.data.material import Seen, sampled

TITLE = "Train against test"
_FEWEST, _RESAMPLES, _PICTURES, _WIDTH = 20, 1_000, 12, 64


def adversarial(seen: Seen, train: Described, test: Described) -> Part:
    """AUC of a cross-validated classifier of train against test, and the pictures that it is surest of."""
    if len(test.rows) < _FEWEST or len(train.rows) < _FEWEST:
        why = (
            "There are no test images"
            if not len(test.rows)
            else f"There are too few images ({len(train.rows):,} and {len(test.rows):,})"
        )
        return Part(PageSection(TITLE, [render_paragraph(f"{why}, so nothing was compared.")]))
    probs = tell_apart(train.features, test.features)
    is_test = np.arange(len(probs)) >= len(train.rows)
    value, (low, high) = auc(probs, is_test), auc_interval(probs, is_test)
    verdict, matters = judged(value, low)
    figure = f"{value:.3f} [{low:.3f}, {high:.3f}]"
    said = f"A classifier tells test images from training images with an AUC of {figure}: {verdict}"
    how = (
        f"Logistic regression on {_WIDTH} principal components, five folds; every image is judged by a model that did "
        f"not see it. 0.5 is chance; the interval is the 95 % bootstrap interval of {_RESAMPLES:,} resamples."
    )
    extent = sampled(len(train.rows), len(seen.train)), sampled(len(test.rows), len(seen.test), "test images")
    shown = _surest(seen, train.rows, test.rows, probs, is_test)
    blocks = [render_paragraph(said), render_note(told(train.features), how, *extent), _histogram(probs, is_test)]
    blocks += shown if matters else [render_details("The pictures that it was surest of", *shown)]
    ids = np.concatenate([seen.train["id"].to_numpy()[train.rows], seen.test["id"].to_numpy()[test.rows]])
    frame = pd.DataFrame({"id": ids, "part": np.where(is_test, "test", "train"), "probability_of_test": probs})
    finding = f"Train and test differ: a classifier tells them apart with an AUC of {figure}."
    numbers = {"auc": value, "auc_low": low, "auc_high": high}
    return Part(PageSection(TITLE, blocks), numbers, {"train_against_test": frame}, (finding,) if matters else ())


def tell_apart(train: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the out-of-fold probability of being a test image of all rows, those of train first."""
    features = np.concatenate([train, test])
    labels = np.arange(len(features)) >= len(train)
    if not np.ptp(features, axis=0).any():  # every image is the same
        return np.full(len(features), 0.5)
    width = min(_WIDTH, features.shape[1], len(features) // 2)
    model = make_pipeline(
        StandardScaler(),
        PCA(width, random_state=0, svd_solver="full"),
        LogisticRegression(C=0.1, class_weight="balanced", max_iter=1_000),
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probs = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
    return np.asarray(probs[:, 1], dtype=np.float64)


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Returns the area under the ROC curve, ties counted half."""
    codes = np.unique(scores, return_inverse=True)[1]
    return float(_areas(codes, positive.astype(np.float64)[None], (~positive).astype(np.float64)[None])[0])


def auc_interval(scores: NDArray[np.float64], positive: NDArray[np.bool_], seed: int = 0) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of the AUC; both sides are resampled, each by itself."""
    codes = np.unique(scores, return_inverse=True)[1]
    random = np.random.default_rng(seed)
    areas = []
    for _ in range(_RESAMPLES // 50):  # some at a time bound the memory
        ours, theirs = (_drawn(random, np.flatnonzero(side), len(scores)) for side in (positive, ~positive))
        areas.append(_areas(codes, ours, theirs))
    low, high = np.percentile(np.concatenate(areas), [2.5, 97.5])
    return float(low), float(high)


def judged(value: float, low: float) -> tuple[str, bool]:
    """Says what an AUC means, and whether it matters."""
    if low <= 0.5:
        return "no difference is seen between them.", False
    if value < 0.6:
        return "hardly any difference.", False
    if value < 0.75:
        return "they differ; scores on the folds may not hold on the leaderboard.", True
    return "they differ much; folds drawn from train do not stand for the test images.", True


def _drawn(random: np.random.Generator, rows: Rows, count: int) -> NDArray[np.float64]:
    """Returns how often each row is in each of 50 resamples of some rows: (50, count)."""
    weights = np.zeros((50, count))
    weights[:, rows] = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=50)
    return weights


def _areas(codes: Rows, positive: NDArray[np.float64], negative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns weighted AUCs, one per row of weights; ``codes`` number the scores in rising order."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    ours, theirs = (np.add.reduceat(side[:, order], starts, axis=1) for side in (positive, negative))
    below = np.cumsum(theirs, axis=1) - theirs / 2
    return np.asarray((ours * below).sum(axis=1) / (ours.sum(axis=1) * theirs.sum(axis=1)))


def _surest(seen: Seen, train: Rows, test: Rows, probs: NDArray[np.float64], is_test: NDArray[np.bool_]) -> list[Html]:
    ours, theirs = probs[~is_test], probs[is_test]
    as_test, as_train = np.argsort(-theirs, kind="stable")[:_PICTURES], np.argsort(ours, kind="stable")[:_PICTURES]
    return [
        render_heading("Test images that look most like test"),
        render_pictures(seen.pictures("test", test[as_test], [f"{theirs[place]:.0%} test" for place in as_test])),
        render_heading("Training images that look most like train"),
        render_pictures(
            seen.pictures("train", train[as_train], [f"{1 - ours[place]:.0%} train" for place in as_train])
        ),
    ]


def _histogram(probs: NDArray[np.float64], is_test: NDArray[np.bool_]) -> Html:
    with open_chart(7.5, 2.4) as figure:
        axes = figure.subplots()
        for own, colour, name, style in (
            (~is_test, BLUE, "training images", "-"),
            (is_test, ORANGE, "test images", "--"),
        ):
            count = int(own.sum())
            axes.hist(
                probs[own],
                bins=np.linspace(0, 1, 41).tolist(),
                weights=np.full(count, 1 / count),
                histtype="step",
                color=colour,
                linestyle=style,
                linewidth=1.5,
                label=name,
            )
        axes.set(xlabel="probability of being a test image", ylabel="share", xlim=(0, 1))
        axes.legend()
    about = (
        f"Median {np.median(probs[~is_test]):.2f} of training images, {np.median(probs[is_test]):.2f} of test images."
    )
    return render_chart(figure, "How surely train and test are told apart", about)
