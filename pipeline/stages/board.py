"""Prints and draws every submission's own score beside the leaderboard's. Run by hand: no stage of dvc.yaml.

Reads: submissions/log.csv. Writes: reports/board.png; with --refresh also submissions/log.csv
"""

from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.competition import Competition, load_competition
from pipeline.core.paths import reports_folder
from pipeline.kaggle import board, submission_log
from pipeline.kaggle.board import draw_agreements, make_console


def run(root: Path, refresh: bool) -> None:
    """Prints the active competition's part of the log.

    Args:
        root: the repository.
        refresh: first read newer scores from Kaggle, private ones included.
    """
    competition, name = load_competition(root), active_name(root)
    if refresh:
        _refresh(root, competition, name)
    entries = submission_log.read_log(root, name)
    if not entries:
        print(f"no submissions of {name} yet; `python -m pipeline submit` makes the first")
        return
    from pipeline.reports.score_table import read_prepared_metric  # with pandas, which the rest does without

    metric = read_prepared_metric(root, competition)
    direction = "higher is better" if metric.greater_is_better else "lower is better"
    title = f"{competition.title}: {metric.name} ({direction})"
    agreements = board.print_board(entries, title, metric.greater_is_better, make_console())
    if agreements:
        draw_agreements(agreements, metric.name, reports_folder(root) / "board.png")
        print("plot: reports/board.png")


def _refresh(root: Path, competition: Competition, name: str) -> None:
    from pipeline.kaggle import submitting  # with pandas, which the board itself does without
    from pipeline.kaggle.sending import NEWEST, is_open, lock_sending, settle_log
    from pipeline.kaggle.submission_upload import list_submissions, make_submissions_url

    slug = submitting.require_slug(root, competition)
    before = submission_log.read_log(root)  # a damaged log is refused before any request
    if not any(entry.competition == name and (entry.ref or is_open(entry)) for entry in before):
        return
    with lock_sending(root):  # a line that is being sent is its sender's
        before = submission_log.read_log(root)
        listing = list_submissions(slug, NEWEST)
        settle_log(root, listing, name)
        submission_log.update_entries(
            root, lambda entry: submitting.add_score(entry, listing) if entry.competition == name else entry
        )
    after = submission_log.read_log(root)
    changed = sum(old != new for old, new in zip(before, after, strict=False))
    print(f"{changed} lines of submissions/log.csv updated from Kaggle")
    refs = {submitted.ref for submitted in listing}
    ours = [entry for entry in after if entry.competition == name]
    for entry in ours:
        if is_open(entry):
            print(f"{entry.name} ({entry.time}) is not on Kaggle's list: see {make_submissions_url(slug)}")
    if any(entry.status == "pending" and entry.ref and entry.ref not in refs for entry in ours):
        print(
            f"some pending ones are older than the newest {NEWEST} that Kaggle lists: see {make_submissions_url(slug)}"
        )
