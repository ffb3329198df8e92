"""The errors a user can cause, and how a command ends on one: one line on stderr, exit status 1.

A message says what was expected, what was received, where, and what to do. Anything that is not a `UserError` is a defect of ours
and keeps its traceback.
"""

import contextlib
import errno
import sys
from collections.abc import Iterator

REASON_PREFIX = "marque: error: "
FULL = (errno.ENOSPC, errno.EDQUOT)


class UserError(Exception):
    """A mistake in what the user gave us: a source, a file, a setting, an address."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns a `UserError` raised inside into one line on stderr and exit status 1.

    So too an `OSError` that names a file (no permission, a folder where a file belongs) or says that the disk is full. What a
    terminal would obey instead of showing it, in a name or a server's answer, is escaped.
    """
    try:
        yield
    except UserError as error:
        reason = str(error)
    except OSError as error:
        if not error.filename and error.errno not in FULL:
            raise
        reason = f"{error.filename}: {error.strerror}" if error.filename else f"cannot write on: {error.strerror}"
    else:
        return
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in reason)
    sys.stderr.write(f"{REASON_PREFIX}{shown}\n")
    sys.exit(1)
