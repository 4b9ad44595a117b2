"""The client's methods on models: listed, shown, and promoted by moving an alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurama import wire
from featurama.client.answers import reading_answer
from featurama.client.predicting import PredictingMethods
from featurama.v1 import model_service_pb2 as pb
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import to_rfc3339

_PAGE = 1_000
_STATES = {
    pb.MODEL_STATE_NOT_LOADED: "not loaded",
    pb.MODEL_STATE_LOADED: "loaded",
    pb.MODEL_STATE_UNUSABLE: "unusable",
}


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model, as the online service that answered sees it.

    state: "loaded", "not loaded" or "unusable", and then `problem` says why. aliases: those that name it; serves: those
    that the server answers with it, which for a `degraded` alias is not the version that it names. classes: labels of
    what it tells apart, in order; () if it predicts a number. features: references that it reads,
    pinned to versions; columns: of its matrix. scores: by what was scored ("test", "train", "baseline"), then by
    measure ("mae", "rmse", "r2"). created_at: microseconds UTC. manifest: a JSON object as text, all there is to know;
    only `get_model` asks for it.
    """

    name: str
    version: int
    aliases: Sequence[str]
    state: str
    problem: str
    target: str
    entity_type: str
    objective: str
    feature_service: str
    features: Sequence[str]
    columns: Sequence[str]
    scores: Mapping[str, Mapping[str, float]]
    description: str
    created_by: str
    created_at: int
    artefact_bytes: int
    artefact_sha256: str
    manifest: str = ""
    serves: Sequence[str] = ()
    classes: Sequence[str] = ()

    @property
    def degraded(self) -> Sequence[str]:
        """Aliases that name another version, but this one answers: theirs cannot be used, or is being loaded."""
        return tuple(alias for alias in self.serves if alias not in self.aliases)

    def __repr__(self) -> str:
        named = f", {', '.join(self.aliases)}" if self.aliases else ""
        return f"Model({self.name} version {self.version}{named}, {self.state}, of {to_rfc3339(self.created_at)})"


class ModelMethods(PredictingMethods):
    """Models of the store, and which version an alias names."""

    async def list_models(self, name: str | None = None) -> list[Model]:
        """All versions of one model, or of all, by name and version; one that cannot be used says why."""
        stubs = self._open
        models: list[Model] = []
        token = ""
        while True:
            request = pb.ListModelsRequest(
                namespace=self._namespace, name=name or "", page_size=_PAGE, page_token=token
            )
            answer = await stubs.online.call(stubs.models.ListModels, request)
            with reading_answer(stubs.online.target):
                models += map(_model, answer.models)
            token = answer.next_page_token
            if not token:
                return models

    async def get_model(self, name: str, *, version: int | None = None, alias: str | None = None) -> Model:
        """One version, with its manifest; default the one that `alias` ("champion") names.

        Raises Unknown (UNKNOWN_MODEL).
        """
        stubs = self._open
        request = pb.GetModelRequest(namespace=self._namespace, name=name, version=_version(version), alias=alias or "")
        answer = await stubs.online.call(stubs.models.GetModel, request)
        with reading_answer(stubs.online.target):
            return _model(answer.model, answer.manifest_json)

    async def set_alias(self, name: str, alias: str, version: int, *, expected_version: int | None = None) -> Model:
        """Point an alias at a version; servers follow within seconds, without dropping a request.

        The version is tried first: FailedPrecondition (MODEL_UNUSABLE) if it cannot be used, and nothing changes.
        expected_version: move it only if it names this one (0: none) until then; Conflict (ALIAS_MOVED) if others
        moved it meanwhile. None: whatever it names.
        """
        stubs = self._open
        request = pb.SetAliasRequest(
            namespace=self._namespace,
            name=name,
            alias=alias,
            version=_version(version),
            expected_version=None if expected_version is None else _version(expected_version, least=0),
        )
        answer = await stubs.online.call(stubs.models.SetAlias, request, writes=True)
        with reading_answer(stubs.online.target):
            return _model(answer.model)


def _version(version: int | None, *, least: int = 1) -> int:
    # On the wire 0 says "the alias's": a caller's own 0 must not become that.
    if version is None:
        return 0
    if isinstance(version, bool) or not least <= version < 2**31:
        raise InvalidInput(f"version must be a whole number from {least}", field="version")
    return version


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
