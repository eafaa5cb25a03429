"""Flipped bits and cuts in every kind of file that is kept: noticed in one line, or without effect.

Each kind writes a file as the pipeline writes it, and reads what the pipeline reads of it. The same value after the
damage is without effect; an `InputError` of one line, or a file that is made again, is noticed.
"""

import contextlib
import dataclasses
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from support.fabricated import CLASSES, LABELS, random_probs, write_repository
from support.submissions import make_submissions

from pipeline.core import cards, digests, paths, predictions, tables
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.targets.prepared import read_target
from pipeline.images.store import open_store
from pipeline.kaggle import submission_log
from pipeline.kaggle.answers.sheets import read_sheet
from pipeline.kaggle.renting import PushedKernel, SentFold, pushed_path, read_pushed, write_pushed
from pipeline.kaggle.submission_log import LogEntry
from pipeline.kaggle.submitting import read_checked_submission
from pipeline.planning.plan import Plan, plan_folder, read_plan, write_plan
from pipeline.training import finished, state
from pipeline.training.task import FoldTask
from pipeline.tuning.journal import Journal


@dataclass(frozen=True)
class Kept:
    """A kept file: its path, and how it is read."""

    path: Path
    read: Callable[[], object]


def _predictions(folder: Path) -> Kept:
    path = folder / "oof.parquet"
    values = random_probs(40, 3, 1)
    made = predictions.Predictions(tuple(f"i{row}" for row in range(40)), values, CLASSES, "f" * 64, ("valid",))
    predictions.write_predictions(path, made)

    def read() -> object:
        known = predictions.read_predictions(path, CLASSES)
        return known.ids, known.probs.tobytes(), known.folds, known.peeked

    return Kept(path, read)


def _state(folder: Path) -> Kept:
    path = folder / "state.npz"
    arrays = [np.arange(60, dtype=np.float32).reshape(6, 10), np.ones(3, dtype=np.float32)]
    state.write_state(path, state.State(state.TrainingProgress(epoch=3, seconds=1.5), arrays, arrays, []))

    def read() -> object:
        known = state.read_state(path, "model fold 0")
        if known is None:
            return "made again"
        listed = [array.tobytes() for array in (*known.model, *known.optimizer, *known.best)]
        return dataclasses.asdict(known.progress), listed

    return Kept(path, read)


def _fold(name: str) -> Callable[[Path], Kept]:
    def write(folder: Path) -> Kept:
        task = cast(FoldTask, SimpleNamespace(folder=folder, name="model", fold=0))
        for other in ("checkpoint.weights.h5", "valid.parquet", "history.csv", "valid_views.npy"):
            (folder / other).write_bytes(random.Random(other).randbytes(600))
        finished.write_done(task, {"train_seconds": 1.25, "parameters": 100})

        def read() -> object:
            return finished.read_done(task) if finished.is_finished(task) else "made again"

        return Kept(folder / name, read)

    return write


def _checkpoint(folder: Path) -> Kept:
    path = folder / "fold0.weights.h5"
    path.write_bytes(random.Random(1).randbytes(2000))
    wanted = digests.hash_file(path)

    def read() -> object:
        digests.require_digest(path, wanted, "run it again")
        return path.read_bytes()

    return Kept(path, read)


def _prepared(name: str, read_file: Callable[[Path], object]) -> Callable[[Path], Kept]:
    def write(folder: Path) -> Kept:
        root = write_repository(folder)
        prepared = paths.prepared_folder(root)
        np.save(prepared / "train_images.npy", np.arange(60 * 48, dtype=np.uint8).reshape(60, 4, 4, 3))
        digests.write_digests(prepared)
        return Kept(prepared / name, lambda: read_file(prepared))

    return write


def _read_sample(folder: Path) -> str:
    return read_sheet(folder, load_competition(folder.parents[1])).sample.to_csv()


def _folds(folder: Path) -> Kept:
    root = write_repository(folder)
    path = paths.folds_path(root)
    digests.note_digest(path, [paths.index_path(root, "train")])

    def read() -> object:
        table = tables.read_folds(path).to_csv()
        digests.require_made_from(path, [paths.index_path(root, "train")], "run `dvc repro split`")
        return table

    return Kept(path, read)


def _card(folder: Path) -> Kept:
    path = folder / "one.json"
    known = cards.SubmissionCard(
        name="one",
        competition="tiny",
        members=("one",),
        metric="accuracy",
        cv=0.8125,
        rows=20,
        sha256="0" * 64,
        git_commit=None,
    )
    cards.write_card(path, known)
    return Kept(path, lambda: cards.read_card(path, cards.SubmissionCard))


def _log(folder: Path) -> Kept:
    submission_log.log_path(folder).unlink(missing_ok=True)
    for number in range(4):
        entry = LogEntry(
            time=f"2026-11-2{number}T12:00:00Z", name="one", message="a", oof=0.5, competition="tiny", status="pending",
            ref=str(number), sha256=f"{number}" * 64,
        )  # fmt: skip
        submission_log.append_entry(folder, entry)
    return Kept(submission_log.log_path(folder), lambda: submission_log.read_log(folder))


