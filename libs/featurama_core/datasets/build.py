"""Writing parts of rows to files with a manifest: a directory of parts or one file, complete or not at all.

The source of the parts may be a store, servers, a model, or the tasks of a cluster. A build works in a folder with
notes about finished work, where an interrupted build can be resumed. Files that the notes do not name are unfinished
and ignored.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from featurama_core.datasets.files import Format, WriteTable, format_of, new_file, sha256_of
from featurama_core.datasets.manifest import FORMAT_VERSION, Manifest, code_versions, manifest_path
from featurama_core.datasets.progress import Watcher
from featurama_core.off_loop import Behind
from featurama_core.types.errors import Conflict, InvalidInput
from featurama_core.types.values import BoolArray

_NOTES = "state.json"


class BuildFolder:
    """The folder of a build. It is emptied unless `resume` is set and its notes have the same `identity`.

    path: None for a temporary folder, which appears on first use and is never resumed. All methods block.
    """

    def __init__(self, path: Path | None = None, identity: str = "", *, resume: bool = False) -> None:
        self.is_temporary = path is None
        self._path = path
        self.notes: dict[str, Any] = {}
        if path is not None:
            if resume and (path / _NOTES).is_file():
                found = json.loads((path / _NOTES).read_text("utf-8"))
                if found.get("identity") == identity:
                    self.notes = found
            path.mkdir(parents=True, exist_ok=True)
            if not self.notes:
                # The folder itself stays: it may be locked.
                for each in path.iterdir():
                    shutil.rmtree(each) if each.is_dir() else each.unlink()
        self.notes = self.notes or {"identity": identity}
        self._masks = int(self.notes.get("mask", 0))

    @property
    def path(self) -> Path:
        """The folder, which exists."""
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="featurama-set-"))
        return self._path

    @property
    def is_empty(self) -> bool:
        """Whether the folder was never used."""
        return self._path is None

    def note(self, facts: Mapping[str, Any]) -> None:
        """Store facts, durably unless the folder is temporary, all or none of them."""
        self.notes |= facts
        if self.is_temporary:
            return
        part = self.path / f"{_NOTES}.part"
        part.write_text(json.dumps(self.notes), "utf-8")
        part.replace(self.path / _NOTES)

    def save_mask(self, mask: BoolArray) -> int:
        """Store a bit mask. It becomes current when its number is noted under "mask"."""
        self._masks += 1
        with (self.path / f"mask-{self._masks}.npy").open("wb") as file:
            np.save(file, np.packbits(mask, axis=1))
        return self._masks

    def load_mask(self, columns: int) -> BoolArray:
        """The current mask, with this number of columns."""
        with (self.path / f"mask-{self.notes['mask']}.npy").open("rb") as file:
            packed = np.load(file, allow_pickle=False)
        return np.unpackbits(packed, axis=1, count=columns).astype(np.bool_)

    def drop_masks(self, keep: int) -> None:
        """Remove all masks but one."""
        for path in self.path.glob("mask-*.npy"):
            if path.name != f"mask-{keep}.npy":
                path.unlink()

    def below(self, name: str) -> BuildFolder:
        """A folder in this one with its own notes, which is resumed with this one. This one must have a note."""
        return BuildFolder(self.path / name, self.notes["identity"], resume=True)

    def remove(self) -> None:
        """Remove the folder with all it holds."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A run of rows: its number, its Arrow table, and a function of its facts for the manifest, plain JSON values.

    Facts take time that only files with a manifest need.
    """

    number: int
    table: Any
    facts: Callable[[], dict[str, Any]]


class PartSource(Protocol):
    """One pass over a set."""

    @property
    def part_rows(self) -> int:
        """Rows per part. The last part may have fewer."""

    async def request(self, file_format: Format) -> dict[str, Any]:
        """The request for the manifest. Sets with equal requests are equal."""

    def parts(self, work: BuildFolder, watcher: Watcher | None, skip: set[int]) -> AsyncGenerator[Part, None]:
        """The parts in order, without those of `skip`."""

    def described(self, table: Any, request: Mapping[str, Any]) -> Any:
        """The table of a part as it is written: its schema names the request."""

    def content(self, request: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The content of the manifest without the files, from the facts of all parts in order."""


