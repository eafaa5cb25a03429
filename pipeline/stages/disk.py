"""Shows what lies where and how much of it can go; with `free` removes that. Run by hand.

Reads: sizes of files. Removes, with `free`: finished trainings and caches below .work.
"""

from pathlib import Path

from pipeline.workspace.disk_use import free_space, measure_places


def run(root: Path, free: bool) -> None:
    """Prints the places, the largest first, and what was freed or can be."""
    if free:
        print(f"freed {_show(free_space(root))}; the next run makes again what it needs of that")
    places = measure_places(root)
    width = max((len(str(place.path)) for place in places), default=0)
    for place in places:
        can = f" [{_show(place.freeable)} can go]" if place.freeable else ""
        print(f"{_show(place.bytes):>9}  {place.path!s:<{width}}  {place.holds}{can}")
    print(f"{_show(sum(place.bytes for place in places)):>9}  in all")
    freeable = sum(place.freeable for place in places)
    if freeable:
        print(f"`python -m pipeline disk --free` frees {_show(freeable)}")
    print("`dvc gc --workspace` empties .dvc/cache except for the present results: other competitions' are lost by it")


def _show(size: int) -> str:
    for unit, bytes_in in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_in:
            return f"{size / bytes_in:,.1f} {unit}"
    return f"{size} bytes"
