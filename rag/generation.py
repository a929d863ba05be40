"""Speak to the model server: the one module that knows its API."""

import hashlib
import hmac
import json
import math
import secrets
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final, TypedDict

import httpx

from rag.errors import ModelBusy, ModelUnavailable

CONNECT_SECONDS = 3.0
STATE_SECONDS = 2.0
SILENCE_SECONDS = 60.0
TEMPERATURE = 0.0
SEED = 0
MOST_LOGPROBS: Final = 20
"""What vLLM gives at most."""
FEW_TOKENS: Final = 4

USUAL_CONTEXT: Final = 4_096
"""Tokens of a model's window where the server does not tell."""
BYTES_PER_TOKEN: Final = 3
"""Where the server does not count: English has some 4.5 bytes to a token, so this is careful."""
KEPT_COUNTS: Final = 25_000
"""Texts whose length in tokens is remembered, those of passages that are read ahead among them."""
AWAY_SECONDS: Final = 2.0
"""How long a server that could not be reached is not tried again."""
COUNTED_AT_ONCE: Final = 8
COUNT_SECONDS: Final = 0.5
"""Longest wait for a count; a server that is slower is not asked to count for a while."""
COUNTS_AGAIN_SECONDS: Final = 5.0
WELL_SECONDS: Final = 10.0
"""How long a server that has just answered is taken to be there."""
CUT_OFF: Final = "length"
"""Said of a reply that ended because it grew as long as was allowed."""


class Message(TypedDict):
    """One message of a prompt, in the model server's form."""

    role: str
    content: str


