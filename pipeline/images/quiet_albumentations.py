"""Albumentations, imported here alone and without its question to the network whether there is a newer version."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read at import time

import albumentations as A  # noqa: N812 # its own convention
from albumentations.augmentations.pixel import functional as pixels

__all__ = ["A", "pixels"]
