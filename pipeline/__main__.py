"""``python -m pipeline <verb>``."""

import signal
import sys

from pipeline.cli import main

code = main()
# While Python ends, an interrupt is an exception that nobody sees: exit code 0, and DVC would begin the next stage.
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.exit(code)
