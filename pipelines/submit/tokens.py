"""Bearer tokens, from a file or the environment. They stay out of every message."""

import os
from pathlib import Path

from components.common.errors import UserError


def read_token(file: Path | None) -> str:
    """The token in `file`, or KFP_TOKEN's where there is none; "" where neither is given.

    Raises:
        UserError: there is no such file, or it holds no token.
    """
    where = str(file or "KFP_TOKEN")
    try:
        token = (file.read_text("utf-8") if file else os.environ.get("KFP_TOKEN", "")).strip()
    except UnicodeDecodeError:
        raise UserError(f"{where}: expected a token, found no text") from None
    if file and not token:
        raise UserError(f"{where}: expected a token, found nothing")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UserError(f"{where}: expected a token, one word of ASCII, found other text")
    return token
