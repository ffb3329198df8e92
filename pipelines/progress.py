"""kfp.local's log made readable: a line when a step begins, the step's own lines, a line when it ends; the rest goes to a file."""

import io
import re
import sys
import threading
import time
from typing import TextIO

from rich.console import Console
from rich.text import Text

from components.common.errors import REASON_PREFIX

BEGAN = re.compile(r"Executing task .*?'([\w-]+)'")
ENDED = re.compile(r"Task .*?'([\w-]+)'.* finished with status .*?(SUCCESS|FAILURE)")
REUSED = re.compile(r"Task ([\w-]+) cache hit")
COLOR = re.compile(r"\x1b\[\d*m")
NOISE = re.compile(
    r"\[KFP Executor|[IWEF]\d{4} |WARNING: All log messages|To enable the following instructions|[{}\]\"]|[-+.\de]+,?$"
)
STREAM = "Streamed logs:"


class _Task(threading.local):
    """What kfp.local's thread is busy with; tasks that run side by side have a thread each."""

    def __init__(self) -> None:
        self.rest = ""
        self.streaming = False
        self.began = time.monotonic()


class Progress(io.TextIOBase):
    """A text stream for kfp.local's threads to print to.

    Attributes:
        reason: what a failed step said, without its prefix; empty while none has failed.
        reused: the names of the steps whose results came from the cache.
    """

    def __init__(self, log: TextIO):
        super().__init__()
        self.reason = ""
        self.reused: list[str] = []
        self._log = log
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._task = _Task()
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._task.rest = (self._task.rest + text).split("\n")
        with self._lock:
            for line in lines:
                self._show(COLOR.sub("", line))
        return len(text)

    def _show(self, line: str) -> None:
        self._log.write(line + "\n")
        self._log.flush()
        said = line.strip()
        if STREAM in line:
            self._task.streaming = True
        elif match := REUSED.search(line):
            self.reused.append(match[1])
            self._console.print(Text(f"= {match[1]}: reused from an earlier run", "cyan"))
        elif match := BEGAN.search(line):
            self._task.began = time.monotonic()
            self._console.print(Text(f"> {match[1]}", "bold"))
        elif match := ENDED.search(line):
            self._task.streaming = False
            seconds = time.monotonic() - self._task.began
            mark, end, style = ("+", "done", "green") if match[2] == "SUCCESS" else ("x", "failed", "red")
            self._console.print(Text(f"{mark} {match[1]}: {end} in {seconds:.0f} s", style))
        elif said.startswith(REASON_PREFIX):
            self.reason = said.removeprefix(REASON_PREFIX)
        elif self._task.streaming and said and not NOISE.match(said):
            self._console.print(Text(f"    {said}", "dim"))
