"""Ensembling: reliability of the printed score, and cost of the selection.

    python -m benchmarks.ensembling simulate --repeats 20
    python -m benchmarks.ensembling scale --autogluon /path/to/python
    python -m benchmarks.ensembling kinds --rows 10000
    python -m benchmarks.ensembling pairs --before ../older --rows 5000
    python -m benchmarks.ensembling steps
    python -m benchmarks.ensembling mean xception mobilenet_v2
    python -m benchmarks.ensembling shift --kept benchmarks/oof/animals15

`simulate` draws members and rows, fits the ensemble as the pipeline does by default, and compares the score that it
prints with that of 20,000 fresh rows. `scale` times greedy selection against AutoGluon's, which has an environment of
its own (`python3.11 -m venv autogluon && autogluon/bin/pip install autogluon.core`); without it only ours is timed.
`kinds` times the whole ensemble of several labels against that of one class, `pairs` all of it in another checkout and
in this one. `steps` measures the gain of views, weights, calibration and pseudo-labels on trained models, `mean` that
of their plain mean.
`shift` draws test sets of other class shares and compares the re-weighted score with the hidden one.
"""

import argparse

from benchmarks import (
    ensembling_kinds,
    ensembling_mean,
    ensembling_pairs,
    ensembling_scale,
    ensembling_shift,
    ensembling_simulate,
    ensembling_steps,
)

_VERBS = (
    ("simulate", ensembling_simulate),
    ("scale", ensembling_scale),
    ("kinds", ensembling_kinds),
    ("pairs", ensembling_pairs),
    ("steps", ensembling_steps),
    ("mean", ensembling_mean),
    ("shift", ensembling_shift),
)


def main() -> None:
    """Runs the subcommand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    verbs = parser.add_subparsers(required=True)
    for name, module in _VERBS:
        verb = verbs.add_parser(name, help=module.__doc__)
        module.add_options(verb)
        verb.set_defaults(run=module.run)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
