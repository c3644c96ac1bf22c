"""The engine as the app uses it: a real process, real ImageMagick, plugins that misbehave."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kanatui.core.errors import EngineError, Superseded
from kanatui.engine import wire
from kanatui.engine.client import Engine
from kanatui.plugins import trust
from tests.helpers.processes import engines, wait_until

PLUGIN = '''
"""Steps that do what no plugin should."""

import os, subprocess, sys
import torch
from kanatui import Float, Pixel, hookimpl


class Chatty(Pixel):
    id = "chatty"

    def draw(self, keys, size):
        return {}

    def apply(self, images, drawn):
        print("printed by a plugin with", torch.get_num_threads(), "thread", flush=True)
        os.write(1, b"written past Python\\n")
        subprocess.run(["echo", "said by a child"])
        print("and", sys.stdin.read(), "read", file=sys.stderr)
        return images


class Slow(Chatty):
    id = "slow"
    seconds = Float(0.5, min=0.0, max=100.0)

    def apply(self, images, drawn):
        subprocess.run(["sleep", str(self.seconds)], start_new_session=True)
        return images


class Broken(Chatty):
    id = "broken"

    def apply(self, images, drawn):
        raise ZeroDivisionError("a plugin's mistake")


class Leaving(Chatty):
    id = "leaving"

    def draw(self, keys, size):
        raise SystemExit(3)


class Gone(Chatty):
    id = "gone"

    def draw(self, keys, size):
        os._exit(7)


class Killed(Chatty):
    id = "killed"

    def draw(self, keys, size):
        os.kill(os.getpid(), 9)


@hookimpl
def kanatui_augmentations():
    return [Chatty, Slow, Broken, Leaving, Gone, Killed]
'''


def recipe(*steps, **fields):
    base = {"characters": "あいう", "faces": ["klee-regular", "yusei-magic"], "image_size": 32, "mode": "random"}
    return {**base, "images_per_character": 50, **fields, "augment": [{"plugin": id, **values} for id, values in steps]}


SLOW = recipe(("slow", {"seconds": 60.0}))


@pytest.fixture
def plugin(home, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "misbehaving.py").write_text(PLUGIN)
    trust.trust(folder / "misbehaving.py")
    monkeypatch.setenv("KANATUI_PLUGINS", str(folder))


@contextlib.asynccontextmanager
async def engine(name="preview"):
    made = Engine(name)
    try:
        yield made
    finally:
        await made.close()


def process_of(made):
    (found,) = engines(made.name)
    return found


def is_drawing_slowly(process):
    return any(child.name() == "sleep" for child in process.children(recursive=True))


async def until(condition):
    def holds():
        with contextlib.suppress(psutil.Error, ValueError):  # the process has not started yet, or its child has ended
            return condition()

    await asyncio.to_thread(wait_until, holds)


async def test_a_sheet_is_drawn_and_told(home):
    async with engine() as made:
        told = []
        answer = await made.ask("sheet", recipe=recipe(), count=5, on_progress=lambda *said: told.append(said))
    assert answer.arrays["images"].shape == (5, 32, 32) and answer.arrays["images"].dtype == np.uint8
    assert answer.arrays["images"].any(axis=(1, 2)).all()
    assert len(answer.data["characters"]) == len(answer.data["faces"]) == len(answer.data["numbers"]) == 5
    assert set(answer.data["characters"]) == set("あいう")
    assert told and all(done <= total for done, total, _ in told)


async def test_nothing_starts_until_the_first_request(home):
    before = psutil.Process().children()  # earlier tests may have left multiprocessing's own
    made = Engine("idle")
    assert psutil.Process().children() == before
    await made.close()
    assert not made.log.exists()


async def test_what_plugins_print_goes_to_the_log_and_nowhere_else(plugin, capfd, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    async with engine() as made:
        answer = await made.ask("sheet", recipe=recipe(("chatty", {})), count=3)
        assert answer.arrays["images"].shape == (3, 32, 32)
        log = made.log.read_text()
    for words in ("printed by a plugin with 1 thread", "written past Python", "said by a child", "and  read"):
        assert words in log
    assert capfd.readouterr() == ("", "")


async def test_a_newer_request_supersedes_an_older_one_in_its_slot(plugin):
    async with engine() as made:
        slow = recipe(("slow", {"seconds": 0.3}))
        older = [asyncio.create_task(made.ask("sheet", slot="sheet", recipe=slow, count=2, draw=i)) for i in range(4)]
        await asyncio.sleep(0)  # all four have asked
        other = asyncio.create_task(made.ask("layout", recipe=recipe()))
        newest = await made.ask("sheet", slot="sheet", recipe=recipe(), count=4)
        for task in older:
            with pytest.raises(Superseded):
                await task
        assert len(newest.arrays["images"]) == 4
        assert (await other).data["images"] == 150


async def test_a_cancelled_job_ends_at_its_next_report(plugin):
    async with engine() as made:
        await made.ask("sheet", recipe=recipe(), count=1)
        told = []
        slow = recipe(("slow", {"seconds": 0.05}))
        task = asyncio.create_task(made.ask("rate", recipe=slow, on_progress=lambda *said: told.append(said)))
        await until(lambda: told)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await made.ask("layout", recipe=recipe())).data["images"] == 150


async def test_a_killed_engine_is_reported_and_started_again(plugin):
    async with engine() as made:
        task = asyncio.create_task(made.ask("sheet", recipe=SLOW, count=2))
        await until(lambda: is_drawing_slowly(process_of(made)))
        first = process_of(made)
        first.kill()
        with pytest.raises(EngineError, match=r"the preview engine ended \(killed by signal 9\); it restarts"):
            await task
        answer = await made.ask("layout", recipe=recipe())
        assert answer.data["characters"] == "あいう"
        assert process_of(made).pid != first.pid


async def test_an_engine_that_was_killed_while_idle_is_simply_started_again(home):
    async with engine() as made:
        await made.ask("layout", recipe=recipe())
        process = process_of(made)
        process.kill()
        await until(lambda: not process.is_running())  # until the client has taken note: before that it is a zombie
        assert (await made.ask("layout", recipe=recipe())).data["images"] == 150


async def test_errors_are_one_line_with_the_traceback_apart(plugin):
    async with engine() as made:
        with pytest.raises(EngineError, match=r"^recipe\.image_size: ") as error:
            await made.ask("layout", recipe=recipe(image_size=5))
        assert error.value.details == ""
        with pytest.raises(EngineError, match="augmentation broken .* failed on image") as error:
            await made.ask("sheet", recipe=recipe(("broken", {})), count=2)
        assert "\n" not in str(error.value) and "a plugin's mistake" in error.value.details
        with pytest.raises(EngineError, match="augmentation leaving .* failed on image .*: SystemExit: 3"):
            await made.ask("sheet", recipe=recipe(("leaving", {})), count=2)
        with pytest.raises(EngineError, match="internal error: KeyError: 'no such job'") as error:
            await made.ask("no such job")
        assert "Traceback" in error.value.details
        with pytest.raises(EngineError, match="internal error: KeyError: 'count'"):
            await made.ask("sheet", recipe=recipe())
        assert (await made.ask("sheet", recipe=recipe(), count=2)).arrays


async def test_a_plugin_that_ends_its_process_is_named_or_ends_the_engine_alone(plugin):
    async with engine() as made:
        with pytest.raises(EngineError, match=r"augmentation gone .* called os\._exit\(7\)"):
            await made.ask("sheet", recipe=recipe(("gone", {})), count=2)
        with pytest.raises(EngineError, match=r"the preview engine ended \(killed by signal 9\); it restarts"):
            await made.ask("sheet", recipe=recipe(("killed", {})), count=2)
        assert (await made.ask("sheet", recipe=recipe(), count=2)).arrays


async def test_a_listener_that_fails_is_told_and_disturbs_nobody_else(home):
    def listener(done, total, text):
        raise ValueError("in the app")

    async with engine() as made:
        other = asyncio.create_task(made.ask("layout", recipe=recipe()))
        with pytest.raises(ValueError, match="in the app"):
            await made.ask("sheet", recipe=recipe(), count=1, on_progress=listener)
        assert (await other).data["images"] == 150


async def test_interrupt_and_hang_up_are_the_app_s_affair(home):
    async with engine() as made:
        await made.ask("layout", recipe=recipe())
        for number in (signal.SIGINT, signal.SIGHUP):
            process_of(made).send_signal(number)
        assert (await made.ask("layout", recipe=recipe())).data["images"] == 150
        assert made.log.read_text() == ""


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.01])
async def test_a_request_may_be_cancelled_while_the_process_starts(home, pause):
    async with engine() as made:
        task = asyncio.create_task(made.ask("layout", recipe=recipe()))
        await asyncio.sleep(pause)  # to cancel at one moment or another is the point
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await made.ask("layout", recipe=recipe())).data["images"] == 150


async def test_closing_ends_the_process_in_the_middle_of_a_job(plugin):
    made = Engine("preview")
    task = asyncio.create_task(made.ask("sheet", recipe=SLOW, count=2))
    await until(lambda: is_drawing_slowly(process_of(made)))
    family = [process_of(made), *process_of(made).children(recursive=True)]
    started = time.monotonic()
    await made.close()
    assert time.monotonic() - started < 30
    with pytest.raises(EngineError, match="the preview engine was closed"):
        await task
    assert not psutil.wait_procs(family, timeout=60)[1]


def test_the_engine_ends_with_an_app_that_was_killed(plugin):
    script = f"""
