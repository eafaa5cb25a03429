"""Archives: unpacking beside the library alone, and `init --from` on an archive of a million entries.

    PYTHONPATH=tests python -m benchmarks.archives unpack --pictures 10000
    PYTHONPATH=tests python -m benchmarks.archives entries --entries 1000000

`unpack`: CPU seconds and the peak of memory of `fetch`'s unpacking of a 7z and a tgz of small pictures, and of
`py7zr.extractall` and `tarfile.extractall`, each in a process of its own, in turn. `entries`: a zip of so many pictures
of some bytes, with a table and a sample submission, described by `init --from` in a process of its own; with `--dicom`
DICOM files of 20 patients, whose headers tell the groups.
"""

import argparse
import csv
import io
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from support.dicom import make_dicom
from support.tiny import write_yaml

REPOSITORY = Path(__file__).resolve().parents[1]
_WAYS = {
    "fetch": "from pipeline.core.archives.unpacking import unpack_archive as unpack; unpack(source, folder)",
    "library's 7z": "import py7zr; py7zr.SevenZipFile(source).extractall(folder)",
    "library's tgz": "import tarfile; tarfile.open(source).extractall(folder, filter='data')",
}


def _run(code: str, arguments: list[str], folder: Path) -> tuple[float, float, float, str]:
    """Runs Python code; returns CPU seconds, seconds, the peak of memory in MB, and what it printed."""
    # ru_maxrss would be that of this process where it is larger: Linux hands it on to a child, over exec, too.
    report = "; import sys; print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, seconds, float(done.stderr.split()[-1]) / 1024, done.stdout


def _draw_picture(seed: int, side: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def measure_unpacking(pictures: int, rounds: int) -> None:
    """Prints CPU seconds and memory of both ways, kind by kind."""
    import py7zr

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seven, tgz = folder / "all.7z", folder / "all.tgz"
        with py7zr.SevenZipFile(seven, "w") as packed, tarfile.open(tgz, "w:gz") as tar:
            for number in range(pictures):
                content, path = _draw_picture(number, 24), f"train/{number:06d}.png"
                packed.writestr(content, path)
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        for source, way in ((seven, "library's 7z"), (tgz, "library's tgz")):
            cpu: dict[str, list[float]] = {"fetch": [], way: []}
            peaks = dict.fromkeys(cpu, 0.0)
            for turn in range(rounds):
                for each in cpu:
                    code = "import sys; from pathlib import Path; source, folder = map(Path, sys.argv[1:]); "
                    target = folder / f"{source.suffix}{turn}{each[0]}"
                    used, _, peak, _ = _run(code + _WAYS[each], [str(source), str(target)], folder)
                    assert sum(path.is_file() for path in target.rglob("*")) >= pictures
                    cpu[each].append(used)
                    peaks[each] = max(peak, peaks[each])
            ratios = sorted(one / other for one, other in zip(*cpu.values(), strict=True))
            for each in cpu:
                print(f"{source.suffix}, {each}: {statistics.median(cpu[each]):.1f} CPU s, {peaks[each]:.0f} MB")
            print(f"{source.suffix}: ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})")


def measure_entries(entries: int, dicom: bool) -> None:
    """Prints seconds and memory of `init --from` on a zip of so many pictures."""
    tests, suffix = entries // 50, "dcm" if dicom else "png"
    values = np.arange(64, dtype=np.uint16).reshape(8, 8)
    contents = [make_dicom(values, PatientID=f"P{n:02d}") for n in range(20)] if dicom else [_draw_picture(0, 4)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels, sample = io.StringIO(), io.StringIO()
        csv.writer(labels).writerows([["id", "label"], *([f"t{n:07d}", n % 7] for n in range(entries - tests))])
        csv.writer(sample).writerows([["id", "label"], *([f"u{n:07d}", 0] for n in range(tests))])
        with zipfile.ZipFile(folder / "many.zip", "w") as archive:
            archive.writestr("train.csv", labels.getvalue())
            archive.writestr("sample_submission.csv", sample.getvalue())
            for number in range(entries):
                rest = number - entries + tests
                member = f"train/t{number:07d}.{suffix}" if rest < 0 else f"test/u{rest:07d}.{suffix}"
                archive.writestr(member, contents[number % len(contents)])
        write_yaml(folder / "params.yaml", {"competition": "none", "models": []})
        for kind in ("models", "competitions"):
            (folder / "configs" / kind).mkdir(parents=True)
        for path in (REPOSITORY / "configs" / "models").glob("*.yaml"):
            (folder / "configs" / "models" / path.name).write_bytes(path.read_bytes())
        code = "from pathlib import Path; from pipeline.data.describe.init import describe_local as describe; "
        code += "print(describe(Path('.'), Path('many.zip'), None, None, 'accuracy'))"
        cpu, seconds, peak, text = _run(code, [], folder)
        size = (folder / "many.zip").stat().st_size / 1e6
        print(f"{entries:,} entries, a zip of {size:.0f} MB: {cpu:.0f} CPU s, {seconds:.0f} s, peak {peak:.0f} MB")
        print(text.splitlines()[0])


def main() -> None:
    """Runs one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["unpack", "entries"])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--dicom", action="store_true")
    options = parser.parse_args()
    if options.part == "unpack":
        measure_unpacking(options.pictures, options.rounds)
    else:
        measure_entries(options.entries, options.dicom)


if __name__ == "__main__":
    main()
