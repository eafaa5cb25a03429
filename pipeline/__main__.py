"""``python -m pipeline <verb>``."""

import signal
import sys

from pipeline.cli import main
from pipeline.core.memory import spare_old_objects

spare_old_objects()  # what holds memory in circles is a network, and its library takes this back
code = main()
# While Python ends, an interrupt is an exception that nobody sees: exit code 0, and DVC would begin the next stage.
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.exit(code)
