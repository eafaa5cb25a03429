import time
from pathlib import Path

import pytest

from pipeline.core.csvs import (
    cut_whole_rows,
    read_columns,
    read_source_table,
    read_table,
    require_columns,
)
from pipeline.core.errors import InputError


def _write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_every_cell_stays_text(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path, "id,label\n007,NA\n1e5,None\n3,\n"))
    assert table.to_dict("list") == {"id": ["007", "1e5", "3"], "label": ["NA", "None", ""]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    table = read_table(_write(tmp_path, f"id{separator}label\n1{separator}cat\n2{separator}dog\n"))
    assert table["label"].tolist() == ["cat", "dog"]


def test_commas_inside_quotes_do_not_count_as_separators(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path, 'id;label\n1;"cat, big"\n2;"dog, small"\n'))
    assert table["label"].tolist() == ["cat, big", "dog, small"]


def test_decimal_commas_do_not_hide_a_semicolon(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path, "id;cat;dog\n1;0,5;0,5\n2;0,1;0,9\n"))
    assert table.columns.tolist() == ["id", "cat", "dog"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    table = read_table(_write(tmp_path, "id,label\n1,Bär\n", encoding))
    assert table.columns.tolist() == ["id", "label"]
    assert table["label"].tolist() == ["Bär"]


def test_a_late_letter_outside_utf8_is_refused_with_its_line_and_readings(tmp_path: Path) -> None:
    path = _write(tmp_path, "id,label\n" + "1,cat\n" * 200_000 + "2,кошка\n", "cp1251")
    with pytest.raises(
        InputError, match=r"not UTF-8; its line 200002 may read .*'2,кошка' \(cp1251\).*--encoding NAME"
    ):
        read_table(path)


@pytest.mark.parametrize(("text", "encoding"), [("猫", "gb18030"), ("кошка", "cp1251"), ("Bär", "cp1252")])
def test_text_in_the_encoding_given_is_read_to_the_letter(tmp_path: Path, text: str, encoding: str) -> None:
    table = read_source_table(_write(tmp_path, f"id,label\n1,{text}\n", encoding), encoding)
    assert table["label"].tolist() == [text]
    assert read_columns(tmp_path / "table.csv", ["label"], encoding)["label"].tolist() == [text]


def test_utf16_without_a_mark_is_refused_and_read_when_given(tmp_path: Path) -> None:
    path = _write(tmp_path, "id,label\n1,cat\n", "utf-16-le")
    with pytest.raises(InputError, match=r"'id,label' \(utf-16-le\)"):
        read_table(path)
    assert read_source_table(path, "utf-16-le")["label"].tolist() == ["cat"]


@pytest.mark.parametrize("given", ["latin9000", "ascii", "zip"])
def test_an_encoding_that_does_not_fit_or_does_not_exist_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(InputError, match=r"is no encoding of text|is neither UTF-8 nor ascii"):
        read_source_table(_write(tmp_path, "id,label\n1,кошка\n", "cp1251"), given)


def test_the_encoding_given_changes_nothing_about_utf8(tmp_path: Path) -> None:
    assert (
        read_source_table(_write(tmp_path, "id,label\n1,Märchenbär\n2,Äöüßäöü\n"), "cp1251")["label"][0] == "Märchenbär"
    )


@pytest.mark.parametrize("times", [1, 500])
def test_blanks_and_letters_of_no_width_around_cells_are_no_part_of_them(tmp_path: Path, times: int) -> None:
    path = _write(tmp_path, "id, label \n" + "a0  ,\u200b cat\u00a0\nb,big dog\n" * times)
    table = read_source_table(path)
    assert table.to_dict("list") == {"id": ["a0", "b"] * times, "label": ["cat", "big dog"] * times}
    assert set(table.dtypes) == {read_table(path).dtypes.iloc[0]}
    assert read_columns(path, ["label"])["label"].tolist() == ["cat", "big dog"] * times
    assert read_table(path)[" label "].tolist() == ["\u200b cat\u00a0", "big dog"] * times


def test_a_table_of_very_many_columns_is_read_in_seconds_and_without_blanks_too(tmp_path: Path) -> None:
    header, cells = [f"pixel{number}" for number in range(20_000)], [" 1 "] * 20_000
    path = _write(tmp_path, f"{','.join(header)}\n{','.join(cells)}\n")
    began = time.process_time()
    table = read_source_table(path)
    assert time.process_time() - began < 6
    assert table.shape == (1, 20_000)
    assert set(table.iloc[0]) == {"1"}


def test_the_line_in_which_excel_states_the_separator_is_skipped(tmp_path: Path) -> None:
    path = _write(tmp_path, "sep=;\nid;label\n1;a,b\n")
    assert read_source_table(path).to_dict("list") == {"id": ["1"], "label": ["a,b"]}
    assert read_columns(path, ["id"])["id"].tolist() == ["1"]


def test_a_cell_longer_than_the_limit_of_csv_is_read(tmp_path: Path) -> None:
    assert read_table(_write(tmp_path, f"id,mask\n1,{'3 ' * 100_000}\n"))["mask"].str.len().tolist() == [200_000]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_beginning_of_a_table_is_cut_behind_a_whole_row(encoding: str) -> None:
    whole = 'id,text\n1,"two\nlines"\n'
    assert cut_whole_rows((whole + '2,"a\nb').encode(encoding)) == whole.encode(encoding)
    assert cut_whole_rows('"a\nb'.encode(encoding)) == b""


def test_a_very_wide_table_is_read_in_seconds(tmp_path: Path) -> None:
    width = 200_000
    text = "\n".join([",".join(f"c{number}" for number in range(width)), ",".join([" 1"] * width)])
    started = time.process_time()
    table = read_source_table(_write(tmp_path, text))
    assert time.process_time() - started < 5
    assert table.shape == (1, width)
    assert set(table.iloc[0]) == {"1"}
    assert read_table(tmp_path / "table.csv").iloc[0, -1] == " 1"


def test_binary_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"PK\x03\x04\x00\x00\x00\x81\x8d")
    with pytest.raises(InputError, match="neither UTF-8 nor text of another usual encoding"):
        read_table(path)


