"""How a command ends on a mistake of the user's."""

import errno

import pytest

from components.common.errors import UserError, one_line_errors


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a.jpg: expected\n  a photo,\treceived ü 車"), "a.jpg: expected a photo, received ü 車"),
        (UserError("host answered \x1b[2J\x9b1m\u202e\udcff"), r"host answered \x1b[2J\x9b1m\u202e\udcff"),
        (OSError(errno.ENOSPC, "No space left on device"), "cannot write on: No space left on device"),
        (FileNotFoundError(2, "No such file", "a\nb\x07"), r"a\nb\x07: No such file"),
    ],
)
def test_one_line_that_a_terminal_only_shows(error: Exception, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise error
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", f"marque: error: {line}\n")


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="no file is named"), one_line_errors():
        raise OSError("no file is named")
