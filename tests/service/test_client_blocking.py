"""A blocking store behind servers, as users run it: in a process of its own, plain code, threads and a loop."""

from __future__ import annotations

import asyncio
import sys
import textwrap

import pytest


@pytest.fixture
def run(online_at, ingest_at, namespace, unique):
    """Runs a script that has `client`, `name` and `entity`; fails with the script's own error."""

    async def run(script: str) -> None:
        code = f"""
            import asyncio, threading, pytest, featurama
            from featurama.errors import FailedPrecondition, InvalidInput, Unknown
            name, entity = {unique("speed")!r}, {unique("fry")!r}
            client = featurama.sync.connect(
                "grpc://{online_at.address}?ingest={ingest_at.address}", namespace={namespace!r}, timeout=30
            )
        """
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", textwrap.dedent(code) + textwrap.dedent(script)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await child.communicate()
        assert (child.returncode, output.decode()) == (0, "")

    return run


async def test_blocking_code_writes_and_reads(run):
    """The same names, arguments and results as in the asynchronous form."""
    await run("""
        import pandas as pd
        with client:
            feature = client.register_feature(name, "double")
            assert client.define(feature) == feature
            now = pd.Timestamp.now(tz="UTC").floor("us") - pd.Timedelta(seconds=5)
            frame = pd.DataFrame({"entity_id": [entity], "timestamp": [now], name: [1.5]})
            assert client.write_features(frame).accepted == 1
            assert client.get_online_features([entity], [name]).to_dict() == {"entity_id": [entity], name: [1.5]}
            assert client.get_feature_history(entity, name).to_pandas()["timestamp"].tolist() == [now]
            with pytest.raises(Unknown):
                client.get_feature("no_such_feature")
            assert repr(client).startswith("FeatureStore(")
    """)


async def test_it_works_inside_a_running_loop(run):
    """As in a notebook."""
    await run("""
        async def cell():
            return client.register_feature(name, "double").type_text

        assert asyncio.run(cell()) == "double"
        client.close()
    """)


async def test_it_may_be_used_from_many_threads(run):
    """One client for all of them."""
    await run("""
        from concurrent.futures import ThreadPoolExecutor
        names = [f"{name}_{number}" for number in range(8)]
        with client, ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda each: client.register_feature(each, "int").name, names))
        assert made == names
    """)


async def test_closing_ends_its_thread(run):
    """Twice is no error; using it afterwards is."""
    await run("""
        client.close()
        client.close()
        assert threading.active_count() == 1
        with pytest.raises(FailedPrecondition, match="this store is closed; open it again"):
            client.list_features()
    """)


async def test_a_client_that_was_never_closed_does_not_keep_the_process(run):
    """The interpreter's end ends it, silently."""
    await run("""
        assert client.list_features(group="no_such_group") == []
    """)
