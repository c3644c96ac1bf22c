"""A real sshd on loopback, with keys and a port of its own."""

import getpass
import os
import shutil
import socket
import subprocess

from tests.helpers.processes import wait_until

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def _keygen(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sshd:
    """Serves until :meth:`stop`. It accepts one key, made for it."""

    def __init__(self, folder):
        self.folder, self.port = folder, _free_port()
        self.key = _keygen(folder / "user")
        host = _keygen(folder / "host")
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {folder}/authorized\n"
            f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        )
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # sshd's own place for separating privileges
        command = [SSHD, "-D", "-E", folder / "log", "-f", folder / "config"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_until(self.listens)

    def listens(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def command(self, *remote):
        """How to run something there, on a terminal."""
        return [
            "ssh", "-tt", "-q", "-F", "none", "-p", str(self.port), "-i", str(self.key),
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes",
            f"{getpass.getuser()}@127.0.0.1", *remote,
        ]  # fmt: skip

    def stop(self):
        self.process.terminate()
        self.process.wait()
