"""What a study has come to, as a folder.

`best.json` (schema, study, trial, score, top1, iou, trials of each state, settings to train with), `trials.csv` as Optuna
writes it, and `page.html`.
"""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

from components.common.errors import UserError
from components.common.whole import whole_folder
from components.train.config import TrainConfig
from components.tune.page import render
from components.tune.study import load, shown

SCHEMA = "marque.tuning/1"


def best(study: str, name: str, output: Path) -> dict[str, Any]:
    """Writes the folder and returns the settings to train with: the `train_settings` of the workers, over them the best trial's.

    Args:
        study: the storage's address.
        name: of the study, or empty where there is only one.
        output: the folder to write.

    Raises:
        UserError: no study, or none of its trials was completed.
    """
    if "://" not in study and Path(study).resolve().is_relative_to(output.resolve()):
        raise UserError(f"study: expected a file outside of {output}, which is written anew, received {study}")
    shared = load(study, name)
    states = Counter(trial.state.name.lower() for trial in shared.trials)
    if not states["complete"]:
        reasons = Counter(trial.user_attrs["reason"] for trial in shared.trials if "reason" in trial.user_attrs)
        said = "; ".join(f"{reason} ({count} times)" for reason, count in reasons.most_common(3))
        raise UserError(
            f"study: expected a complete trial among the {len(shared.trials)} of {shared.study_name} in {shown(study)}, found none"
            f"{f': {said}' if said else ''}; search lower learning rates or a narrower space"
        )
    winner = shared.best_trial
    settings = dataclasses.asdict(TrainConfig.of({**shared.user_attrs["train_settings"], **winner.params}))
    found = {
        "schema": SCHEMA,
        "study": shared.study_name,
        "trial": winner.number,
        "score": winner.value,
        "top1": winner.user_attrs["top1"],
        "iou": winner.user_attrs["iou"],
        "trials": states,
        "settings": settings,
    }
    with whole_folder(output, "best.json") as folder:
        (folder / "best.json").write_text(json.dumps(found, indent=1), "utf-8")
        shared.trials_dataframe().to_csv(folder / "trials.csv", index=False)
        (folder / "page.html").write_text(render(shared), "utf-8")
    return settings
