"""A small IMAP server on loopback: one account, folders of messages, nothing that changes them."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

USER, PASSWORD = "archive", "open sesame"
VALIDITY = 41


class _Conversation(socketserver.StreamRequestHandler):
    server: "PostOffice"

    def handle(self) -> None:
        self._say("* OK post office")
        self.folder = ""
        for line in self.rfile:
            tag, _, rest = line.decode().strip().partition(" ")
            command, _, arguments = rest.partition(" ")
            self.server.heard.append(command.upper())
            if not self._answer(command.upper(), arguments):
                self._say(f"{tag} NO that is not done here")
                continue
            self._say(f"{tag} OK done")
            if command.upper() == "LOGOUT":
                return

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def _answer(self, command: str, arguments: str) -> bool:
        if command == "CAPABILITY":
            self._say("* CAPABILITY IMAP4rev1")
        elif command == "LOGIN":
            return PASSWORD in arguments
        elif command == "LIST":
            for name in self.server.folders:
                self._say(f'* LIST (\\HasNoChildren) "/" "{name}"')
        elif command == "EXAMINE":
            self.folder = arguments.strip('"')
            if self.folder not in self.server.folders:
                return False
            self._say(f"* {len(self.server.folders[self.folder])} EXISTS")
            self._say(f"* OK [UIDVALIDITY {VALIDITY}] valid")
        elif command == "UID":
            self._by_number(*arguments.split(" ", 1))
        return command in {"CAPABILITY", "LOGIN", "LIST", "EXAMINE", "UID", "LOGOUT", "NOOP"}

    def _by_number(self, command: str, arguments: str) -> None:
        messages = self.server.folders[self.folder]
        if command == "SEARCH":
            self._say("* SEARCH " + " ".join(map(str, messages)))
            return
        numbers, _, wanted = arguments.partition(" ")
        for place, uid in enumerate(map(int, numbers.split(",")), 1):
            data = messages.get(uid)
            if data is None:
                continue
            if "SIZE" in wanted:
                self._say(f"* {place} FETCH (UID {uid} RFC822.SIZE {len(data)})")
            else:
                self._say(f"* {place} FETCH (UID {uid} BODY[] {{{len(data)}}}")
                self.wfile.write(data + b")\r\n")


class PostOffice(socketserver.ThreadingTCPServer):
    """The server, with its folders: messages by number."""

    daemon_threads = True

    def __init__(self, folders: dict[str, dict[int, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.folders = folders
        self.heard: list[str] = []

    @property
    def url(self) -> str:
        return f"imap://{USER}@127.0.0.1:{self.server_address[1]}"


@contextmanager
def open_post_office(folders: dict[str, dict[int, bytes]]) -> Iterator[PostOffice]:
    with PostOffice(folders) as office:
        thread = threading.Thread(target=office.serve_forever, daemon=True)
        thread.start()
        yield office
        office.shutdown()
        thread.join()
