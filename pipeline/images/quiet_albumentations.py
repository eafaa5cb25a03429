"""Albumentations, imported here alone and without its question to the network whether there is a newer version."""

import os
import traceback

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read at import time

import albumentations as A  # noqa: N812 # its own convention
from albumentations.augmentations.geometric.functional import extend_value
from albumentations.augmentations.pixel import functional as pixels

__all__ = ["A", "extend_value", "pixels"]


def name_failing(error: Exception) -> str:
    """Names the transform that an error was raised in, with a colon; empty for an error outside any."""
    owners = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [type(owner).__name__ for owner in owners if isinstance(owner, A.BasicTransform)]
    return f"{names[-1]}: " if names else ""
