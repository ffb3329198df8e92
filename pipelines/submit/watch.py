"""A run followed to its end: a line when a step begins and one when it ends, as in a run on this machine."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from components.common.errors import UserError
from pipelines.submit.status import ENDED, FAILED, RUNNING, SKIPPED, SUCCEEDED, Status, Step, UnreachableError

POLL_S = 5.0
PATIENCE_S = 600.0
MARKS = {SUCCEEDED: ("+", "done", "green"), FAILED: ("x", "failed", "red"), SKIPPED: ("-", "skipped", "dim")}


def watch(status: Callable[[], Status], console: Console) -> Status:
    """Asks for the `status` again and again until the run has ended, and returns the last.

    A runner that does not answer is asked again for `PATIENCE_S`: the run goes on without it.

    Raises:
        UserError: it did not answer for that long, or refuses to.
    """
    shown: dict[str, str] = {}
    answered = time.monotonic()
    with console.status("waiting", spinner="dots") as line:
        while True:
            try:
                now = status()
            except UserError as error:
                raise UserError(f"{error}; the run may still go on") from error
            except UnreachableError as error:
                if time.monotonic() - answered > PATIENCE_S:
                    raise UserError(f"{error}; the run may still go on") from error
                line.update(f"no answer for {time.monotonic() - answered:.0f} s")
            else:
                answered = time.monotonic()
                _show(now, shown, console)
                line.update(_running(now))
                if now.state in ENDED:
                    return now
            time.sleep(POLL_S)


def _show(now: Status, shown: dict[str, str], console: Console) -> None:
    """Prints what has changed since `shown`, in the order in which it happened."""
    for step in sorted(now.steps, key=lambda each: (each.ended or each.began or datetime.max.replace(tzinfo=UTC)).timestamp()):
        before = shown.get(step.key, "")
        if step.state == before:
            continue
        if step.state in (RUNNING, SUCCEEDED, FAILED) and before != RUNNING:
            console.print(Text(f"> {step.name}", "bold"))
        if step.state in ENDED:
            mark, word, style = MARKS.get(step.state, ("x", "canceled", "yellow"))
            problem = f": {_line(step.problem)}" if step.problem else ""
            console.print(Text(f"{mark} {step.name}: {word}{_lasted(step)}{problem}", style))
        shown[step.key] = step.state


def _line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _lasted(step: Step) -> str:
    if step.state == SKIPPED or not step.began or not step.ended:
        return ""
    return f" in {_duration((step.ended - step.began).total_seconds())}"


def _running(now: Status) -> str:
    running = [step for step in now.steps if step.state == RUNNING]
    names = [
        f"{step.name} {_duration((datetime.now(UTC) - step.began).total_seconds())}" if step.began else step.name
        for step in running
    ]
    return ", ".join(names) or now.state.lower()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
