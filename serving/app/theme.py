"""The colours of the evaluation's report as Streamlit's theme and as CSS variables, and the settings the app always runs with."""

from dataclasses import dataclass

from PIL import Image, ImageDraw

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
UPLOAD_MB = 32
TRUE, PREDICTED, THIRD = "#2f7bff", "#f0403a", "#8a63d2"
"""Of the true box, of the predicted one, and of what is neither; the same on light and dark, as they lie on photos."""


@dataclass(frozen=True)
class Colours:
    """One of the two looks."""

    page: str
    paper: str
    ink: str
    quiet: str
    line: str
    accent: str
    good: str
    bad: str


LIGHT = Colours("#f4f6f9", "#ffffff", "#1c2430", "#5d6878", "#dfe4eb", "#1f5fbf", "#14804a", "#b3261e")
DARK = Colours("#0e131b", "#161c26", "#e4e9f1", "#98a4b5", "#2a3443", "#6ea8ff", "#4cc38a", "#ff7b6e")


def of(kind: str | None) -> Colours:
    """The colours of Streamlit's theme type, "light" or "dark"."""
    return DARK if kind == "dark" else LIGHT


def css(colours: Colours) -> str:
    """The variables that style.css uses."""
    names = {**vars(colours), "true": TRUE, "predicted": PREDICTED, "third": THIRD}
    return f"<style>:root {{ {' '.join(f'--m-{name}: {value};' for name, value in names.items())} }}</style>"


def icon() -> Image.Image:
    """A box in its colour. Streamlit's own icons of a tab are fetched from elsewhere."""
    drawn = Image.new("RGB", (32, 32), LIGHT.accent)
    ImageDraw.Draw(drawn).rectangle((6, 10, 25, 23), outline="white", width=3)
    return drawn


def options() -> dict[str, str]:
    """Streamlit's settings: no telemetry, no files served or watched, small uploads, errors without their insides, the look."""
    return {
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "client.toolbarMode": "minimal",
        "runner.magicEnabled": "false",
        "server.enableCORS": "true",
        "server.enableStaticServing": "false",
        "server.enableXsrfProtection": "true",
        "server.fileWatcherType": "none",
        "server.headless": "true",
        "server.maxUploadSize": str(UPLOAD_MB),
        "logger.hideWelcomeMessage": "true",
        "logger.level": "error",
        "theme.font": FONT,
        "theme.baseRadius": "0.6rem",
        **_look("light", LIGHT),
        **_look("dark", DARK),
    }


def _look(kind: str, colours: Colours) -> dict[str, str]:
    named = {
        "primaryColor": colours.accent,
        "backgroundColor": colours.page,
        "secondaryBackgroundColor": colours.paper,
        "textColor": colours.ink,
        "borderColor": colours.line,
        "linkColor": colours.accent,
    }
    return {f"theme.{kind}.{name}": value for name, value in named.items()}
