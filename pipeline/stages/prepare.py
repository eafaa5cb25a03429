"""prepare: lists the images by id, encodes the labels, decodes everything once into the image store.

Reads: data/source.json, the source's files, configs/competitions/<name>.yaml, configs/metrics.
Writes: data/prepared/ - train.csv and test.csv (image indices in natural order of the ids), train_images.npy and
test_images.npy (row i is row i of the index), classes.json, class_names.json (the names to show, in that order),
target.json (where images have more than one class each),
report.json, sample_submission.csv, digests.json (of them all) and, where test labels are held back, solution.csv.
"""

from pathlib import Path

from pipeline.core.competition import load_competition
from pipeline.core.config import load_params
from pipeline.core.csvs import read_source_table
from pipeline.core.digests import write_digests
from pipeline.core.errors import InputError, near_names
from pipeline.core.files import write_json
from pipeline.core.folders import atomic_folder
from pipeline.core.paths import prepared_folder
from pipeline.core.tables import copy_table
from pipeline.data.prepared.answer_subjects import assign_units, list_answer_ids, make_sheet
from pipeline.data.prepared.more_rows import add_more_rows, list_more_rows
from pipeline.data.prepared.preparing import PrepareParams, encode_truth, list_display_names, write_prepared
from pipeline.data.prepared.records import list_records, shows_beginning
from pipeline.data.sources.listing import check_source_unchanged, fetch_more_rows
from pipeline.data.sources.source import fetch_competition
from pipeline.kaggle.answers.forms import open_form
from pipeline.kaggle.answers.pooling import pool_truth
from pipeline.kaggle.submission import check_sample, fill_sample


def run(root: Path) -> None:
    """Builds the folder under another name first: it is there whole, or as it was before."""
    params = load_params(root, "prepare", PrepareParams)
    competition = load_competition(root)
    base = fetch_competition(root, competition)
    check_source_unchanged(root, competition)
    listed = assign_units(base, competition, list_records(base, competition))
    sample = base / competition.submission.sample
    answer, truth = encode_truth(listed.train, competition)
    if listed.train[0].unit:
        pool_truth(answer, truth, [record.unit for record in listed.train])  # refused here, before anything costly
    classes = answer.columns
    competition.metric.metric_for(answer)  # refused here, before anything costly
    if competition.metric.own_metric is not None:
        competition.metric.own_metric.try_out(answer, truth)
    names = list_display_names(classes, competition.class_names)
    more = [
        list_more_rows(rule, fetch_more_rows(root, competition, rule), competition, answer)
        for rule in competition.more_rows
    ]
    answers = read_source_table(sample, competition.encoding)
    ids = list_answer_ids(base, competition, listed.test) if listed.test else None
    if ids is not None and shows_beginning(answers, competition, ids):
        print(f"{competition.submission.sample} shows {len(answers)} of {len(ids)} test ids: submissions hold them all")
        answers = fill_sample(answers, competition.submission.id, ids)
    sheet = make_sheet(base, competition, answer, listed.test, answers)
    if listed.test:
        check_sample(sheet, [record.id for record in listed.test])
    else:
        open_form(sheet).check_sample()
        print(f"no test image of {len(answers)} is here (test.hidden): a notebook predicts them, see docs/kaggle.md")
    solution = None if competition.solution is None else base / competition.solution
    if solution is not None and not solution.is_file():
        known = [path.name for path in solution.parent.glob("*.csv")] if solution.parent.is_dir() else []
        hint = near_names(solution.name, known) if known else "there is no table with it"
        raise InputError(f"{solution} does not exist; correct solution in the competition's file, or remove it: {hint}")
    with atomic_folder(prepared_folder(root)) as building:
        write_prepared(building, base, competition, listed, params)
        if more:
            add_more_rows(building, more, params)
        write_json(building / "class_names.json", names)
        copy_table(sample, answers, building / "sample_submission.csv")
        if solution is not None:
            copy_table(solution, read_source_table(solution, competition.encoding), building / "solution.csv")
        write_digests(building)
