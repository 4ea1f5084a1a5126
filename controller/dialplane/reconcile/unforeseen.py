"""What to log of an error that nobody foresaw."""

import traceback

import structlog

log = structlog.get_logger(__name__)


def log_unforeseen(event: str, error: Exception) -> None:
    """Its message and the variables around it may hold anything, a secret too: only what and where."""
    log.error(event, error=type(error).__name__, at="".join(traceback.format_tb(error.__traceback__)))
