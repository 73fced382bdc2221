"""Whether what came over the wire has the shape that the vendors publish, by the types of their own clients.

The clients themselves are lenient: they build their types out of whatever comes. Here each answer, each event of a stream
and each error is held against those types strictly: what is required is there, of its type, and a word is one of its words.
"""

import json
import typing

import anthropic.types
import httpx2
import openai.types.chat
import openai.types.responses
import pydantic
from google.genai import types as google_types


class ErrorObject(pydantic.BaseModel):
    message: str
    type: str
    param: typing.Optional[str]
    code: typing.Optional[str]


class OpenaiError(pydantic.BaseModel):
    error: ErrorObject


class GoogleErrorObject(pydantic.BaseModel):
    code: int
    message: str
    status: str


class GoogleError(pydantic.BaseModel):
    error: GoogleErrorObject


class Ping(pydantic.BaseModel):
    """In Anthropic's documentation of streams, and not among its client's types."""

    type: typing.Literal["ping"]


# For each client: a whole answer, an event of a stream, an error before the first byte, an error within a stream.
SHAPES = {
    "anthropic": (
        anthropic.types.Message,
        typing.Union[anthropic.types.RawMessageStreamEvent, Ping],
        anthropic.types.ErrorResponse,
        anthropic.types.ErrorResponse,
    ),
    "openai chat": (
        openai.types.chat.ChatCompletion,
        openai.types.chat.ChatCompletionChunk,
        OpenaiError,
        OpenaiError,
    ),
    "openai responses": (
        openai.types.responses.Response,
        openai.types.responses.ResponseStreamEvent,
        OpenaiError,
        openai.types.responses.ResponseErrorEvent,
    ),
    "google genai": (
        google_types.GenerateContentResponse,
        google_types.GenerateContentResponse,
        GoogleError,
        GoogleError,
    ),
}


class Recording(httpx2.HTTPTransport):
    """Keeps what came: the status and the bytes of the last answer."""

    def __init__(self):
        super().__init__()
        self.status, self.body = None, bytearray()

    def handle_request(self, request):
        response = super().handle_request(request)
        self.status, self.body = response.status_code, bytearray()
        self.is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        response.stream = Copied(response.stream, self.body)
        return response


class Copied(httpx2.SyncByteStream):
    def __init__(self, stream, body):
        self.stream, self.body = stream, body

    def __iter__(self):
        for piece in self.stream:
            self.body.extend(piece)
            yield piece

    def close(self):
        self.stream.close()


def events(body):
    """The data of each whole event of a stream."""
    found = []
    for frame in bytes(body).replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        lines = [line[5:].strip() for line in frame.split(b"\n") if line.startswith(b"data:")]
        if lines and lines != [b"[DONE]"]:
            found.append(b"\n".join(lines))
    return found


def complaints(name, recording):
    """What is wrong with the last answer, in words; nothing if its shape is right."""
    whole, event, refusal, failure = SHAPES[name]
    if recording.status is None:
        return ["no answer came"]
    if recording.status >= 400:
        return held(refusal, bytes(recording.body))
    if not recording.is_stream:
        return held(whole, bytes(recording.body))
    wrong = []
    for data in events(recording.body):
        shape = failure if is_error(data) else event
        wrong += held(shape, data)
    return wrong


def is_error(data):
    try:
        found = json.loads(data)
    except ValueError:
        return False
    return isinstance(found, dict) and (found.get("type") == "error" or set(found) == {"error"})


def held(shape, data):
    try:
        pydantic.TypeAdapter(shape).validate_json(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        return [f"{shape_name(shape)} at {first['loc']}: {first['msg']} in {data[:300]!r}"]
    return []


def shape_name(shape):
    return getattr(shape, "__name__", str(shape)[:40])
