"""TensorFlow's own chatter kept off stderr, so that a command's output is the command's.

Setting TF_CPP_MIN_LOG_LEVEL below 3 switches this off: then TensorFlow logs as that level says, from its import on.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

QUIETEST = "3"


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Silences file descriptor 2 while the body imports TensorFlow, whose C++ side greets before it reads its log level."""
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", QUIETEST) != QUIETEST:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path of ours
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
