"""``python -m pipeline <verb>``."""

import sys

from pipeline.cli import main

sys.exit(main())
