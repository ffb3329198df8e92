"""A model that was blessed and validated becomes the next version in a model repository, with its model card and its evaluation,
and reaches the servers; any other is refused.

Killed at any point and run again with the same model, it goes on; what the killed run left half-done is never loaded, and is
removed.
"""

import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from components.common import storage
from components.common.errors import UserError
from components.common.evaluation import PUBLISHED
from components.common.repository import complete_versions
from components.deploy.fleet import Fleet
from components.deploy.labels import Labels
from components.deploy.lock import lock
from components.deploy.places import config_of, root_of
from components.deploy.publish import check_inputs, publish, reason
from components.deploy.remove import keep_last, remove_leftovers
from components.deploy.rollout import Rollout
from components.deploy.trial import Limits
from components.deploy.verdict import check, check_validation

WAIT_S = 600.0


def run(
    saved_model: Path,
    evaluation: Path,
    validation: Path,
    repository: str,
    model: str = "marque",
    *,
    servers: str = "",
    keep_versions: int = 5,
    limits: Limits | None = None,
    wait_s: float = WAIT_S,
) -> str:
    """Publishes the SavedModel folder as `<repository>/<model>/<next integer>/`, rolls it out and returns that address.

    Args:
        saved_model: what export wrote.
        evaluation: the folder that evaluate wrote about it.
        validation: the folder that validate wrote about it.
        repository: a local folder or `gs://bucket/path`. The newest version there is kept as it is when it holds the same model,
            whatever its card says.
        model: the name under which it is served.
        servers: `host:port`, with commas; "": none is running, the labels move in the repository's models.config alone.
        keep_versions: so many of the newest versions stay; more where a label points to them.
        limits: of the roll-out; by default where None.
        wait_s: how long to wait for another deploy of this model to end.

    Raises:
        RolloutError: the servers did worse with it; all is as before, and the version is gone.
        UserError: not blessed, an evaluation or validation of another model, no SavedModel, a repository that cannot be written, a
            server that is unknown, or another deploy under way.
    """
    metrics = check(saved_model, evaluation)
    requests = check_validation(saved_model, validation)
    check_inputs(saved_model, model)
    if keep_versions < 1:
        raise UserError(f"keep_versions: expected at least 1, received {keep_versions}")
    fleet, root = Fleet.of(servers, model), root_of(repository, model)
    figures = f"top1 {metrics['top1']:.3f}, mean_iou {metrics['mean_iou']:.3f}"
    if metrics.get("override"):
        figures += f"; against the verdict: {metrics['override']}"
    with lock(root, wait_s) as still_mine:
        remove_leftovers(root)
        labels = Labels(config_of(repository), model, root)
        if not labels.state.pinned:
            # published before there were labels: what servers took, the newest, is what has to be beaten
            newest = max(complete_versions(storage.list_names(root)), default=None)
            labels.move(labels.state.moved(stable=labels.state.stable or newest))
        with tempfile.TemporaryDirectory() as scratch:
            version = _complete(saved_model, evaluation, Path(scratch) / "version")
            published = publish(version, repository, model, still_mine)
        verb = "published" if published.new else "the newest version holds the same model, kept with its card"
        _say(f"{verb} {published.uri} ({figures})")
        Rollout(root, published.version, labels, fleet, requests, limits=limits or Limits(), check=still_mine, say=_say).run()
        if removed := keep_last(root, labels.state, keep_versions):
            _say(f"removed {'versions' if len(removed) > 1 else 'version'} {', '.join(map(str, removed))}")
    return published.uri


def _complete(saved_model: Path, evaluation: Path, folder: Path) -> Path:
    """The SavedModel with what belongs to it in a repository."""
    try:
        shutil.copytree(saved_model, folder)
        for name, place in PUBLISHED.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(evaluation / name, folder / place)
    except OSError as error:
        raise UserError(f"{saved_model}: the model cannot be copied: {reason(error)}") from None
    return folder


def _say(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(f"deploy: {line}", markup=False)
