"""The Jinja environment of every page and card: HTML is escaped, a missing value is an error, tags leave no blank lines behind."""

from pathlib import Path

import jinja2


def environment(folder: Path) -> jinja2.Environment:
    """For the templates in `folder`; those named `*.html.j2` are HTML, others (Markdown) are not escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