import asyncio
from kanatui.engine.client import Engine
asyncio.run(Engine("preview").ask("sheet", recipe={SLOW!r}, count=2))
"""
    app = psutil.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: is_drawing_slowly(app) or app.poll() is not None)
    family = app.children(recursive=True)
    assert len(family) == 2
    app.kill()
    assert app.communicate()[0] == b""
    assert not psutil.wait_procs(family, timeout=60)[1]


async def test_it_works_where_the_log_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KANATUI_HOME", str(tmp_path / "file"))
    async with engine() as made:
        assert (await made.ask("layout", recipe=recipe())).data["images"] == 150


def test_the_client_imports_neither_torch_nor_numpy_nor_textual():
    script = "import sys, kanatui.engine.client\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert not {"torch", "numpy", "textual", "PIL", "scipy"} & set(loaded)


# --- framing

KINDS = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.datetime64_dtypes(),
)
ARRAYS = KINDS.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))


@given(st.dictionaries(st.text(), ARRAYS, max_size=4), st.dictionaries(st.text(), st.text() | st.integers()))
def test_messages_come_back_as_they_were_sent(arrays, data):
    line, *blocks = wire.pack({"id": 3, "data": data}, {name: array.T for name, array in arrays.items()})
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    header = wire.json.loads(line)
    raw = b"".join(blocks)
    assert len(raw) == wire.size(header["arrays"])
    assert header["data"] == data
    found = wire.unpack(header["arrays"], raw)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.T.shape
        assert found[name].tobytes() == array.T.tobytes()


@pytest.mark.parametrize("array", [np.array([None]), np.zeros(2, dtype=[("a", int)])])
def test_arrays_without_plain_bytes_are_refused(array):
    with pytest.raises(TypeError, match="'odd' holds"):
        wire.pack({}, {"odd": array})
