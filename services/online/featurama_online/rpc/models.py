"""ModelService: versions and aliases of models, and their state in this server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featurama import wire
from featurama.v1 import model_service_pb2 as pb
from featurama_core.namespace import Namespace
from featurama_core.stores import Stores
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import check_name
from featurama_model.default_model import DefaultModel
from featurama_model.model_cache import ModelCache
from featurama_model.promotion import promote
from featurama_model.registry import CHAMPION, ListedModel, ModelRegistry, unknown_model
from featurama_service.calls import Call
from featurama_service.methods import Service, unary
from featurama_service.rpc.pages import page_of, version_key


class ModelServicer:
    """Lists models and moves their aliases. default_model: for GetModel requests that name none."""

    def __init__(self, stores: Stores, models: ModelCache, default_model: DefaultModel) -> None:
        self._stores = stores
        self._models = models
        self._default_model = default_model

    def service(self) -> Service:
        """The service with all its methods."""
        return Service(
            pb.DESCRIPTOR.services_by_name["ModelService"],
            {
                "ListModels": unary(wire.requests(pb.ListModelsRequest), self.list_models),
                "GetModel": unary(wire.requests(pb.GetModelRequest), self.get_model),
                "SetAlias": unary(wire.requests(pb.SetAliasRequest), self.set_alias),
            },
        )

    async def list_models(self, request: pb.ListModelsRequest, call: Call) -> pb.ListModelsResponse:
        """A page of versions, by name and version."""
        if request.name:
            check_name(request.name, "name")
        namespace = await self._stores.namespace(request.namespace)
        seen = await self._seen(namespace, request.name or None)
        page, next_token = page_of(
            await ModelRegistry(namespace.storage).list(request.name or None),
            lambda each: version_key(each.stored.name, each.stored.version),
            seen.model,
            scope=f"models {request.name}",
            page_size=request.page_size,
            page_token=request.page_token,
            most_bytes=call.cut_bytes,
        )
        call.rows = len(page)
        return pb.ListModelsResponse(models=page, next_page_token=next_token)

    async def get_model(self, request: pb.GetModelRequest, _: Call) -> pb.GetModelResponse:
        """One version, with its manifest."""
        if request.name:
            check_name(request.name, "name")
        if request.version < 0:
            raise InvalidInput("version must be at least 1, or 0 for the alias", field="version")
        namespace = await self._stores.namespace(request.namespace)
        name = request.name or await self._default_model.of(namespace)
        found = await self._find(namespace, name, request.version, request.alias or CHAMPION)
        seen = await self._seen(namespace, name)
        return pb.GetModelResponse(
            model=seen.model(found), manifest_json="" if found.manifest is None else found.manifest.to_json()
        )

    async def set_alias(self, request: pb.SetAliasRequest, call: Call) -> pb.SetAliasResponse:
        """Point an alias at a version that can be used."""
        namespace = await self._stores.namespace(request.namespace)
        moved = await promote(
            ModelRegistry(namespace.storage),
            lambda manifest: self._models.get(namespace, request.name, version=manifest.version),
            request.name,
            request.version,
            alias=request.alias,
            expected=request.expected_version if request.HasField("expected_version") else None,
            by=f"grpc {call.peer}",
        )
        self._models.expire()
        found = await self._find(namespace, request.name, moved.version, "")
        seen = await self._seen(namespace, request.name)
        return pb.SetAliasResponse(model=seen.model(found), previous_version=moved.previous)

    async def _find(self, namespace: Namespace, name: str, version: int, alias: str) -> ListedModel:
        registry = ModelRegistry(namespace.storage)
        aliases = {} if version else await registry.aliases(name)
        listed = {each.stored.version: each for each in await registry.list(name)}
        number = version or aliases.get(alias)
        if number is None or number not in listed:
            raise await unknown_model(namespace.storage, name, number or 0, alias, versions=listed, known=aliases)
        return listed[number]

    async def _seen(self, namespace: Namespace, name: str | None) -> _Seen:
        here = (namespace.name, await namespace.incarnation())
        problems = self._models.problems().items()
        return _Seen(
            await namespace.storage.list_aliases(name),
            {(key.slot.name, key.version): text for key, text in problems if key.slot[:2] == here},
            frozenset((key.slot.name, key.version) for key, _ in self._models.loaded() if key.slot[:2] == here),
            frozenset(
                (key.slot.name, alias, key.version) for alias, key in self._models.serving() if key.slot[:2] == here
            ),
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """Aliases as stored and versions as loaded by this server, for one response."""

    aliases: Mapping[tuple[str, str], int]
    problems: Mapping[tuple[str, int], str]
    loaded: frozenset[tuple[str, int]]
    serving: frozenset[tuple[str, str, int]]

    def model(self, listed: ListedModel) -> pb.Model:
        """The message of one version."""
        key = (listed.stored.name, listed.stored.version)
        problem = listed.problem or self.problems.get(key, "")
        state = pb.MODEL_STATE_LOADED if key in self.loaded else pb.MODEL_STATE_NOT_LOADED
        message = pb.Model(
            name=listed.stored.name,
            version=listed.stored.version,
            aliases=sorted(alias for (name, alias), version in self.aliases.items() if (name, version) == key),
            serves=sorted(alias for name, alias, version in self.serving if (name, version) == key),
            state=pb.MODEL_STATE_UNUSABLE if problem else state,
            problem=problem,
            created_time=wire.to_timestamp(listed.stored.created_at),
            artefact_bytes=listed.stored.artefact_bytes,
        )
        manifest = listed.manifest
        if manifest is not None:
            message.MergeFrom(
                pb.Model(
                    target=manifest.target,
                    entity_type=manifest.entity_type,
                    objective=manifest.objective,
                    feature_service=manifest.feature_service,
                    features=[feature.reference for feature in manifest.features],
                    columns=manifest.engineered.names,
                    scores=[
                        pb.ModelScore(scored=scored, measure=measure, value=value)
                        for scored, scores in manifest.metrics.items()
                        for measure, value in scores.items()
                    ],
                    description=manifest.description,
                    created_by=manifest.created_by,
                    classes=manifest.class_names,
                    artefact_sha256="" if manifest.artefact is None else manifest.artefact.sha256,
                )
            )
        return message
