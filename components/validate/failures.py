"""Why a model is not pushed: a type each, all of them one line for the user."""

from components.common.errors import UserError


class ValidationError(UserError):
    """The model must not be pushed."""


class DoesNotLoadError(ValidationError):
    """A fresh server does not load the SavedModel, or ends while it serves it."""


class OtherAnswersError(ValidationError):
    """The server does not answer as the model did in its evaluation, or not at all."""


class TooSlowError(ValidationError):
    """One photo takes longer than allowed, or all of it longer than its deadline."""


class TooLargeError(ValidationError):
    """The server needs more memory than allowed."""
