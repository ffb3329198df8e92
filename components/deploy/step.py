"""A model that was blessed becomes the next version in a model repository, with its model card and its evaluation; any other is
refused.
"""

import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from components.common.errors import UserError
from components.common.evaluation import PUBLISHED
from components.deploy.publish import publish, reason
from components.deploy.verdict import check


def run(saved_model: Path, evaluation: Path, repository: str, model: str = "marque") -> str:
    """Publishes the SavedModel folder as `<repository>/<model>/<next integer>/` and returns that address.

    `evaluation` is the folder that evaluate wrote about it; `repository` is a local folder or `gs://bucket/path`. The newest
    version is returned as it is when it holds the same model, whatever its card says.

    Raises:
        UserError: not blessed, an evaluation of another model, no SavedModel, or a repository that cannot be written.
    """
    metrics = check(saved_model, evaluation)
    figures = f"top1 {metrics['top1']:.3f}, mean_iou {metrics['mean_iou']:.3f}"
    if metrics.get("override"):
        figures += f"; against the verdict: {metrics['override']}"
    with tempfile.TemporaryDirectory() as scratch:
        complete = Path(scratch) / "version"
        try:
            shutil.copytree(saved_model, complete)
            for name, place in PUBLISHED.items():
                (complete / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(evaluation / name, complete / place)
        except OSError as error:
            raise UserError(f"{saved_model}: the model cannot be copied: {reason(error)}") from None
        published = publish(complete, repository, model)
    verb = "published" if published.new else "the newest version holds the same model, kept with its card"
    Console(highlight=False, soft_wrap=True).print(f"deploy: {verb} {published.uri} ({figures})", markup=False)
    return published.uri
