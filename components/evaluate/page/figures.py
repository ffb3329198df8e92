"""The figures of an evaluation as people read them: what each is called, how it is written and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`name` is the key in the metrics; `percent` is written as 54.2%, else as 0.542; `note` is one line of plain words."""

    name: str
    label: str
    note: str
    percent: bool = False
    lower_is_better: bool = False

    def write(self, value: float) -> str:
        return f"{value:.1%}" if self.percent else f"{value:.3f}"

    def write_interval(self, interval: tuple[float, float]) -> str:
        low, high = interval
        return f"{100 * low:.1f}\N{EN DASH}{100 * high:.1f}%" if self.percent else f"{low:.3f}\N{EN DASH}{high:.3f}"

    def write_difference(self, value: float) -> str:
        """With its sign; a difference of shares is in percentage points."""
        written = f"{100 * value:+.1f} pp" if self.percent else f"{value:+.3f}"
        return written.replace("-", "\N{MINUS SIGN}")

    def verdict(self, low: float, high: float) -> str:
        """What the interval of a difference says: "better", "worse", or "" where it holds zero."""
        if low <= 0 <= high:
            return ""
        return "better" if (low > 0) != self.lower_is_better else "worse"


HEADLINE = (
    Figure("top1", "Top-1", "the best answer is right", percent=True),
    Figure("top5", "Top-5", "the right class is among five answers", percent=True),
    Figure("macro_f1", "Macro F1", "every class counts once"),
    Figure("mean_iou", "Mean IoU", "overlap of true and predicted box"),
    Figure("ap", "AP", "COCO: class and box, IoU .50 to .95"),
    Figure("ece", "ECE", "confidence is off by this much", lower_is_better=True),
)
FURTHER = (
    Figure("weighted_f1", "Weighted F1", "classes count by their photos"),
    Figure("median_iou", "Median IoU", "half of the boxes are better"),
    Figure("iou_50", "IoU ≥ .50", "of the boxes", percent=True),
    Figure("iou_75", "IoU ≥ .75", "of the boxes", percent=True),
    Figure("iou_90", "IoU ≥ .90", "of the boxes", percent=True),
    Figure("ap_50", "AP at .50", "class right and IoU ≥ .50"),
    Figure("ap_75", "AP at .75", "class right and IoU ≥ .75"),
)


def known(metrics: Mapping[str, Any], figures: tuple[Figure, ...]) -> list[Figure]:
    """Those of `figures` that `metrics` has a value for, in their order."""
    return [figure for figure in figures if metrics.get(figure.name) is not None]
