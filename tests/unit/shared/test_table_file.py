"""Tables are read as the spreadsheets of several countries write them."""

import csv
import gzip
import os
import zipfile
from io import BytesIO, StringIO
from pathlib import Path

import pytest

from shared.table_file import (
    DAMAGED,
    Head,
    NoTable,
    UnknownEncoding,
    beginning_of,
    delimiter_of,
    encoding_of,
    open_text,
    read_head,
    rows_of,
)

TABLE = "customer_id,time\r\n王五,2026-01-01\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_text_is_read_in_the_encoding_it_is_written_in(tmp_path: Path, encoding: str, pack: type[bytes]) -> None:
    path = tmp_path / "table"
    path.write_bytes(pack(TABLE.encode(encoding)))

    with open_text(path, encoding_of(path)) as text:
        assert text.read() == TABLE


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(bytes(range(128, 256)) * 20)

    with pytest.raises(UnknownEncoding):
        encoding_of(path)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Jürgen Müller", "cp1252"),
        ("François Lefèbvre, très déçu", "cp1252"),
        ("São Paulo", "cp1252"),
        ("Ich möchte das zurückgeben, die Größe stimmt nicht", "cp1252"),
        ("這個產品的品質非常差，客服態度也不好，我要求退款並且投訴", "big5"),
        ("Привет, где мой заказ", "cp1251"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_only_decodes_as_gb18030_is_refused_with_its_line(
    tmp_path: Path, text: str, encoding: str, pack: type[bytes]
) -> None:
    path = tmp_path / "table"
    path.write_bytes(pack(f"customer_id,time\nc1,2026-01-01\n{text},2026-01-01\n".encode(encoding)))

    with pytest.raises(UnknownEncoding, match=r"line 3 is the first .* Save it as CSV UTF-8"):
        encoding_of(path)


def test_the_line_refused_is_shown_as_windows_1252_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes("customer_id,time\nMüller,2026-01-01\n".encode("cp1252"))

    with pytest.raises(UnknownEncoding, match="Müller"):
        encoding_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "欧阳娜娜 张玥 李喆 王堃 陈珺 刘昇 赵祎 周芃 吴旸 郑翀 孙淼 胡晗 林煊 何昊 郭玮 马骁 罗茜",
        "這個產品的品質非常差，客服態度也不好，我要求退款並且投訴。物流太慢了，等了兩個星期還沒有收到貨",
        "Müller 与 王五，退款",
    ],
)
def test_rare_names_and_traditional_characters_are_gb18030(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table"
    path.write_bytes(f"customer_id,time\n{text},2026-01-01\n".encode("gb18030"))

    assert encoding_of(path) == "gb18030"


def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(gzip.compress(TABLE.encode())[:-9])

    with pytest.raises(DAMAGED):
        encoding_of(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_without_its_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table"
    path.write_bytes(TABLE.encode(encoding))

    assert encoding_of(path) == encoding


@pytest.mark.parametrize(
    ("content", "head"),
    [
        ("a,b\n1,2\n", Head(["a", "b"], ",", 1)),
        ("sep=;\r\na;b,c\r\n", Head(["a", "b,c"], ";", 2)),
        ('\n"a|b"|c\n', Head(["a|b", "c"], "|", 2)),
        ("", Head([], ",", 0)),
    ],
)
def test_the_head_is_the_first_line_that_names_columns(content: str, head: Head) -> None:
    assert read_head(StringIO(content, newline="")) == head


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_most_frequent_of_the_head(delimiter: str) -> None:
    assert delimiter_of(delimiter.join(["customer_id", "time", "amount"])) == delimiter


def rows_below(text: str) -> list[tuple[int, list[str]]]:
    source = StringIO(text, newline="")
    return list(rows_of(source, read_head(source)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_values_with_line_breaks_are_read_whole_with_the_line_they_end_in(end: str) -> None:
    table = end.join(["sep=;", "a;b", '1;"two', "", 'lines"', '2;"a ""word"""', '"3', '";last'])

    assert rows_below(table) == [(5, ["1", f"two{end}{end}lines"]), (6, ["2", 'a "word"']), (8, [f"3{end}", "last"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "\n"], ids=["cut", "ended"])
def test_a_quote_that_never_closes_is_told_by_the_line_it_opens_on(end: str, last: str) -> None:
    table = end.join(["a,b", "1,2", '"x', 'y","z ""a""', "3,4", "5,6"]) + (end if last else "")

    with pytest.raises(csv.Error, match="the quote that opens on line 4 never closes"):
        rows_below(table)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quote_left_open_in_the_last_line_swallows_nothing(end: str) -> None:
    assert rows_below(f'a,b\n1,2\n3,"4{end}') == [(2, ["1", "2"]), (3, ["3", f"4{end}"])]


def zipped(*names: str) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.spreadsheet")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (zipped("orders.csv"), "a ZIP archive, not CSV: unpack it and give the CSV file in it"),
        (zipped(), "a ZIP archive"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook, not CSV: export it as CSV"),
        (zipped("docProps/app.xml", "xl/workbook.xml"), "an Excel workbook"),
        (zipped("mimetype"), "an OpenDocument file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an Excel workbook"),
        (b"PAR1\x15\x04", "a Parquet file, not CSV: export it as CSV"),
        (b'{"customer_id": "a"}\n', "JSON, not CSV: export it as CSV"),
        (b'\xef\xbb\xbf[\n  {"customer_id": "a"}\n]', "JSON"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_other_formats_are_told_by_their_first_bytes(
    tmp_path: Path, content: bytes, told: str, pack: type[bytes]
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(pack(content))

    with pytest.raises(NoTable) as refused:
        encoding_of(path)

    assert str(refused.value).startswith(f"table.csv is {told}")


@pytest.mark.parametrize("head", ["[customer_id],[time]", "PK,customer_id", "PAR,1", "{customer},time"])
def test_a_head_that_only_looks_like_another_format_is_a_table(tmp_path: Path, head: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(head + "\n")

    assert encoding_of(path) == "utf-8-sig"


def test_what_can_be_read_only_once_is_no_table() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(NoTable, match="can be read only once"):
            beginning_of(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
        os.close(writing)
