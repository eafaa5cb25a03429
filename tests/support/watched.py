"""What a process that was started sees as it imports the module of its target: whether room is looked for."""

import sys
from pathlib import Path

AT_IMPORT = [type(each).__module__ for each in sys.meta_path]


def write_finders(path: Path) -> None:
    """Writes the modules of what finds modules, as it was when this one was imported."""
    path.write_text("\n".join(AT_IMPORT))
