#!/usr/bin/env bash
# Text within lists is read from Parquet as dictionaries in batches that divide its row groups, and in no others.
#
# Guess, written down before the run: `read_dictionary` hands a column over as the file keeps it, each value once, within
#   a list as at the top; where nesting were not supported, the file could not be opened so. The size of a batch is
#   about memory alone.
# Seen: of row groups of 1,000 rows batches of 1,000, 500 and 100 rows come, equal to what was written; 300 and 2,000
#   end in ArrowNotImplementedError, and so does read(). With one row group every size comes. At the top level all do.
# Why: a dictionary belongs to a row group, so a batch across two has two, as chunks of one array; what puts lists and
#   structures around an array takes one chunk.
# Versions: pyarrow 26.0.1. Source: cpp/src/parquet/arrow/reader.cc, ListReader and StructReader, "Nested data
#   conversions not implemented for chunked array outputs".
# Output: list, row groups of 2000: 2000 1000 500 300 100 read | list, row groups of 1000: 1000 500 100 | plain, row
#   groups of 1000: 2000 1000 500 300 100 read
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cat >"$folder/look.py" <<'PY'
import sys

import pyarrow as pa
import pyarrow.parquet as pq

path = sys.argv[1]
table = pa.table({"list": [["a", "b"], ["b"]] * 1000, "plain": ["x", "y"] * 1000})
seen = []
for column, name, rows in (("list", "list.list.element", 2000), ("list", "list.list.element", 1000), ("plain", "plain", 1000)):
    pq.write_table(table, path, row_group_size=rows)
    good = []
    for size in (2000, 1000, 500, 300, 100, 0):
        file = pq.ParquetFile(path, read_dictionary=[name])
        try:
            read = pa.Table.from_batches(list(file.iter_batches(size))) if size else file.read()
        except pa.ArrowNotImplementedError:
            continue
        assert "dictionary" in str(read.schema.field(column).type)
        assert read.column(column).to_pylist() == table.column(column).to_pylist()
        good.append(str(size) if size else "read")
    seen.append(f"{column}, row groups of {rows}: {' '.join(good)}")
print(" | ".join(seen))
PY
seen=$("$folder/venv/bin/python" "$folder/look.py" "$folder/t.parquet")
echo "$seen"
[[ $seen == "list, row groups of 2000: 2000 1000 500 300 100 read | list, row groups of 1000: 1000 500 100 | plain, row groups of 1000: 2000 1000 500 300 100 read" ]]
