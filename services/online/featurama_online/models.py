"""The online service's models: the predictor of the settings, and the log of model events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Final

from structlog.typing import FilteringBoundLogger

from featurama_model.checking import CheckLimits
from featurama_model.model_cache import CacheSettings, ModelEvent
from featurama_model.model_checker import ModelChecker
from featurama_model.predictor import Predictor
from featurama_model.shadow import Comparison, ShadowSettings
from featurama_online.settings import OnlineSettings

HEALTH: Final = "featurama.models"
"""A health name in addition to the services': NOT_SERVING while an alias in use names a version that cannot be used.
The health of the services is independent of it: they continue with the previous version, or an earlier one after a
restart.
"""


@asynccontextmanager
async def open_predictor(
    settings: OnlineSettings, log: FilteringBoundLogger, checker: ModelChecker | None = None
) -> AsyncIterator[Predictor]:
    """The predictor and its checking process, until the context ends.

    checker: a shared one, which stays open; None starts one.
    """

    def on_event(event: ModelEvent) -> None:
        facts = {"namespace": event.key.slot.namespace, "model": event.key.slot.name, "version": event.key.version}
        happened = f"model {event.kind}"
        if event.kind in ("unusable", "degraded"):
            log.warning(happened, **facts, problem=event.detail)
        else:
            log.info(happened, **facts, **({"alias": event.detail} if event.detail else {}))

    def on_compared(comparison: Comparison) -> None:
        log.info("shadow", **asdict(comparison))

    async with AsyncExitStack() as resources:
        if checker is None:
            limits = CheckLimits(memory_bytes=settings.check_memory_bytes, seconds=settings.check_seconds)
            checker = ModelChecker(limits)
            resources.enter_context(checker)
        shadow = ShadowSettings(alias=settings.shadow_alias, report_every=settings.shadow_report_ms / 1_000)
        yield await resources.enter_async_context(
            Predictor.open(
                CacheSettings(
                    staleness=settings.model_staleness_ms / 1_000,
                    max_models=settings.max_models,
                    artefacts=settings.artefacts,
                ),
                checker=checker,
                shadow=shadow if settings.shadow else None,
                on_event=on_event,
                on_compared=on_compared,
            )
        )
