#!/usr/bin/env bash
# Optuna's Hyperband prunes by the name of the study.
#
# Guess, written down before the run: which trials are pruned follows from the values that trials report; two studies
#   with one seeded sampler, one deterministic objective and one worker end alike, whatever they are called.
# Seen: another name prunes other trials and spends other numbers of steps on the same 40 suggestions. A study in memory
#   that is given no name gets a random one, so that a seeded search does not repeat itself in the next process.
# Why: a trial's bracket is the CRC-32 of study name and trial number, modulo the brackets' budget.
# Versions: optuna 4.5.0. Source: optuna/pruners/_hyperband.py, HyperbandPruner._get_bracket_id.
# Output: {'a': 518, 'a again': 518, 'b': 478} steps reported; best value the same in all
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==4.5.0
"$folder/venv/bin/python" - <<'PYTHON'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(1, 28):
        trial.report(x + 1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x


def search(name):
    sampler, pruner = optuna.samplers.RandomSampler(seed=0), optuna.pruners.HyperbandPruner(1, 27, 3)
    study = optuna.create_study(study_name=name, sampler=sampler, pruner=pruner)
    study.optimize(objective, 40)
    return study


studies = {"a": search("a"), "a again": search("a"), "b": search("b")}
steps = {name: sum(len(trial.intermediate_values) for trial in study.trials) for name, study in studies.items()}
print(steps, "steps reported; best value", {round(study.best_value, 6) for study in studies.values()})
assert len({tuple(trial.params["x"] for trial in study.trials) for study in studies.values()}) == 1
pruned = {name: [trial.number for trial in study.trials if trial.state.name == "PRUNED"] for name, study in studies.items()}
assert pruned["a"] == pruned["a again"] != pruned["b"]
assert steps == {"a": 518, "a again": 518, "b": 478}
PYTHON
