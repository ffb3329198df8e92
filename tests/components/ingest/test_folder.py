"""A user's folder with annotations.csv."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.common.errors import UserError
from components.ingest.folder import read_folder

NAME = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\\/."), min_size=1, max_size=12)
LABEL = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(lambda text: text == text.strip())
EDGE = st.floats(-1e4, 1e4, allow_nan=False, width=32)
ROW = st.tuples(NAME, LABEL, EDGE, EDGE, EDGE, EDGE, st.sampled_from(["train", "validation", "test"]))


def _write(folder: Path, content: str | bytes) -> Path:
    (folder / "annotations.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@given(st.lists(ROW, max_size=8), st.booleans())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple], bom: bool) -> None:
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(["split", "file", "label", "x1", "y1", "x2", "y2", "remark"])
    lines.writerows([row[6], *row[:6], "seen"] for row in rows)
    folder = _write(tmp_path_factory.mktemp("folder"), text.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    listing = read_folder(folder)
    assert listing.classes == sorted({row[1] for row in rows})
    assert [(p.file, listing.classes[p.label], *p.box, p.split) for p in listing.photos] == rows
    assert all(photo.path == folder / photo.file for photo in listing.photos)


def test_without_a_split_column(tmp_path: Path) -> None:
    listing = read_folder(_write(tmp_path, "file,label,x1,y1,x2,y2\na.jpg,B,0,0,1,1\nsub/b.jpg,A,0,0,1.5,1\n\n"))
    assert listing.classes == ["A", "B"]
    assert [(photo.file, photo.label, photo.split) for photo in listing.photos] == [("a.jpg", 1, None), ("sub/b.jpg", 0, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected the columns file,label,x1,y1,x2,y2"),
        ("file,label,x1,y1,x2\n", r"\[,split\], y2 missing"),
        (
            "file,label,x1,y1,x2,y2\na.jpg,A,0,0,1,1\nb.jpg,A,0,zero,1,1\n",
            "line 3: expected a number of pixels as y1, received 'zero'",
        ),
        ("file,label,x1,y1,x2,y2\na.jpg,A,0,0,1,nan\n", "line 2: expected a number of pixels as y2, received 'nan'"),
        ("file,label,x1,y1,x2,y2\na.jpg,A,0,0,1\n", "line 2: expected as many values"),
        ("file,label,x1,y1,x2,y2\na.jpg,A,0,0,1,1,train\n", "line 2: expected as many values"),
        (
            "file,label,x1,y1,x2,y2,split\na.jpg,A,0,0,1,1,dev\n",
            "line 2: expected train, validation, test as split, received 'dev'",
        ),
        ("file,label,x1,y1,x2,y2\n../a.jpg,A,0,0,1,1\n", "line 2: expected a name inside its folder, received '../a.jpg'"),
        ("file,label,x1,y1,x2,y2\n/a.jpg,A,0,0,1,1\n", "line 2: expected a name inside its folder"),
        ('file,label,x1,y1,x2,y2\n"a.jpg,A,0,0,1,1\n', "expected CSV in UTF-8"),
        ('file,label,x1,y1,x2,y2\na.jpg,A,0,0,1,1\nb.jpg,"A\nB",0,0,1,1\n', r"line 4: expected a label .* received 'A\\nB'"),
        ("file,label,x1,y1,x2,y2\na.jpg,A\x07B,0,0,1,1\n", r"line 2: expected a label .* received 'A\\x07B'"),
        (b"file,label,x1,y1,x2,y2\n\xff.jpg,A,0,0,1,1\n", "expected CSV in UTF-8"),
    ],
)
def test_wrong_files(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_folder(_write(tmp_path, content))
