"""A model that reaches its thresholds becomes the next version in a model repository; any other is refused."""

from pathlib import Path

from rich.console import Console

from components.deploy.publish import publish
from components.deploy.thresholds import check_metrics


def run(saved_model: Path, metrics: Path, repository: str, model: str = "marque", *, min_top1: float, min_mean_iou: float) -> str:
    """Publishes the SavedModel folder as `<repository>/<model>/<next integer>/` and returns that address.

    `metrics` is the metrics.json that evaluate wrote about it; `repository` is a local folder or `gs://bucket/path`. The newest
    version is returned as it is when it holds the same bytes.

    Raises:
        UserError: figures missing or below the thresholds, no SavedModel, or a repository that cannot be written.
    """
    figures = check_metrics(metrics, {"top1": min_top1, "mean_iou": min_mean_iou})
    published = publish(saved_model, repository, model)
    found = ", ".join(f"{name} {figure:.3f}" for name, figure in figures.items())
    verb = "published" if published.new else "the newest version holds the same bytes, kept"
    Console(highlight=False, soft_wrap=True).print(f"deploy: {verb} {published.uri} ({found})", markup=False)
    return published.uri
