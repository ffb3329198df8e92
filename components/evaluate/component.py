"""The kfp face of evaluate."""

from typing import List  # noqa: UP035 - the component's executor knows typing.List

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def evaluate(
    saved_model: dsl.Input[dsl.Model],
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
    gate_settings: dict,  # type: ignore[type-arg]
    champion: str,
    override: str,
) -> bool:
    """SavedModel and test records -> figures, report, model card and verdict."""
    import shutil
    from pathlib import Path

    import pandas as pd

    from components.common.errors import one_line_errors
    from components.evaluate.gate import Demands
    from components.evaluate.step import run

    folder = Path(evaluation.path)
    with one_line_errors():
        figures = run(
            Path(saved_model.path),
            [Path(part.path) for part in records],
            folder,
            demands=Demands.of(gate_settings),
            champion=champion,
            override=override,
            model=Path(model.path),
            dataset=Path(dataset.path),
        )
    for name in ("top1", "top5", "mean_iou", "mean_box_iou_baseline", "iou_50", "iou_75", "macro_f1", "ap", "ece", "photos"):
        metrics.log_metric(name, figures[name])
    matrix = pd.read_csv(folder / "confusion.csv", index_col=0)
    confusion.log_confusion_matrix(list(matrix.columns), matrix.to_numpy().tolist())
    # kfp.local reuses a step only where a file lies behind each of its artifacts.
    for file, artifact in (("metrics.json", metrics), ("confusion.csv", confusion), ("report.html", report)):
        shutil.copyfile(folder / file, artifact.path)
    return figures["blessed"]
