"""fetch: brings and unpacks the active competition's source, and lists what came.

Reads: configs/competitions/<name>.yaml and the source that it names.
Writes: data/source.json (path, size and CRC-32 of every file, and the digest of the description); the files themselves
    stay in the git-ignored data/raw.
"""

from pathlib import Path

from pipeline.core.competition import load_competition
from pipeline.core.files import write_json
from pipeline.core.paths import source_listing_path
from pipeline.data.sources.listing import describe_source, fetch_more_rows
from pipeline.data.sources.source import fetch_competition


def run(root: Path) -> None:
    """Brings the source; what is already there and whole is left alone."""
    competition = load_competition(root)
    fetch_competition(root, competition)
    for rule in competition.more_rows:
        fetch_more_rows(root, competition, rule)
    write_json(source_listing_path(root), describe_source(root, competition))
