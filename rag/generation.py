"""Speak to the model server: the one module that knows its API."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypedDict

import httpx

from rag.errors import ModelBusy, ModelUnavailable

CONNECT_SECONDS = 3.0
STATE_SECONDS = 2.0
TEMPERATURE = 0.0
SEED = 0
MOST_LOGPROBS: Final = 20
"""What vLLM gives at most."""
FEW_TOKENS: Final = 4


class Message(TypedDict):
    """One message of a prompt, in the model server's form."""

    role: str
    content: str


class ModelServer:
    """A model behind an OpenAI-compatible server, such as vLLM.

    Args:
        url: Its address, with or without a trailing ``/v1``.
        name: The served model's name; empty takes the first one the server lists.
        api_key: Sent as a bearer token when not empty.
        timeout_seconds: Longest silence between two pieces of a reply.
        transport: For tests.
    """

    def __init__(
        self,
        *,
        url: str,
        name: str = "",
        api_key: str = "",
        timeout_seconds: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._name = name
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
            with self._translated_errors():
                reply = self._client.get("/v1/models", timeout=STATE_SECONDS)
                reply.raise_for_status()
                self._name = str(reply.json()["data"][0]["id"])
        return self._name

    def state(self) -> str:
        """Return "ready", or "away: " with the reason."""
        try:
            with self._translated_errors():
                self._client.get("/health", timeout=STATE_SECONDS).raise_for_status()
            _ = self.name
        except (ModelUnavailable, ModelBusy) as error:
            return f"away: {error}"
        return "ready"

    def complete(
        self, messages: Sequence[Message], *, maximum_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str]:
        """Yield the reply's text piece by piece, at temperature 0.

        Closing the iterator ends the request, and with it the generation.

        Raises:
            ModelUnavailable: The server is away, refuses, or breaks off.
            ModelBusy: The server has no seat free.
        """
        body = {
            "model": self.name,
            "messages": list(messages),
            "max_tokens": maximum_tokens,
            "temperature": TEMPERATURE,
            "seed": SEED,
            "stream": True,
            "stop": list(stop),
        }
        with (
            self._translated_errors(),
            self._client.stream("POST", "/v1/chat/completions", json=body) as reply,
        ):
            if reply.is_error:
                reply.read()
            reply.raise_for_status()
            yield from _pieces(reply.iter_lines())

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

    def _whole(
        self, messages: Sequence[Message], told: Mapping[str, object], *, maximum_tokens: int
    ) -> Any:
        body = {
            "model": self.name,
            "messages": list(messages),
            "max_tokens": maximum_tokens,
            "temperature": TEMPERATURE,
            "seed": SEED,
            **told,
        }
        with self._translated_errors():
            reply = self._client.post("/v1/chat/completions", json=body)
            reply.raise_for_status()
            return reply.json()["choices"][0]

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
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


def _pieces(lines: Iterator[str]) -> Iterator[str]:
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
