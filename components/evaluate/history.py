"""Reads the training history: a CSV with a column `epoch` and a column a measure."""

from pathlib import Path

import pandas as pd

from components.common.errors import UserError


def read_history(path: Path) -> pd.DataFrame:
    """The rows as written by training, numeric columns only.

    Raises:
        UserError: no such file, no CSV, or no column `epoch`.
    """
    try:
        history = pd.read_csv(path)
    except FileNotFoundError:
        raise UserError(f"{path}: expected the history of a training, found no such file") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a CSV with a column epoch: {error}") from None
    history = history.select_dtypes("number")
    if "epoch" not in history:
        raise UserError(f"{path}: expected a CSV with a numeric column epoch, found {list(history.columns)}")
    return history
