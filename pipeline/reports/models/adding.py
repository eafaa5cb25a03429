"""What each member adds to the ensemble: the nested score of its combiner with all members, and without one."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.paired import Gain, gain
from pipeline.ensemble.combiners.contract import Sample
from pipeline.ensemble.nested import COOLED, judge, parts_of
from pipeline.reports.models.material import Material


@dataclass(frozen=True)
class Added:
    """What the ensemble loses without a member: positive where it gets worse. ``gain`` is paired, on the same rows."""

    member: str
    gain: Gain


def added(material: Material) -> tuple[Added, ...]:
    """Leaves each member out in turn; nothing where there is one member, or no ensemble.

    The combiner is the one that the ensemble uses, fitted on the other folds each time; the choice among combiners,
    the last temperature and thresholds are left out on both sides, as they would cost a whole ensemble per member.
    """
    card, members = material.ensemble_card, material.members
    if card is None or len(members.names) < 2:
        return ()
    parts = parts_of(material.folds, material.groups, material.labels)
    sample = Sample(members.stacked, material.labels, parts, material.metric)
    name, cools = card.combiner.removesuffix(COOLED), card.combiner.endswith(COOLED)
    whole = _nested(sample, name, cools)
    found = []
    for number, member in enumerate(members.names):
        less = _nested(replace(sample, stacked=np.delete(members.stacked, number, axis=0)), name, cools)
        better = gain(material.labels, material.groups, whole, less, material.metric)
        found.append(Added(member, better))
    return tuple(found)


def _nested(sample: Sample, combiner: str, cools: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    candidates, _ = judge(sample, (combiner,), (cools,))
    return candidates[0].nested
