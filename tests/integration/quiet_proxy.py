"""A proxy before a server, that lets a connection stand and passes nothing on any more."""

import socket
import threading
from contextlib import suppress
from pathlib import Path


class QuietProxy:
    """Stands before a server, and keeps for itself what comes once a client has said something."""

    def __init__(self, server: Path, folder: Path, quiet_after: bytes, for_good: bool) -> None:
        self._server = str(server / ".s.PGSQL.5432")
        self._quiet_after = quiet_after
        self._for_good = for_good
        self._quiet = False
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()

    def __enter__(self) -> None:
        threading.Thread(target=self._accept).start()

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open += [client, server]
                said = threading.Event()
                threading.Thread(target=self._listen, args=(client, server, said)).start()
                threading.Thread(target=self._answer, args=(client, server, said)).start()

    def _listen(self, client: socket.socket, server: socket.socket, said: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._quiet_after in data:
                    said.set()
                    self._quiet = self._for_good
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, server: socket.socket, said: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if not (said.is_set() or self._quiet):
                    client.sendall(data)
