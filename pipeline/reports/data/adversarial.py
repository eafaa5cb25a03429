"""Adversarial validation: how well a classifier separates test images from training images.

Where it separates them, scores on the folds may say little about the test images.
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
from pipeline.reports.data.features import ImageFeatures, describe_features
from pipeline.reports.data.prepared_data import PreparedData, describe_sample

TITLE, KEY = "Training versus test images", "train-against-test"
_FEWEST, _RESAMPLES, _PICTURES, _WIDTH = 20, 1_000, 12, 64


def compare_train_with_test(data: PreparedData, train: ImageFeatures, test: ImageFeatures) -> Part:
    """Shows the AUC of a cross-validated classifier of train versus test, and its most confident images."""
    if len(test.rows) < _FEWEST or len(train.rows) < _FEWEST:
        why = (
            "There are no test images"
            if not len(test.rows)
            else f"There are too few images ({len(train.rows):,} and {len(test.rows):,})"
        )
        return Part(PageSection(TITLE, [render_paragraph(f"{why}, so nothing was compared.")], KEY))
    probs = predict_test_membership(train.features, test.features)
    is_test = np.arange(len(probs)) >= len(train.rows)
    value, (low, high) = compute_auc(probs, is_test), bootstrap_auc(probs, is_test)
    verdict, matters = judge_auc(value, low)
    figure = f"{value:.3f} [{low:.3f}, {high:.3f}]"
    sentence = f"A classifier separates test from training images with an AUC of {figure}: {verdict}"
    method = (
        f"Logistic regression on {_WIDTH} principal components, five folds; every image is scored by a model that was "
        f"not trained on it. 0.5 is chance level; the interval is a 95 % bootstrap interval ({_RESAMPLES:,} resamples)."
    )
    extent = (
        describe_sample(len(train.rows), len(data.train)),
        describe_sample(len(test.rows), len(data.test), "test images"),
    )
    examples = _render_most_confident(data, train.rows, test.rows, probs, is_test)
    blocks = [
        render_paragraph(sentence),
        render_note(describe_features(train.features), method, *extent),
        _draw_histogram(probs, is_test),
    ]
    blocks += examples if matters else [render_details("Images with the highest confidence", *examples)]
    ids = np.concatenate([data.train["id"].to_numpy()[train.rows], data.test["id"].to_numpy()[test.rows]])
    frame = pd.DataFrame({"id": ids, "part": np.where(is_test, "test", "train"), "probability_of_test": probs})
    finding = f"Training and test images differ: a classifier separates them with an AUC of {figure}."
    numbers = {"auc": value, "auc_low": low, "auc_high": high}
    return Part(PageSection(TITLE, blocks, KEY), numbers, {"train_against_test": frame}, (finding,) if matters else ())


def predict_test_membership(train: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float64]:
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


def compute_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Returns the area under the ROC curve, ties counted half."""
    codes = np.unique(scores, return_inverse=True)[1]
    return float(_areas(codes, positive.astype(np.float64)[None], (~positive).astype(np.float64)[None])[0])


def bootstrap_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_], seed: int = 0) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of the AUC; both sides are resampled, each by itself."""
    codes = np.unique(scores, return_inverse=True)[1]
    random = np.random.default_rng(seed)
    areas = []
    for _ in range(_RESAMPLES // 50):  # some at a time bound the memory
        ours, theirs = (_draw_resamples(random, np.flatnonzero(side), len(scores)) for side in (positive, ~positive))
        areas.append(_areas(codes, ours, theirs))
    low, high = np.percentile(np.concatenate(areas), [2.5, 97.5])
    return float(low), float(high)


def judge_auc(value: float, low: float) -> tuple[str, bool]:
    """Returns the interpretation of an AUC in words, and whether it is worth a finding.

    Args:
        value: of the AUC.
        low: lower end of its interval.
    """
    if low <= 0.5:
        return "no significant difference.", False
    if value < 0.6:
        return "a very small difference.", False
    if value < 0.75:
        return "they differ; scores on the folds may not transfer to the leaderboard.", True
    return "they differ strongly; folds of training images do not represent the test images.", True


def _draw_resamples(random: np.random.Generator, rows: Rows, count: int) -> NDArray[np.float64]:
    """Draws how often each row is in each of 50 resamples of some rows: (50, count)."""
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


def _render_most_confident(
    data: PreparedData, train: Rows, test: Rows, probs: NDArray[np.float64], is_test: NDArray[np.bool_]
) -> list[Html]:
    ours, theirs = probs[~is_test], probs[is_test]
    as_test, as_train = np.argsort(-theirs, kind="stable")[:_PICTURES], np.argsort(ours, kind="stable")[:_PICTURES]
    return [
        render_heading("Test images with the highest probability of being test images"),
        render_pictures(data.pictures("test", test[as_test], [f"{theirs[place]:.0%} test" for place in as_test])),
        render_heading("Training images with the lowest probability of being test images"),
        render_pictures(
            data.pictures("train", train[as_train], [f"{1 - ours[place]:.0%} train" for place in as_train])
        ),
    ]


def _draw_histogram(probs: NDArray[np.float64], is_test: NDArray[np.bool_]) -> Html:
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
        figure.legend(loc="outside upper left", ncols=2)
    about = (
        f"Median {np.median(probs[~is_test]):.2f} of training images, {np.median(probs[is_test]):.2f} of test images."
    )
    return render_chart(figure, "Predicted probability of being a test image", about)