def test_windows_line_ends_and_blank_lines_are_read(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path, "id,label\r\n1,cat\r\n\r\n2,dog\r\n"))
    assert table["id"].tolist() == ["1", "2"]


def test_one_column_is_a_table(tmp_path: Path) -> None:
    assert read_table(_write(tmp_path, "id\n1\n2\n"))["id"].tolist() == ["1", "2"]


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path, "id,label\n"))
    assert (len(table), table.columns.tolist()) == (0, ["id", "label"])


def test_a_missing_file_names_the_near_ones(tmp_path: Path) -> None:
    _write(tmp_path, "id\n")
    with pytest.raises(InputError, match=r"tabel\.csv does not exist; did you mean table\.csv"):
        read_table(tmp_path / "tabel.csv")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        read_table(_write(tmp_path, ""))


def test_repeated_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="columns label are there more than once"):
        read_table(_write(tmp_path, "id,label,label\n1,a,b\n"))


def test_an_index_without_a_name_gets_the_name_that_pandas_gives_it(tmp_path: Path) -> None:
    path = _write(tmp_path, ",id,label\n0,1,a\n")
    assert read_table(path).columns.tolist() == ["Unnamed: 0", "id", "label"]
    assert read_columns(path, ["Unnamed: 0"])["Unnamed: 0"].tolist() == ["0"]


@pytest.mark.parametrize("row", ["2", "2,dog,brown"])
def test_a_row_that_does_not_fit_the_header_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(InputError, match=r"table\.csv, line 3 has \d cells, its header 2"):
        read_table(_write(tmp_path, f"id,label\n1,cat\n{row}\n"))


def test_an_open_quote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unexpected end of data"):
        read_table(_write(tmp_path, 'id,label\n1,"cat\n2,dog\n'))


def test_some_columns_are_read_alone_and_as_text(tmp_path: Path) -> None:
    path = _write(tmp_path, "label;pixel0;pixel1;id\n07;1;2;b\n08;3;4;a\n")
    table = read_columns(path, ["id", "label"])
    assert sorted(table.columns) == ["id", "label"]
    assert table["label"].tolist() == ["07", "08"]


def test_a_misnamed_column_names_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no column 'Label'; did you mean 'label'"):
        read_columns(_write(tmp_path, "id,label\n1,cat\n"), ["Label"])


def test_a_first_row_that_would_shift_a_wide_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2 has 3 cells, its header 2"):
        read_columns(_write(tmp_path, "id,label\n2,dog,brown\n1,cat\n"), ["id"])


def test_a_quote_that_is_never_closed_is_one_error_for_some_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('x,y\n1,2\n3,"4\n')
    with pytest.raises(InputError, match=r"a\.csv: EOF inside string.*; every row needs .* every quote its end"):
        read_columns(tmp_path / "a.csv", ["x"])


def test_a_column_in_another_case_is_hinted_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'Id'; did you mean 'id'\?"):
        require_columns(["id", "label"], ["Id"], tmp_path / "a.csv")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid,label\n1,caf\xe9\n",
        b"\xff\xfe" + "id,label\n1,a\n".encode("utf-16-le") + b"x",
        b"\xef\xbb\xbfid,label\n" + b"1,a\n" * 5000 + b"2,\xff\n",
    ],
    ids=["a BOM, then no UTF-8", "UTF-16 with an odd byte", "no UTF-8 far below"],
)
def test_text_that_is_not_what_it_begins_as_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    for read in (read_table, read_source_table, lambda path: read_columns(path, ["id"])):
        with pytest.raises(InputError, match=r"a\.csv"):
            read(tmp_path / "a.csv")
