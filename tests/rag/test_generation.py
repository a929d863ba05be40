"""Speaking to the model server: what it says becomes text, what goes wrong becomes a sentence."""

import json

import httpx
import pytest

from rag.errors import ModelBusy, ModelUnavailable
from rag.generation import USUAL_CONTEXT, Message, ModelServer

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
