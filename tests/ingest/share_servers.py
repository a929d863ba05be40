"""Small servers on loopback that hand out a folder: over SFTP, WebDAV, and as a bucket of S3."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs, unquote, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from xml.sax.saxutils import escape

import paramiko
from wsgidav.fs_dav_provider import FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp

USER, PASSWORD = "archive", "open sesame"
KEYS_AT_ONCE = 2


# SFTP


class _Visitor(paramiko.ServerInterface):  # type: ignore[misc]
    def check_auth_password(self, username: str, password: str) -> int:
        known = (username, password) == (USER, PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return int(paramiko.OPEN_SUCCEEDED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    def __init__(self, server: object, *, folder: Path, silent: threading.Event) -> None:
        super().__init__(server)
        self._folder = folder
        self._silent = silent

    def list_folder(self, path: str) -> object:
        try:
            found = list(self._at(path).iterdir())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        return [paramiko.SFTPAttributes.from_stat(one.lstat(), one.name) for one in found]

    def stat(self, path: str) -> object:
        try:
            return paramiko.SFTPAttributes.from_stat(self._at(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def open(self, path: str, flags: int, attr: object) -> object:
        del attr
        while self._silent.is_set():
            time.sleep(0.02)
        handle = paramiko.SFTPHandle(flags)
        try:
            handle.readfile = self._at(path).open("rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        return handle

    def _at(self, path: str) -> Path:
        return self._folder / path.lstrip("/")


@dataclass
class SftpServer:
    """Of a folder; its connections can be cut.

    Attributes:
        port: On loopback.
        fingerprint: Of its key.
        silent: While set, no file is opened and nothing said.
    """

    folder: Path
    port: int = 0
    fingerprint: str = ""
    silent: threading.Event = field(default_factory=threading.Event)
    _transports: list[paramiko.Transport] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"sftp://127.0.0.1:{self.port}/"

    def cut(self) -> None:
        """End every connection there is."""
        while self._transports:
            self._transports.pop().close()

    def serve(self, listening: socket.socket, key: paramiko.PKey) -> None:
        """Let visitors in until the socket is closed."""
        while True:
            try:
                visitor, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(visitor)
            transport.add_server_key(key)
            transport.set_subsystem_handler(
                "sftp", paramiko.SFTPServer, _Files, folder=self.folder, silent=self.silent
            )
            self._transports.append(transport)
            transport.start_server(server=_Visitor(), event=threading.Event())


@contextmanager
def open_sftp_server(folder: Path) -> Iterator[SftpServer]:
    """Serve a folder over SFTP to one user."""
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = SftpServer(folder, listening.getsockname()[1], key.fingerprint)
        thread = threading.Thread(target=server.serve, args=(listening, key), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            server.cut()
            thread.join()


# WebDAV


class _Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        del args


@contextmanager
def open_webdav_server(folder: Path) -> Iterator[str]:
    """Serve a folder over WebDAV to one user; yield its address."""
    application = WsgiDAVApp(
        {
            "provider_mapping": {"/": FilesystemProvider(os.fspath(folder))},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False},
            "logging": {"enable": False, "enable_loggers": []},
            "verbose": 0,
        }
    )
    server = make_server("127.0.0.1", 0, application, _Threading, _Quiet)
    with _running(server):
        yield f"webdav+http://127.0.0.1:{server.server_port}"


# S3


class _Store(ThreadingHTTPServer):
    keys: dict[str, bytes]
    asked: list[str]


class _Keys(BaseHTTPRequestHandler):
    server: _Store

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        asked = parse_qs(parts.query, keep_blank_values=True)
        self.server.asked.append(self.path)
        if f"Credential={USER}/" not in self.headers.get("Authorization", ""):
            self._refuse(403, "InvalidAccessKeyId")
        elif bucket != "office":
            self._refuse(404, "NoSuchBucket")
        elif "location" in asked:
            self._answer(b"<LocationConstraint>us-east-1</LocationConstraint>")
        elif "list-type" in asked:
            self._list(asked["prefix"][0], asked.get("continuation-token", [""])[0])
        elif key in self.server.keys:
            self._answer(self.server.keys[key])
        else:
            self._refuse(404, "NoSuchKey")

    def _list(self, prefix: str, after: str) -> None:
        found = [key for key in sorted(self.server.keys) if key.startswith(prefix) and key > after]
        some = found[:KEYS_AT_ONCE]
        more = len(found) > len(some)
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.keys[key])}</Size>"
            f"<ETag>{hash(self.server.keys[key])}</ETag>"
            "<LastModified>2026-01-05T10:00:00.000Z</LastModified></Contents>"
            for key in some
        )
        token = f"<NextContinuationToken>{escape(some[-1])}</NextContinuationToken>" if more else ""
        self._answer(
            f"<ListBucketResult><Name>office</Name><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{contents}</ListBucketResult>".encode()
        )

    def _refuse(self, status: int, code: str) -> None:
        self._answer(f"<Error><Code>{code}</Code></Error>".encode(), status)

    def _answer(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        del args


@contextmanager
def open_store(keys: dict[str, bytes]) -> Iterator[str]:
    """Serve keys of a bucket "office" as S3 does, two at a time; yield the store's address."""
    server = _Store(("127.0.0.1", 0), _Keys)
    server.keys, server.asked = keys, []
    with _running(server):
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def _running(server: WSGIServer | ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
