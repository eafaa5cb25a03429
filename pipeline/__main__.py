"""``python -m pipeline <verb>``."""

import sys

from pipeline.cli import run_process

sys.exit(run_process())
