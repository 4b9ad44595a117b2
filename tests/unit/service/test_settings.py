"""Settings: where they come from, what is printed of them, what a bad one says."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from featurama_ingest.settings import IngestSettings
from featurama_online.settings import OnlineSettings
from featurama_service.settings import SettingsError, load, redacted


def test_the_environment_sets_what_the_constructor_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURAMA_ONLINE_LISTEN", "0.0.0.0:1")
    monkeypatch.setenv("FEATURAMA_ONLINE_STORAGE", "scylla://rosie@a,b/?dc=mars")
    monkeypatch.setenv("FEATURAMA_ONLINE_STORAGE_PASSWORD", "hunter2")
    monkeypatch.setenv("FEATURAMA_ONLINE_LOG_LEVEL", "")
    settings = load(OnlineSettings)
    assert (settings.listen, settings.log_level) == ("0.0.0.0:1", "info")
    core = settings.storage_settings()
    assert (core.url, core.password) == ("scylla://rosie@a,b/?dc=mars", "hunter2")
    assert OnlineSettings(listen="127.0.0.1:2").listen == "127.0.0.1:2"


def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = OnlineSettings(storage="scylla://rosie:hunter2@a/", storage_password="hunter3")
    shown = redacted(settings)
    assert shown["storage"] == "scylla://rosie:***@a/"
    assert shown["storage_password"] == "***"
    assert "hunter" not in str(shown)
    assert "hunter3" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("WRITE_DEADLINE_MS", "20000", "FEATURAMA_INGEST_WRITE_DEADLINE_MS: Input should be less than"),
        ("STREAM_WINDOW", "0", "FEATURAMA_INGEST_STREAM_WINDOW: Input should be greater than"),
        ("LOG_FORMAT", "xml", "FEATURAMA_INGEST_LOG_FORMAT: Input should be 'auto', 'json' or 'pretty'"),
        ("TLS_CLIENT_CA", "ca.pem", "FEATURAMA_INGEST_TLS_CLIENT_CA: needs tls_cert and tls_key"),
        ("STORAGE", "scylla://rosie:hunter2@/", "FEATURAMA_INGEST_STORAGE: storage URL: name the hosts"),
        ("STREM_WINDOW", "1", "FEATURAMA_INGEST_STREM_WINDOW is not a setting"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(f"FEATURAMA_INGEST_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load(IngestSettings)
    assert str(refused.value).startswith(problem)
    assert "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_settings_do_not_change() -> None:
    settings = OnlineSettings()
    with pytest.raises(ValidationError):
        settings.listen = "127.0.0.1:3"  # type: ignore[misc]
