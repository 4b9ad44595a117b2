"""Models over gRPC: predicting, listing, getting and moving aliases."""

from __future__ import annotations

from featurama import wire
from featurama.client.answers import reading_answer
from featurama.client.predicting import predict
from featurama.client.stubs import Stubs
from featurama.v1 import model_service_pb2 as pb
from featurama_core.api.models import PredictionQuery
from featurama_core.frames.predictions import Predictions
from featurama_core.types.models import Model

_PAGE = 1_000
_STATES = {
    pb.MODEL_STATE_NOT_LOADED: "not loaded",
    pb.MODEL_STATE_LOADED: "loaded",
    pb.MODEL_STATE_UNUSABLE: "unusable",
}


class RemoteModels:
    """The online service as a `ModelServer`."""

    def __init__(self, stubs: Stubs, namespace: str) -> None:
        self._open = stubs
        self._namespace = namespace

    async def predict(self, query: PredictionQuery) -> Predictions:
        """Predictions for any number of rows."""
        return await predict(self._open, self._namespace, query)

    async def list_models(self, name: str) -> list[Model]:
        """Versions of one model, or of all for "", sorted by name and version."""
        stubs = self._open
        models: list[Model] = []
        token = ""
        while True:
            request = pb.ListModelsRequest(namespace=self._namespace, name=name, page_size=_PAGE, page_token=token)
            answer = await stubs.online.call(stubs.models.ListModels, request)
            with reading_answer(stubs.online.target):
                models += map(_model, answer.models)
            token = answer.next_page_token
            if not token:
                return models

    async def get_model(self, name: str, version: int, alias: str) -> Model:
        """One version, with its manifest."""
        stubs = self._open
        request = pb.GetModelRequest(namespace=self._namespace, name=name, version=version, alias=alias)
        answer = await stubs.online.call(stubs.models.GetModel, request)
        with reading_answer(stubs.online.target):
            return _model(answer.model, answer.manifest_json)

    async def set_alias(self, name: str, alias: str, version: int, expected_version: int | None) -> Model:
        """Move an alias. Returns the version that it names now."""
        stubs = self._open
        request = pb.SetAliasRequest(
            namespace=self._namespace, name=name, alias=alias, version=version, expected_version=expected_version
        )
        answer = await stubs.online.call(stubs.models.SetAlias, request, writes=True)
        with reading_answer(stubs.online.target):
            return _model(answer.model)


def _model(message: pb.Model, manifest: str = "") -> Model:
    scores: dict[str, dict[str, float]] = {}
    for score in message.scores:
        scores.setdefault(score.scored, {})[score.measure] = score.value
    return Model(
        name=message.name,
        version=message.version,
        aliases=tuple(message.aliases),
        state=_STATES.get(message.state, "not loaded"),
        problem=message.problem,
        target=message.target,
        entity_type=message.entity_type,
        objective=message.objective,
        feature_service=message.feature_service,
        features=tuple(message.features),
        columns=tuple(message.columns),
        scores=scores,
        description=message.description,
        created_by=message.created_by,
        created_at=wire.from_timestamp(message.created_time),
        artefact_bytes=message.artefact_bytes,
        artefact_sha256=message.artefact_sha256,
        manifest=manifest,
        serves=tuple(message.serves),
        classes=tuple(message.classes),
    )
