"""The app's side of an engine: starts the process at the first request, and restarts it after it died.

It imports neither torch nor textual, and numpy only for answers with arrays.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from kanatui.core import paths, processes, storage
from kanatui.core.errors import EngineError, StorageError, Superseded
from kanatui.engine import wire
from kanatui.engine.wire import Answer

__all__ = ["Answer", "Engine", "EngineError", "Superseded"]

OnProgress = Callable[[int, int, str], None]
"""Called with (done, total, what is being done)."""

_LONGEST_LINE = 64 * 2**20
_LAST_WORDS = 4000
_CLOSING_SECONDS = 2.0


@dataclasses.dataclass
class _Request:
    id: int
    answer: asyncio.Future[Answer]
    on_progress: OnProgress | None

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # marks it as retrieved: asyncio would print it if the waiter were cancelled first


class Engine:
    """A process that does jobs in the order of their requests; it starts at the first one."""

    def __init__(self, name: str, threads: int = 1) -> None:
        """Prepare an engine.

        Args:
            name: its name in messages and in the log file's name.
            threads: number of threads that torch may use.
        """
        self.name, self._threads = name, threads
        self._numbers = itertools.count(1)
        self._newest: dict[str, _Request] = {}
        self._running: _Running | None = None
        self._starting = asyncio.Lock()

    @property
    def log(self) -> Path:
        """The file with the process's output since its last start."""
        return paths.cache() / f"engine-{self.name}.log"

    async def ask(
        self, job: str, /, *, slot: str = "", on_progress: OnProgress | None = None, **arguments: Any
    ) -> Answer:
        """Run a job and return its answer. Cancelling the waiting task cancels the job.

        Args:
            job: a name from :data:`kanatui.engine.jobs.JOBS`.
            slot: a newer request in the same slot supersedes this one; an empty slot never does.
            on_progress: called in the event loop, at most 20 times per second.
            arguments: the job's own, JSON-able.

        Raises:
            Superseded: a newer request took the slot.
            EngineError: the job failed or the process died (the next request starts another); ``details`` has the
                traceback or the end of the process's output.
        """
        request = _Request(next(self._numbers), asyncio.get_running_loop().create_future(), on_progress)
        if slot:
            self._supersede(slot, request)
        try:
            running = await self._start()
            if not request.answer.done():
                await running.send(request, job, arguments)
            return await request.answer
        finally:
            if self._newest.get(slot) is request:
                del self._newest[slot]
            if self._running:
                self._running.drop(request)

    @property
    def busy(self) -> bool:
        """Whether a request is still unanswered."""
        return self._running is not None and self._running.busy

    async def close(self) -> None:
        """End the process with all its children; pending requests fail. A later request starts it again."""
        async with self._starting:
            running, self._running = self._running, None
        if running:
            await running.close()

    def _supersede(self, slot: str, request: _Request) -> None:
        older = self._newest.get(slot)
        self._newest[slot] = request
        if older:
            older.fail(Superseded(f"a newer request took the slot {slot!r}"))
            if self._running:
                self._running.drop(older)

    async def _start(self) -> _Running:
        async with self._starting:
            if self._running is None or await self._running.ended():
                self._running = await _connect(self.name, self.log, self._spawn())
            return self._running

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Not with asyncio, which hangs forever if the task is cancelled at this moment (Python 3.11).
        command = processes.python("-m", "kanatui.engine", self.name, str(self._threads))
        with _opened(self.log) as log:
            try:
                return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
            except OSError as error:
                raise EngineError(f"the {self.name} engine cannot be started ({error.strerror})") from None


class _Running:
    """One process of an engine, from its start to its end."""

    def __init__(
        self,
        name: str,
        log: Path,
        process: subprocess.Popen[bytes],
        requests: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
    ) -> None:
        self._name, self._log, self._process = name, log, process
        self._input, self._output = requests, answers
        self._requests: dict[int, _Request] = {}
        self._closing = False
        self._end: EngineError | None = None
        self._reader = asyncio.create_task(self._read(), name=f"{name} engine")

    async def ended(self) -> bool:
        """Return whether the process has ended. One that is just ending is waited for: it would answer nothing more."""
        if self._input.is_closing():
            await asyncio.wait([self._reader])
        return self._end is not None

    @property
    def busy(self) -> bool:
        return bool(self._requests)

    async def send(self, request: _Request, job: str, arguments: dict[str, Any]) -> None:
        """Send a request; it fails if the process ends before answering."""
        if self._end:
            request.fail(self._end)
            return
        message = wire.line({"id": request.id, "job": job, "arguments": arguments})
        self._requests[request.id] = request
        with contextlib.suppress(ConnectionError):
            self._input.write(message)
            await self._input.drain()

    def drop(self, request: _Request) -> None:
        """Cancel a request if it is still pending."""
        if self._requests.pop(request.id, None) and not self._input.is_closing():
            self._input.write(wire.line({"cancel": request.id}))

    async def close(self) -> None:
        self._closing = True
        self._input.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._reader), _CLOSING_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._reader

    async def _read(self) -> None:
        """Read answers until the process ends, then fail the pending requests."""
        try:
            # A process killed while answering leaves an incomplete answer.
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
                while header := await self._output.readline():
                    await self._take(json.loads(header))
        finally:
            self._input.close()
            status = await asyncio.to_thread(self._process.wait)
            self._end = EngineError(self._how_it_ended(status), storage.tail(self._log, _LAST_WORDS))
            for request in self._requests.values():
                request.fail(self._end)
            self._requests.clear()

    async def _take(self, header: wire.Header) -> None:
        declared = header.get("arrays", [])
        raw = await self._output.readexactly(wire.size(declared)) if declared else b""
        request = self._requests.get(header["id"])
        if request is None:  # cancelled or superseded meanwhile
            return
        if "progress" in header:
            self._progress(request, *header["progress"])
            return
        del self._requests[request.id]
        if request.answer.done():
            return
        if "error" in header:
            request.fail(EngineError(header["error"], header.get("details", "")))
        else:
            request.answer.set_result(Answer(header["data"], wire.unpack(declared, raw)))

    def _progress(self, request: _Request, done: int, total: int, text: str) -> None:
        if request.on_progress is None or request.answer.done():
            return
        try:
            request.on_progress(done, total, text)
        except Exception as error:  # noqa: BLE001  # the callback's error goes to its request; other requests continue
            request.fail(error)

    def _how_it_ended(self, status: int) -> str:
        if self._closing:
            return f"the {self._name} engine was closed"
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        return f"the {self._name} engine ended ({how}); it restarts at the next change"


async def _connect(name: str, log: Path, process: subprocess.Popen[bytes]) -> _Running:
    """Attach the event loop to the pipes of a process."""
    assert process.stdin and process.stdout
    loop = asyncio.get_running_loop()
    try:
        answers = asyncio.StreamReader(_LONGEST_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(answers), process.stdout)
        # For its flow control: `drain` waits while the pipe is full.
        flow = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(lambda: flow, process.stdin)
    except BaseException:  # cancelled, most likely
        process.kill()
        raise
    return _Running(name, log, process, asyncio.StreamWriter(transport, flow, None, loop), answers)


@contextlib.contextmanager
def _opened(log: Path) -> Iterator[IO[bytes] | int]:
    """Open a log for overwriting; if it cannot be written, the engine works without one."""
    try:
        storage.make_folder(log.parent)
        with storage.storing(log):
            file = open(log, "wb")  # noqa: SIM115  # closed below; errors in the caller's block are not about this file
    except StorageError:
        yield subprocess.DEVNULL
        return
    with file:
        yield file