async def write_files(
    source: PartSource,
    out: str | Path,
    *,
    file_format: Format | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Watcher | None = None,
) -> Manifest:
    """See `TrainingDataset.write`."""
    target = Path(out)
    kind = format_of(target, file_format)
    await asyncio.to_thread(_check_free, target, overwrite)
    request = await source.request(kind)
    identity = hashlib.sha256(json.dumps([request, source.part_rows]).encode()).hexdigest()
    folder = target.with_name(f".{target.name}.building")
    lock = await asyncio.to_thread(_locked, folder, target)
    try:
        work = await asyncio.to_thread(BuildFolder, folder, identity, resume=resume)
        try:
            content = await _write_parts(source, work, target, kind, request, progress)
        except InvalidInput:
            # Resuming would fail again, unlike after other errors.
            await asyncio.to_thread(work.remove)
            raise
        # Another call may have put it there meanwhile.
        await asyncio.to_thread(_check_free, target, overwrite)
        await asyncio.to_thread(_put_in_place, work, target, content)
    finally:
        os.close(lock)
    return content


def _check_free(target: Path, overwrite: bool) -> None:
    if not overwrite and target.exists():
        raise Conflict(f"{target.name} exists already; choose another name, or give overwrite=True", field="out")


def _locked(folder: Path, target: Path) -> int:
    """The descriptor of the folder of a build, locked until it is closed or the process ends.

    Raises Conflict while another build works there.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # the build that worked here has ended just now
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists() and os.path.samestat(os.fstat(lock), folder.stat()):
                return lock
        except BlockingIOError as error:
            os.close(lock)
            raise Conflict(
                f"{target.name} is being built by another call; wait for its end, or choose another name", field="out"
            ) from error
        os.close(lock)


async def _write_parts(
    source: PartSource,
    work: BuildFolder,
    target: Path,
    kind: Format,
    request: dict[str, Any],
    progress: Watcher | None,
) -> Manifest:
    whole = bool(target.suffix)
    folder = work.path / "parts"
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    # A single file has no finished parts: it is written again from the stored joins.
    done: dict[str, Any] = {} if whole else dict(work.notes.get("parts", {}))
    files = ExitStack()
    write: WriteTable | None = None

    async def put(part: Part) -> None:
        nonlocal write
        facts, table = await asyncio.to_thread(part.facts), source.described(part.table, request)
        if whole:
            if write is None:
                opening = new_file(folder / target.name, table.schema, kind)
                write = await asyncio.to_thread(files.enter_context, opening)
            await asyncio.to_thread(write, table)
            done[str(part.number)] = facts
        else:
            path = folder / f"part-{part.number:05}.{kind}"
            done[str(part.number)] = facts | await asyncio.to_thread(_write_part, path, table, kind)
            await asyncio.to_thread(work.note, {"parts": done})

    try:
        # The next part is made while one is written.
        async with aclosing(source.parts(work, progress, {int(each) for each in done})) as parts, Behind() as writing:
            async for part in parts:
                await writing.do(put(part))
    except BaseException:
        await asyncio.shield(asyncio.to_thread(files.__exit__, *sys.exc_info()))
        raise
    await asyncio.to_thread(files.close)
    all_facts = [done[each] for each in sorted(done, key=int)]
    if whole:
        rows = sum(each["rows"] for each in all_facts)
        written = [await asyncio.to_thread(_file_facts, folder / target.name, rows)]
    else:
        written = [each["file"] for each in all_facts]
    content = source.content(request, all_facts)
    code = await asyncio.to_thread(code_versions)
    return Manifest({"format_version": FORMAT_VERSION} | content | {"files": written, "code": code})


def _write_part(path: Path, table: Any, kind: Format) -> dict[str, Any]:
    with new_file(path, table.schema, kind) as write:
        write(table)
    return {"file": _file_facts(path, table.num_rows)}


def _file_facts(path: Path, rows: int) -> dict[str, Any]:
    return {"name": path.name, "rows": rows, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _put_in_place(work: BuildFolder, target: Path, manifest: Manifest) -> None:
    parts = work.path / "parts"
    # First, so that an output that is there is complete; an interrupted build has none and can be resumed.
    manifest.save(manifest_path(target))
    if target.suffix:
        (parts / target.name).replace(target)
    else:
        wanted = {each["name"] for each in manifest.files}
        for path in parts.iterdir():
            if path.name not in wanted:
                path.unlink()
        if target.is_dir():
            shutil.rmtree(target)
        elif target.exists():
            target.unlink()
        parts.replace(target)
    work.remove()
