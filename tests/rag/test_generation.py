"""Speaking to the model server: what it says becomes text, what goes wrong becomes a sentence."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from rag.errors import ModelBusy, ModelUnavailable
from rag.generation import USUAL_CONTEXT, HangUp, Message, ModelServer

QUESTION = [Message(role="user", content="How much leave?")]


def server(handler: object) -> ModelServer:
    assert callable(handler)
    return ModelServer(
        url="http://model/v1/", name="small", api_key="k", transport=httpx.MockTransport(handler)
    )


def stream(*pieces: str) -> str:
    lines = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).replace('"[DONE]"', "[DONE]")


def test_a_reply_is_yielded_piece_by_piece() -> None:
    model = server(lambda request: httpx.Response(200, text=stream("27 ", "days.")))

    assert list(model.complete(QUESTION, maximum_tokens=10)) == ["27 ", "days."]


def test_it_asks_for_no_randomness_and_sends_the_key() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text=stream("x"))

    list(server(handler).complete(QUESTION, maximum_tokens=10))

    body = json.loads(seen[0].content)
    assert (body["temperature"], body["max_tokens"], body["model"]) == (0.0, 10, "small")
    assert seen[0].headers["Authorization"] == "Bearer k"
    assert seen[0].url == "http://model/v1/chat/completions"


def test_the_name_is_asked_for_when_it_was_not_configured() -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, json={"data": [{"id": "found"}]})
    )

    assert ModelServer(url="http://model", transport=transport).name == "found"


@pytest.mark.parametrize(
    ("status", "error", "word"),
    [
        (401, ModelUnavailable, "MUNIMENT_MODEL_KEY"),
        (404, ModelUnavailable, "MUNIMENT_MODEL_NAME"),
        (429, ModelBusy, "busy"),
        (500, ModelUnavailable, "500"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, error: type[Exception], word: str) -> None:
    model = server(lambda request: httpx.Response(status))

    with pytest.raises(error, match=word):
        list(model.complete(QUESTION, maximum_tokens=10))


def test_a_server_that_is_away_is_said_to_be_away() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    model = server(refuse)

    assert model.state().startswith("away: The model server at http://model cannot be reached")


def test_another_kind_of_server_is_recognised() -> None:
    model = server(lambda request: httpx.Response(200, text="data: <html>\n\n"))

    with pytest.raises(ModelUnavailable, match="MUNIMENT_MODEL_URL"):
        list(model.complete(QUESTION, maximum_tokens=10))


def test_an_error_in_the_middle_is_not_taken_for_the_end() -> None:
    broken = stream("27 ").replace("data: [DONE]", 'data: {"error": {"message": "engine died"}}')
    model = server(lambda request: httpx.Response(200, text=broken))

    with pytest.raises(ModelUnavailable, match="broke off"):
        list(model.complete(QUESTION, maximum_tokens=10))


def counting(request: httpx.Request) -> httpx.Response:
    """Be a server that counts words, and tells its window."""
    if request.url.path == "/tokenize":
        return httpx.Response(
            200, json={"count": len(json.loads(request.content)["prompt"].split())}
        )
    return httpx.Response(200, json={"data": [{"id": "small", "max_model_len": 8_192}]})


def test_tokens_are_counted_by_the_server_and_each_text_once() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return counting(request)

    model = server(handler)

    assert [model.count_tokens("How much leave?") for _ in range(3)] == [3, 3, 3]
    assert asked == ["/tokenize"]


def test_texts_counted_ahead_are_known_when_they_are_needed() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["prompt"])
        return counting(request)

    model = server(handler)
    model.count_ahead(["How much leave?", "And sick pay?", "How much leave?"])
    asked.sort()

    assert [model.count_tokens(text) for text in ("How much leave?", "And sick pay?")] == [3, 3]
    assert asked == ["And sick pay?", "How much leave?"]


def test_a_server_that_does_not_count_gives_way_to_an_estimate_and_is_not_asked_again() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404)

    model = server(handler)

    assert [model.count_tokens(text) >= 3 for text in ("How much leave?", "And sick pay?")]
    assert asked == ["/tokenize"]


def test_the_window_is_what_the_server_tells() -> None:
    assert server(counting).context_tokens == 8_192


def test_a_server_that_does_not_tell_its_window_has_the_usual_one() -> None:
    assert server(lambda request: httpx.Response(500)).context_tokens == USUAL_CONTEXT


def test_a_server_that_cannot_be_reached_is_left_alone_for_a_moment_and_then_tried_again() -> None:
    now = [0.0]
    tried: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.path)
        if now[0] < 5:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, text=stream("back"))

    model = ModelServer(
        url="http://model",
        name="small",
        transport=httpx.MockTransport(handler),
        monotonic=lambda: now[0],
    )
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            list(model.complete(QUESTION, maximum_tokens=10))
    assert len(tried) == 1
    assert model.state_lately().startswith("away")

    now[0] = 10.0

    assert list(model.complete(QUESTION, maximum_tokens=10)) == ["back"]
    assert model.state_lately() == "ready"


def test_why_a_reply_ended_is_told() -> None:
    ended: list[str] = []
    line = json.dumps({"choices": [{"delta": {"content": "27"}, "finish_reason": "length"}]})
    model = server(lambda request: httpx.Response(200, text=f"data: {line}\n\n"))

    list(model.complete(QUESTION, maximum_tokens=1, ended=ended.append))

    assert ended == ["length"]


def test_a_reply_that_is_hung_up_on_ends_at_once_and_the_server_sees_it() -> None:
    hang_up = HangUp()
    with silent_server() as (url, gone):
        model = ModelServer(url=url, name="small")
        read: list[str] = []
        reader = threading.Thread(
            target=lambda: read.extend(model.complete(QUESTION, maximum_tokens=10, hang_up=hang_up))
        )
        reader.start()
        assert gone.began.wait(10)
        while not read:
            reader.join(0.01)
        hang_up()
        reader.join(10)

        assert not reader.is_alive()
        assert gone.ended.wait(10)
        assert read == ["27 "]


def test_a_reply_that_was_hung_up_on_before_it_began_brings_nothing() -> None:
    hang_up = HangUp()
    hang_up()
    with silent_server() as (url, _):
        model = ModelServer(url=url, name="small")

        assert list(model.complete(QUESTION, maximum_tokens=10, hang_up=hang_up)) == []


@dataclass
class Gone:
    """When a reply began, and when the server saw that nobody reads it any more."""

    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def silent_server() -> Iterator[tuple[str, Gone]]:
    """Serve one piece of a reply and then nothing more, as a model that reads a long prompt."""
    gone = Gone()

    class Speaker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            piece = json.dumps({"choices": [{"delta": {"content": "27 "}}]})
            self.wfile.write(f"data: {piece}\n\n".encode())
            gone.began.set()
            self.connection.settimeout(10)
            if self.rfile.read(1) == b"":
                gone.ended.set()

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Speaker)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", gone
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
