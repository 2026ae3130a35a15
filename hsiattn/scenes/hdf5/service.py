"""The processes in which HDF5 files are read, and the connections to them."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

_PROGRAM = Path(__file__).with_name("process.py")
_COMMAND = (sys.executable, "-P", "-W", "ignore")
_BUFFER = 2**18


class Connection:
    """A stream to a process that serves one file, for one thread at a time.

    Raises
    ------
    OSError
        No process can be started.
    """

    def __init__(self, path: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = _forks.connect(path) if _Forks.possible else None
        if self._socket is not None:
            self.requests: IO[bytes] = cast("IO[bytes]", self._socket.makefile("wb"))
            self.answers: IO[bytes] = cast("IO[bytes]", self._socket.makefile("rb", buffering=_BUFFER))
            return
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([*_COMMAND, str(_PROGRAM), path], **pipes)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.requests, self.answers = self._process.stdin, self._process.stdout

    def close(self) -> None:
        """End the process; nothing is waited for."""
        if self._process is not None:
            self._process.kill()
        for stream in (self.requests, self.answers):
            with suppress(OSError, ValueError):  # it ended before it was asked
                stream.close()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.wait()


class _Forks:
    """The process that forks itself for every file; one for this process and all that it forks.

    Requests are datagrams, which arrive whole whichever thread or forked process sends them, and are not answered.
    """

    possible = hasattr(socket, "send_fds") and hasattr(socket, "SOCK_SEQPACKET") and sys.platform == "linux"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self._end)
        if hasattr(os, "register_at_fork"):  # a thread of the parent may have held the lock
            os.register_at_fork(after_in_child=self._after_fork)

    def connect(self, path: str) -> socket.socket | None:
        """A connection to a fork that serves a file; None where there can be none."""
        ours, theirs = socket.socketpair()
        try:
            for _ in range(2):  # the first process may have been killed
                with self._lock, suppress(OSError):
                    control = self._control or self._start()
                    socket.send_fds(control, [os.fsencode(path)], [theirs.fileno()])
                    return ours
                self._end()
            ours.close()
            return None
        finally:
            theirs.close()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [*_COMMAND, str(_PROGRAM), "--fork", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._control = ours
        return ours

    def _end(self) -> None:
        """End the process; forks of this one have their own end of the socket, and need it no longer than that."""
        control, process = self._control, self._process
        self._control = self._process = None
        if control is not None:
            control.close()
        if process is not None:
            with suppress(subprocess.TimeoutExpired):  # another fork of ours goes on with it
                process.wait(timeout=0.2)
            process.returncode = process.returncode or 0

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        if self._process is not None:
            self._process.returncode = 0  # the parent waits for it
            self._process = None


_forks = _Forks()