class HangUp:
    """Ends a reply from another thread, even one whose first piece is still waited for.

    The server sees the connection go and stops reading the prompt, or writing, for nobody.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.is_called = False

    def __call__(self) -> None:
        """End the reply; whoever reads it finds it at its end."""
        with self._lock:
            self.is_called = True
            self._cut()

    @contextmanager
    def over(self, reply: httpx.Response) -> Iterator[None]:
        """While it is entered, a call cuts the connection of this reply and no other's."""
        stream = reply.extensions.get("network_stream")
        with self._lock:
            self._connection = stream.get_extra_info("socket") if stream else None
            if self.is_called:
                self._cut()
        try:
            yield
        except Exception:
            if not self.is_called:
                raise
        finally:
            with self._lock:
                self._connection = None

    def _cut(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


class ModelServer:
    """A model behind an OpenAI-compatible server, such as vLLM.

    Args:
        url: Its address, with or without a trailing ``/v1``.
        name: The served model's name; empty takes the first one the server lists.
        api_key: Sent as a bearer token when not empty.
        timeout_seconds: Longest silence between two pieces of a reply.
        context_tokens: The model's window; 0 asks the server.
        transport: For tests.
        monotonic: Seconds from any start, never running backwards.
    """

    def __init__(
        self,
        *,
        url: str,
        name: str = "",
        api_key: str = "",
        timeout_seconds: float = SILENCE_SECONDS,
        context_tokens: int = 0,
        transport: httpx.BaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._name = name
        self._context_tokens = context_tokens
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._counts: OrderedDict[bytes, int] = OrderedDict()
        self._counts_itself = True
        self._counts_again_at = 0.0
        self._lock = threading.Lock()
        self._salt = secrets.token_bytes(32)
        self._away = ""
        self._away_since = 0.0
        self._well_at: float | None = None
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            transport=transport,
            trust_env=False,
        )

    @property
    def name(self) -> str:
        """The served model's name; asks the server when it was not configured."""
        if not self._name:
            self._read_card()
        return self._name

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and reply may have together.

        Asks the server where not configured; one that does not tell is taken to have a window
        of the usual size.
        """
        if not self._context_tokens:
            try:
                self._read_card()
            except (ModelUnavailable, ModelBusy):
                return USUAL_CONTEXT
        return self._context_tokens

    def state(self) -> str:
        """Return "ready", or "away: " with the reason."""
        try:
            with self._translated_errors():
                self._client.get("/health", timeout=STATE_SECONDS).raise_for_status()
            _ = self.name
        except (ModelUnavailable, ModelBusy) as error:
            return f"away: {error}"
        self._note_well()
        return "ready"

    def state_lately(self) -> str:
        """The same, looked at no more often than it takes to be quick."""
        if self._is_away():
            return f"away: {self._away}"
        if self._well_at is not None and self._monotonic() - self._well_at < WELL_SECONDS:
            return "ready"  # one that is busy writing may be slow to say that it is well
        return self.state()

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has, as the server counts them.

        A server that does not count (vLLM does, under ``/tokenize``) gives way to an estimate
        that is rather too large; so does one that is away.
        """
        key = _digest(text)
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
                return self._counts[key]
        estimate = len(text.encode()) // BYTES_PER_TOKEN + 1
        if not text:
            return 0
        if not self._counts_itself or self._is_away() or self._monotonic() < self._counts_again_at:
            return estimate
        counted = self._count_at_server(text)
        if counted is None:
            return estimate
        with self._lock:
            self._counts[key] = counted
            while len(self._counts) > KEPT_COUNTS:
                self._counts.popitem(last=False)
        return counted

    def count_ahead(self, texts: Sequence[str]) -> None:
        """Have the server count several texts at once, so that each is known when it is needed."""
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if _digest(text) not in self._counts]
        if self._counts_itself and len(new) > 1:
            with ThreadPoolExecutor(max_workers=COUNTED_AT_ONCE) as pool:
                list(pool.map(self.count_tokens, new))

    def complete(
        self,
        messages: Sequence[Message],
        *,
        maximum_tokens: int,
        stop: Sequence[str] = (),
        seconds: float | None = None,
        ended: Callable[[str], None] | None = None,
        reader: str = "",
        hang_up: HangUp | None = None,
    ) -> Generator[str, None, None]:
        """Yield the reply's text piece by piece, at temperature 0.

        Closing the iterator ends the request, and with it the generation.

        Args:
            messages: The prompt.
            maximum_tokens: Of the reply.
            stop: Strings that end it.
            seconds: Longest silence before a piece, where shorter than usual.
            ended: Told why the reply ended, as the server says: "stop" or `CUT_OFF`.
            reader: Whose prompt it is. What the server keeps of it to read it faster another
                time then serves nobody else, or how fast it answers would tell what others read.
            hang_up: Called from another thread, it ends the reply at once.

        Raises:
            ModelUnavailable: The server is away, refuses, or breaks off.
            ModelBusy: The server has no seat free.
        """
        if self._is_away():
            raise ModelUnavailable(self._away)
        silence = min(seconds or self._timeout_seconds, self._timeout_seconds)
        with self._translated_errors():
            body = self._body(messages, maximum_tokens) | {"stream": True, "stop": list(stop)}
            if reader:
                body["cache_salt"] = hmac.new(self._salt, reader.encode(), "sha256").hexdigest()
            with self._client.stream(
                "POST",
                "/v1/chat/completions",
                json=body,
                timeout=httpx.Timeout(silence, connect=min(CONNECT_SECONDS, silence)),
            ) as reply:
                if reply.is_error:
                    reply.read()
                reply.raise_for_status()
                hang_up = hang_up or HangUp()
                with hang_up.over(reply):
                    for piece in _pieces(reply.iter_lines(), ended):
                        if hang_up.is_called:
                            return
                        self._note_well()
                        yield piece

    def _is_away(self) -> bool:
        return bool(self._away) and self._monotonic() - self._away_since < AWAY_SECONDS

    def _note_well(self) -> None:
        self._away, self._well_at = "", self._monotonic()

    def _read_card(self) -> None:
        """Ask the server what it serves and how much fits into it."""
        with self._translated_errors():
            reply = self._client.get("/v1/models", timeout=STATE_SECONDS)
            reply.raise_for_status()
            cards = reply.json()["data"]
            named = next((card for card in cards if card.get("id") == self._name), cards[0])
            self._name = self._name or str(named["id"])
            if not self._context_tokens:
                self._context_tokens = int(named.get("max_model_len") or USUAL_CONTEXT)

    def _count_at_server(self, text: str) -> int | None:
        try:
            body = {"model": self.name, "prompt": text, "add_special_tokens": False}
            reply = self._client.post("/tokenize", json=body, timeout=COUNT_SECONDS)
            if reply.is_client_error:
                self._counts_itself = False
            reply.raise_for_status()
            return int(reply.json()["count"])
        except (httpx.HTTPError, ModelUnavailable, ModelBusy, ValueError, KeyError, TypeError):
            self._counts_again_at = self._monotonic() + COUNTS_AGAIN_SECONDS
            return None

    def probabilities(
        self, messages: Sequence[Message], *, choices: Sequence[str]
    ) -> dict[str, float]:
        """Return how likely the model finds each of some answers; together 1.

        Raises:
            ModelUnavailable: The server is away, or gives no probabilities.
            ModelBusy: The server has no seat free.
        """
        told = {
            "structured_outputs": {"choice": list(choices)},
            "logprobs": True,
            "top_logprobs": MOST_LOGPROBS,
        }
        choice = self._whole(messages, told, maximum_tokens=FEW_TOKENS)
        with self._translated_errors():
            return _shares(choices, choice["logprobs"]["content"][0]["top_logprobs"])

    def complete_in_form(
        self, messages: Sequence[Message], *, form: Mapping[str, object], maximum_tokens: int
    ) -> str:
        """Return a reply that the server holds to a JSON schema; it may be cut off.

        Raises:
            ModelUnavailable: The server is away, or knows no forms.
            ModelBusy: The server has no seat free.
        """
        schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": form}}
        told = {"response_format": schema}
        message = self._whole(messages, told, maximum_tokens=maximum_tokens)["message"]
        return str(message["content"])

    def _body(self, messages: Sequence[Message], maximum_tokens: int) -> dict[str, object]:
        """Return what every request for words says."""
        return {
            "model": self.name,
            "messages": list(messages),
            "max_tokens": maximum_tokens,
            "temperature": TEMPERATURE,
            "seed": SEED,
        }

    def _whole(
        self, messages: Sequence[Message], told: Mapping[str, object], *, maximum_tokens: int
    ) -> Any:
        with self._translated_errors():
            body = self._body(messages, maximum_tokens) | dict(told)
            reply = self._client.post("/v1/chat/completions", json=body)
            reply.raise_for_status()
            return reply.json()["choices"][0]

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            with self._named_errors():
                yield
        except ModelUnavailable as error:
            self._well_at = None
            if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                self._away, self._away_since = str(error), self._monotonic()
            raise

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPStatusError as error:
            raise _from_status(error, self.url) from error
        except httpx.TimeoutException as error:
            raise ModelUnavailable(
                f"The model server at {self.url} did not answer in time. "
                "Look at its log, or ask for quotes only."
            ) from error
        except httpx.HTTPError as error:
            raise ModelUnavailable(
                f"The model server at {self.url} cannot be reached ({type(error).__name__}). "
                "Start it, or set MUNIMENT_MODEL_URL to one that runs."
            ) from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ModelUnavailable(
                f"The server at {self.url} did not answer as a model server does. "
                "Check MUNIMENT_MODEL_URL."
            ) from error


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _pieces(lines: Iterator[str], ended: Callable[[str], None] | None) -> Iterator[str]:
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        message = json.loads(data)
        if "error" in message:
            raise ModelUnavailable("The model server broke off. Look at its log, and ask again.")
        for choice in message.get("choices", []):
            if piece := choice.get("delta", {}).get("content"):
                yield piece
            if ended is not None and choice.get("finish_reason"):
                ended(str(choice["finish_reason"]))


def _from_status(error: httpx.HTTPStatusError, url: str) -> ModelBusy | ModelUnavailable:
    status = error.response.status_code
    if status in {429, 503}:
        return ModelBusy(f"The model server at {url} is busy. Ask again in a minute.")
    if status in {401, 403}:
        return ModelUnavailable(
            f"The model server at {url} refuses the key. Check MUNIMENT_MODEL_KEY."
        )
    if status == 404:
        return ModelUnavailable(
            f"The model server at {url} does not know this model. Check MUNIMENT_MODEL_NAME."
        )
    return ModelUnavailable(f"The model server at {url} answered with status {status}.")


def _shares(choices: Sequence[str], tokens: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return what of the likelihood of first tokens falls to each of some answers."""
    found = dict.fromkeys(choices, 0.0)
    for token in tokens:
        begun = str(token["token"]).strip().lower()
        for choice in choices:
            if begun and choice.lower().startswith(begun):
                found[choice] += math.exp(float(token["logprob"]))
    total = sum(found.values())
    return {choice: share / total if total else 1 / len(found) for choice, share in found.items()}