def _answer(folder: Path) -> Kept:
    path = folder / "answer.json"
    digests.write_signed_json(path, {"found": 16, "of": 64})

    def read() -> object:
        known = digests.read_noted_json(path, "run it again")
        return known.get("found"), known.get("of")

    return Kept(path, read)


def _plan(folder: Path) -> Kept:
    known = Plan(competition="tiny", budget=60.0, spent=1.5, models=("one",), score=0.5)
    write_plan(folder, known)
    return Kept(plan_folder(folder, "tiny") / "plan.json", lambda: read_plan(folder, "tiny"))


def _signed(folder: Path) -> Kept:
    path = folder / "features.npy"
    np.save(path, np.arange(300, dtype=np.float32))
    digests.sign_file(path)
    return Kept(path, lambda: path.read_bytes() if digests.is_signed(path) else "made again")


def _history(folder: Path) -> Kept:
    path = folder / "history.csv"
    path.write_text("fold,epoch,loss\n0,1,0.693147\n0,2,0.541325\n")
    wanted = digests.hash_file(path)

    def read() -> object:
        digests.require_digest(path, wanted, "run it again")  # as the card of a model has it
        return path.read_text()

    return Kept(path, read)


def _journal(folder: Path) -> Kept:
    path = folder / "one.journal"
    path.unlink(missing_ok=True)
    backend = Journal(path)
    backend.append_logs([{"op_code": 0, "worker_id": "w", "study_name": "one", "directions": [2]}])
    for trial, value in enumerate((0.8125, 0.5)):
        backend.append_logs([{"op_code": 6, "worker_id": "w", "trial_id": trial, "state": 1, "values": [value]}])
    return Kept(path, lambda: [{**line, "digest": ""} for line in Journal(path).read_logs(0)])


def _journal_size(folder: Path) -> Kept:
    kept = _journal(folder)
    return Kept(kept.path.with_name("one.journal.size"), kept.read)


def _pushed(folder: Path) -> Kept:
    fold = SentFold(model="one", fold=1, fingerprint="0123456789abcdef")
    write_pushed(folder, [PushedKernel(ref="someone/tiny-train-0", version=3, tasks=(fold,))])
    return Kept(pushed_path(folder), lambda: read_pushed(folder))


def _submission(folder: Path) -> Kept:
    root = make_submissions(folder / "root", LABELS) if not (folder / "root").is_dir() else folder / "root"
    path = paths.submission_path(root, "one")
    path.write_bytes((folder / "one.csv").read_bytes() if (folder / "one.csv").is_file() else path.read_bytes())
    (folder / "one.csv").write_bytes(path.read_bytes())
    competition = load_competition(root)
    return Kept(path, lambda: read_checked_submission(root, "one", competition).frame.to_csv())


KINDS: dict[str, Callable[[Path], Kept]] = {
    "predictions": _predictions,
    "state": _state,
    "kept checkpoint": _fold("checkpoint.weights.h5"),
    "kept history": _fold("history.csv"),
    "done.json": _fold("done.json"),
    "checkpoint": _checkpoint,
    "index": _prepared("train.csv", lambda folder: tables.read_index(folder / "train.csv").to_csv()),
    "classes": _prepared("classes.json", lambda folder: read_target(folder).columns),
    "class names": _prepared("class_names.json", lambda folder: tables.read_classes(folder / "class_names.json")),
    "sample submission": _prepared("sample_submission.csv", _read_sample),
    "store": _prepared("train_images.npy", lambda folder: open_store(folder / "train_images.npy", 60).tobytes()),
    "digests.json": _prepared("digests.json", lambda folder: tables.read_index(folder / "train.csv").to_csv()),
    "fold table": _folds,
    "card": _card,
    "submission log": _log,
    "features": _signed,
    "answer": _answer,
    "plan": _plan,
    "history": _history,
    "journal": _journal,
    "size of a journal": _journal_size,
    "pushed notebooks": _pushed,
    "submission": _submission,
}


def try_damage(kind: str, folder: Path, seed: int) -> str | None:
    """Damages a file of a kind once; returns the problem, or None where it was noticed or without effect.

    Args:
        kind: one of `KINDS`.
        folder: an empty one, or one that an earlier call has filled.
        seed: of the damage.
    """
    rng = random.Random(f"{kind} {seed}")
    kept = KINDS[kind](folder)
    wanted, content = kept.read(), kept.path.read_bytes()
    kept.path.write_bytes(_damage(content, rng))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found: Any = kept.read()
    except InputError as error:
        return f"{kind} {seed}: more than one line" if "\n" in str(error).strip() else None
    except Exception as error:  # any other error is what is looked for: a damage that no reader names
        return f"{kind} {seed}: {type(error).__name__}: {error}"
    return None if found in (wanted, "made again") else f"{kind} {seed}: believed"


def _damage(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.25:
        return content[: rng.randrange(len(content))]
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)
