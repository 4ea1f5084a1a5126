"""The logs of a process: one line per decision, key=value, to standard error; what libraries log goes the same way.

A secret never gets here by itself: values are `SecretStr`, request bodies are not logged, and the libraries, which may
log more, are held at WARNING whatever our own level is.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog

QUIET = ("kopf", "kubernetes", "aiohttp", "asyncio", "uvicorn", "urllib3")
"""Libraries that set up logging of their own."""

log = structlog.get_logger(__name__)


class _StandardError(logging.Handler):
    """Writes to whatever `sys.stderr` is at the moment, so that a live table can stand below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 -- as every handler: an error of logging is not the process's
            self.handleError(record)


def configure_logs(level: str = "INFO", *, terminal: bool = False) -> None:
    """Set up logging for the process.

    Args:
        level: of Dialplane's own loggers.
        terminal: whether a person reads along: colours, and the time of day instead of the date.
    """
    shared: tuple[structlog.typing.Processor, ...] = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
        structlog.stdlib.ExtraAdder(),
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if terminal
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("dialplane").setLevel(level)
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)


def log_unexpected(event: str, error: BaseException, **context: object) -> None:
    """Log an error that nobody foresaw: what it is and where it happened; of a group, each error in it.

    Its message and the variables around it may hold anything, a secret too: neither gets into the log.
    """
    causes = list(_ungrouped(error))
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        name += f": {', '.join(type(cause).__name__ for cause in causes)}"
    at = "".join(line for cause in causes for line in traceback.format_tb(cause.__traceback__))
    log.error(event, **context, error=name, at=at)


def _ungrouped(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _ungrouped(each)
    else:
        yield error
