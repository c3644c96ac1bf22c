"""Processes in the background."""

import os
import subprocess
import sys

import pytest

from kanatui import cli
from kanatui.core import processes
from kanatui.core.errors import UsageError


@pytest.mark.parametrize(("said", "niceness"), [("", 10), ("0", 0), ("19", 19)])
def test_the_niceness_of_background_jobs_can_be_set(said, niceness, monkeypatch):
    monkeypatch.setenv("KANATUI_NICENESS", said)
    assert processes.niceness() == niceness


@pytest.mark.parametrize("said", ["20", "-1", "low"])
def test_a_niceness_that_makes_no_sense_is_refused_before_anything_starts(said, monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_NICENESS", said)
    with pytest.raises(UsageError, match=f"KANATUI_NICENESS={said}"):
        processes.start(["--version"], tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_a_background_job_is_as_nice_as_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_NICENESS", "7")
    process = processes.start(["--version"], tmp_path / "log")
    nice = os.getpriority(os.PRIO_PROCESS, process.pid)
    assert process.wait() == 0
    assert nice == 7
    assert (tmp_path / "log").read_text().startswith("kanatui ")


ITSELF = "processes.be_nice(); print(os.getpriority(os.PRIO_PROCESS, 0))"
A_JOB = "job = processes.start(['--version'], Path('log')); print(os.getpriority(os.PRIO_PROCESS, job.pid)); job.wait()"


@pytest.mark.parametrize("code", [ITSELF, A_JOB], ids=["this process", "a background job"])
def test_work_is_never_less_nice_than_what_starts_it(code, tmp_path):
    """In a process of its own, as nobody gets a lower niceness back."""
    code = f"import os; from pathlib import Path; from kanatui.core import processes; {code}"
    for before, said, niceness in (("0", "7", "7"), ("0", "0", "0"), ("12", "7", "12")):
        environment = os.environ | {"KANATUI_NICENESS": said}
        command = ["nice", "-n", before, sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == niceness


SMALL = ["quick", "--characters", "あい", "--faces", "klee-regular", "--images-per-character", "20"]


@pytest.mark.parametrize("command", ["train", "generate", "ablate"])
def test_work_in_the_foreground_yields_as_background_jobs_do(command, monkeypatch, home, capsys):
    def refuse():
        raise UsageError("nice before anything is made")

    monkeypatch.setattr(processes, "be_nice", refuse)
    assert cli.run([command, *SMALL]) == 2
    assert "nice before anything is made" in capsys.readouterr().err


# ── cores ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def groups(tmp_path):
    """Write control groups as Linux shows them: of which this process is, and files by their paths."""

    def write(listed, files):
        (tmp_path / "cgroup").write_text(listed)
        for path, text in files.items():
            file = tmp_path / "sys" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return processes.cpu_quota(tmp_path / "cgroup", tmp_path / "sys")

    return write


V1 = "cpu.cfs_quota_us", "cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("listed", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/docker/0a1b\n", {"cpu.max": "300000 100000\n"}, 3.0),  # the path is the host's, the files the container's
        ("1:cpu,cpuacct:/\n0::/\n", {f"cpu,cpuacct/{V1[0]}": "-1\n", f"cpu,cpuacct/{V1[1]}": "100000\n"}, None),
        ("1:cpuacct,cpu:/x\n", {f"cpu/x/{V1[0]}": "400000\n", f"cpu/x/{V1[1]}": "100000\n"}, 4.0),
        ("2:memory:/\n", {f"cpu/{V1[0]}": "400000\n", f"cpu/{V1[1]}": "100000\n"}, None),
        ("1:cpu:/\n", {f"cpu/{V1[0]}": "lots\n", f"cpu/{V1[1]}": "0\n"}, None),
        ("nonsense\n", {"cpu.max": "100000 100000\n"}, None),
    ],
)
def test_the_quota_of_a_container_is_read(groups, listed, files, quota):
    assert groups(listed, files) == quota


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert processes.cpu_quota(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(
    ("affinity", "quota", "openmp", "used"),
    [
        (8, None, "", 8),
        (8, 1.5, "", 2),
        (8, 0.2, "", 1),
        (2, 6.0, "", 2),
        (8, None, "3", 3),
        (8, None, "4,2", 4),
        (8, 2.0, "6", 2),
        (8, None, "many", 8),
        (8, None, "0", 8),
    ],
)
def test_affinity_quota_and_openmp_limit_what_is_used_by_default(affinity, quota, openmp, used, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(affinity)))
    monkeypatch.setattr(processes, "cpu_quota", lambda: quota)
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert processes.usable_cores() == used


def test_torch_is_told_of_a_quota_and_a_user_is_not_overruled(monkeypatch):
    monkeypatch.setattr(processes, "allowed_cores", lambda: 3)
    monkeypatch.setattr(processes, "cpu_quota", lambda: 2.5)
    for said, told in (("", "3"), ("1", "1")):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        processes.obey_quota()
        assert os.environ["OMP_NUM_THREADS"] == told


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux")
def test_doctor_and_training_obey_affinity_and_openmp():
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import torch\n"
        "from kanatui.core.machine import describe_machine\n"
        "from kanatui.training.device import prepare_device\n"
        "prepare_device(torch.device('cpu')); print(torch.get_num_threads(), describe_machine()['threads'])"
    )
    said = subprocess.check_output(
        [sys.executable, "-P", "-c", script], text=True, env=os.environ | {"OMP_NUM_THREADS": "7"}
    )
    assert said == "1 1, one per core\n"


def test_an_engine_gives_torch_fewer_threads_than_it_uses_itself(monkeypatch):
    monkeypatch.setattr(processes, "allowed_cores", lambda: 8)
    monkeypatch.setattr(processes, "_kept_threads", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    processes.keep_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert processes.usable_cores() == 4
