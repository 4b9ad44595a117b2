"""The online service's composition root: settings -> stores -> predictor -> servicers -> server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from structlog.typing import FilteringBoundLogger

from featurama_core.settings import StoreSettings
from featurama_core.stores import Stores
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_model.default_model import DefaultModel
from featurama_model.model_checker import ModelChecker
from featurama_model.predictor import Predictor
from featurama_online.models import HEALTH, open_predictor
from featurama_online.rpc.models import ModelServicer
from featurama_online.rpc.online import OnlineServicer
from featurama_online.rpc.prediction import PredictionServicer
from featurama_online.settings import OnlineSettings
from featurama_service.access_log import AccessLog
from featurama_service.logs import open_log
from featurama_service.rpc.registry import reading_registry_service
from featurama_service.server import DEFINITIONS_HEALTH, Bound, serving

DOCUMENTED_MODEL: Final = "delivery_time"
"""The default model of the documented REST contract, for a namespace of several models."""
_WARM_S: Final = 30.0


async def run(
    settings: OnlineSettings,
    *,
    stop: asyncio.Event,
    started: Callable[[Bound], None] | None = None,
    checker: ModelChecker | None = None,
) -> None:
    """Own every resource of the online service until `stop` is set; then drain and close.

    started: called once, with the address, when the service accepts calls. checker: checks models, shared with other
    servers of this process; None starts one.
    """
    async with AsyncExitStack() as resources:
        log = open_log(settings, "online")
        access = resources.enter_context(AccessLog(settings, "online"))
        meaning = StoreSettings(max_text_bytes=settings.max_message_bytes)
        stores = await resources.enter_async_context(Stores.open(settings.storage_settings(), settings=meaning))
        await stores.check_schemas()
        predictor = await resources.enter_async_context(open_predictor(settings, log, checker))
        default_model = await resources.enter_async_context(
            DefaultModel(
                settings.default_model, preferred=DOCUMENTED_MODEL, max_age=settings.model_staleness_ms / 1_000
            )
        )
        await _warm(stores, predictor, default_model, log)
        bound = await resources.enter_async_context(
            serving(
                [
                    OnlineServicer(stores).service(),
                    PredictionServicer(stores, predictor, default_model).service(),
                    ModelServicer(stores, predictor.models, default_model).service(),
                    reading_registry_service(stores),
                ],
                settings,
                log=log,
                access=access,
                ping=stores.ping,
                reports={HEALTH: predictor.models.healthy, DEFINITIONS_HEALTH: stores.knows_definitions},
            )
        )
        if started is not None:
            started(bound)
        await stop.wait()


async def _warm(stores: Stores, predictor: Predictor, default_model: DefaultModel, log: FilteringBoundLogger) -> None:
    """Load the default model of the default namespace, if any. The first import and load take seconds, which may exceed
    the deadline of a first prediction.
    """
    try:
        async with asyncio.timeout(_WARM_S):
            namespace = await stores.namespace(DEFAULT_NAMESPACE)
            loaded = await predictor.models.get(namespace, await default_model.of(namespace))
    except (FeaturamaError, TimeoutError) as error:
        reason = error.reason.name if isinstance(error, FeaturamaError) else "DEADLINE_EXCEEDED"
        log.info("no default model yet", reason=reason)
    else:
        log.info("model", model=loaded.manifest.name, version=loaded.manifest.version)
