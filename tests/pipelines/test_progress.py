"""kfp.local's log made readable."""

import io

import pytest

from pipelines.progress import Progress

LOG = """\
21:07:25.230 - INFO - Executing task 'train'
21:07:25.231 - INFO - Streamed logs:

            [KFP Executor 2026-11-22 21:07:25,304 INFO]: Got executor_input:
            {
                "inputs": {
                    "parameterValues": {"seed": 0}
            }
I0000 00:00:1795 port.cc:153] oneDNN custom operations are on.
            epoch 31/95  loss 1.200
21:07:41.705 - INFO - Task \x1b[96m'train'\x1b[0m finished with status \x1b[92mSUCCESS\x1b[0m
21:07:41.706 - INFO - Task 'train' outputs:
    model: Model( name='model',
Task export cache hit (key=0123456789ab); skipping execution.
21:07:42.000 - INFO - Executing task 'deploy'
21:07:42.001 - INFO - Streamed logs:
    marque: error: the repository is full
21:07:43.000 - ERROR - Task 'deploy' finished with status FAILURE
"""


def test_steps_their_own_lines_and_what_was_reused(capsys: pytest.CaptureFixture[str]) -> None:
    log = io.StringIO()
    with Progress(log) as progress:
        for start in range(0, len(LOG), 7):
            progress.write(LOG[start : start + 7])
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "> train",
        "epoch 31/95  loss 1.200",
        "+ train: done in 0 s",
        "= export: reused from an earlier run",
        "> deploy",
        "x deploy: failed in 0 s",
    ]
    assert progress.reason == "the repository is full"
    assert progress.reused == ["export"]
    assert "Got executor_input" in log.getvalue()
