"""A study's page: one HTML file that holds all it shows and loads nothing."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from components.common.figures import DARK, LIGHT, Theme
from components.common.templates import environment
from components.tune import pictures
from components.tune.study import DONE

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "broken off",
    TrialState.RUNNING: "unfinished",
}


@dataclass(frozen=True)
class Chart:
    """A picture as PNG bytes for a light and for a dark page, and its words for those who cannot see it."""

    title: str
    words: str
    light: bytes
    dark: bytes
    note: str = ""


def render(study: optuna.Study) -> str:
    """The page of a study with a complete trial, as HTML."""
    templates = environment(Path(__file__).parent)
    templates.filters["base64"] = lambda content: base64.b64encode(content).decode("ascii")
    templates.filters["value"] = lambda value: f"{value:.3g}" if isinstance(value, float) else str(value)
    best, trials = study.best_trial, study.trials
    settings = study.user_attrs["train_settings"]
    return templates.get_template("page.html.j2").render(
        study=study.study_name,
        epochs=study.user_attrs["trial_epochs"],
        best=best,
        before={name: settings[name] for name in best.params},
        counts={word: sum(trial.state == state for trial in trials) for state, word in STATES.items()},
        minutes=sum(_seconds(trial) for trial in trials) / 60,
        charts=_charts(study, best.number),
        rows=[_row(trial) for trial in sorted(trials, key=lambda trial: (-(_score(trial) or 0), trial.number)) if trial.params],
    )


def importances(study: optuna.Study) -> dict[str, float]:
    """Each setting's share in what makes a trial one of the best quarter, the largest first; none of fewer than four trials.

    PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255). Optuna takes complete trials alone; here pruned ones count with the score
    they had, and diverged ones with 0: much of the importance lies in what was pruned.
    """
    done = study.get_trials(deepcopy=False, states=DONE)
    if len(done) < 4:
        return {}
    judged = optuna.create_study(direction="maximize")
    for trial in done:
        judged.add_trial(
            optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=_score(trial) or 0.0)
        )
    return optuna.importance.get_param_importances(judged, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.25))


def _charts(study: optuna.Study, best: int) -> list[Chart]:
    trials = study.trials
    charts = [
        _chart(
            "Scores",
            "Score of each trial, and the best so far; the numbers are in the table below",
            lambda theme: pictures.history(trials, theme),
        ),
        _chart("Epochs", "Score by epoch, a line for each trial", lambda theme: pictures.epochs(trials, best, theme)),
    ]
    if shares := importances(study):
        words = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        note = "What sets the best quarter of the trials apart (PED-ANOVA); pruned trials count with the score they had."
        hint = " Of fewer than twenty trials it is a hint, no more." if len(trials) < 20 else ""
        charts.append(_chart("Importance", words, lambda theme: pictures.importances(shares, theme), note + hint))
    return charts


def _chart(title: str, words: str, draw: Callable[[Theme], bytes], note: str = "") -> Chart:
    return Chart(title, words, draw(LIGHT), draw(DARK), note)


def _row(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": STATES[trial.state],
        "score": _score(trial),
        "epochs": len(trial.intermediate_values),
        "top1": trial.user_attrs.get("top1"),
        "iou": trial.user_attrs.get("iou"),
        "params": trial.params,
        "minutes": _seconds(trial) / 60,
        "reason": trial.user_attrs.get("reason", ""),
    }


def _score(trial: FrozenTrial) -> float | None:
    """A complete trial's value, the last score of one that was pruned; None without any."""
    return trial.intermediate_values[trial.last_step] if trial.value is None and trial.last_step is not None else trial.value


def _seconds(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0
