"""Reloads as the site loop asks for them: each leaves a log line and its figures, also one that is never answered."""

import time

import structlog

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import AsteriskError
from dialplane.asterisk.reload import ReloadResult, reload
from dialplane.reconcile import metrics

log = structlog.get_logger(__name__)


async def reloaded(ami: Ami, module: str, *, limit: float) -> ReloadResult:
    """Reload one module within `limit` seconds. Raises as `asterisk.reload.reload`."""
    started = time.monotonic()
    try:
        with metrics.phase.labels("reload").time():
            result = await reload(ami, module, timeout=limit)
    except AsteriskError as error:
        metrics.reloads.labels(module, "unanswered").inc()
        log.warning("reload unanswered", module=module, seconds=round(time.monotonic() - started, 1), error=str(error))
        raise
    metrics.reloads.labels(module, result.status.name.lower()).inc()
    metrics.reload_seconds.labels(module).observe(result.duration_ms / 1000)
    log.info("reloaded", module=module, result=result.status.name, ms=round(result.duration_ms, 1))
    return result
