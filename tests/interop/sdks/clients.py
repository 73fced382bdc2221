"""The vendors' own clients: each straight at a stand-in for its vendor, then through Impresario to every vendor.

Usage: clients.py STANDIN_URL STANDIN_KEY IMPRESARIO_URL IMPRESARIO_KEY
Each call is boiled down to what its user would see; through Impresario that has to be what the control run showed.
"""

import json
import sys

import anthropic
import httpx2
import openai
from google import genai
from google.genai import errors as google_errors
from google.genai import types

import shapes

STANDIN, STANDIN_KEY, OURS, OUR_KEY = sys.argv[1:5]
# The last one is OpenAI again, asked in Responses alone.
VENDORS = ["anthropic", "openai", "gemini", "responses"]
SCENARIOS = ["text", "tools", "thinking", "json", "image-result", "truncated", "split-3", "stream-2-paced-1200", "error-429", "error-500", "dies"]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = SCHEMA | {"additionalProperties": False}


def seen(text, calls, stop):
    return {"text": text, "calls": sorted((name, json.dumps(args, sort_keys=True)) for name, args in calls), "stop": stop}


def parsed(arguments):
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return "cut"


class Anthropic:
    name = "anthropic"
    home = "anthropic"

    def __init__(self, url, key):
        self.wire = shapes.Recording()
        http = httpx2.Client(transport=self.wire, timeout=30)
        self.client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, http_client=http)

    def ask(self, model, scenario, streamed):
        messages = [{"role": "user", "content": "hi"}]
        if scenario == "image-result":
            image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
            messages += [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [image]}]},
            ]
        tools = [{"name": name, "description": "d", "input_schema": SCHEMA} for name in ("get_weather", "look")]
        wanted = {"model": model, "max_tokens": 4000, "messages": messages, "tools": tools}
        if scenario == "thinking":
            wanted["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if scenario == "json":
            wanted["output_config"] = {"format": {"type": "json_schema", "schema": CLOSED}}
        if streamed:
            with self.client.messages.stream(**wanted) as stream:
                message = stream.get_final_message()
        else:
            message = self.client.messages.create(**wanted)
        text = "".join(block.text for block in message.content if block.type == "text")
        calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
        stop = {"end_turn": "end", "tool_use": "tools", "max_tokens": "cut"}.get(message.stop_reason, message.stop_reason)
        return seen(text, calls, stop)


class Chat:
    name = "openai chat"
    home = "openai"

    def __init__(self, url, key):
        self.wire = shapes.Recording()
        http = httpx2.Client(transport=self.wire, timeout=30)
        self.client = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, http_client=http)

    def ask(self, model, scenario, streamed):
        messages = [{"role": "user", "content": "hi"}]
        if scenario == "image-result":
            call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
            image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}
            messages += [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "call_1", "content": "see below"},
                {"role": "user", "content": [image]},
            ]
        functions = [{"name": name, "description": "d", "parameters": SCHEMA} for name in ("get_weather", "look")]
        tools = [{"type": "function", "function": function} for function in functions]
        wanted = {"model": model, "messages": messages, "tools": tools}
        if scenario == "json":
            schema = {"name": "answer", "strict": True, "schema": CLOSED}
            wanted["response_format"] = {"type": "json_schema", "json_schema": schema}
        if streamed:
            text, calls, stop = "", {}, None
            for chunk in self.client.chat.completions.create(stream=True, **wanted):
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    stop = choice.finish_reason or stop
                    for piece in choice.delta.tool_calls or []:
                        call = calls.setdefault(piece.index, ["", ""])
                        call[0] += piece.function.name or ""
                        call[1] += piece.function.arguments or ""
            if stop is None:
                raise RuntimeError("the stream ended without a reason")
            calls = [(name, parsed(arguments)) for name, arguments in calls.values()]
        else:
            choice = self.client.chat.completions.create(**wanted).choices[0]
            text, stop = choice.message.content or "", choice.finish_reason
            calls = [(call.function.name, parsed(call.function.arguments)) for call in choice.message.tool_calls or []]
        return seen(text, calls, {"stop": "end", "tool_calls": "tools", "length": "cut"}.get(stop, stop))


class Responses:
    name = "openai responses"
    home = "openai"

    def __init__(self, url, key):
        self.wire = shapes.Recording()
        http = httpx2.Client(transport=self.wire, timeout=30)
        self.client = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, http_client=http)

    def ask(self, model, scenario, streamed):
        items = [{"role": "user", "content": "hi"}]
        if scenario == "image-result":
            image = {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64," + PNG}
            items += [
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": [image]},
            ]
        tools = [
            {"type": "function", "name": name, "description": "d", "parameters": SCHEMA, "strict": False}
            for name in ("get_weather", "look")
        ]
        # What is kept is asked for by itself.
        wanted = {"model": model, "input": items, "tools": tools, "store": False}
        if scenario == "json":
            wanted["text"] = {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": CLOSED}}
        if streamed:
            response = None
            for event in self.client.responses.create(stream=True, **wanted):
                if event.type in ("response.completed", "response.incomplete"):
                    response = event.response
                if event.type in ("error", "response.failed"):
                    raise RuntimeError(event.type)
            if response is None:
                raise RuntimeError("the stream ended without its response")
        else:
            response = self.client.responses.create(**wanted)
        calls = [(item.name, parsed(item.arguments)) for item in response.output if item.type == "function_call"]
        stop = "cut" if response.status == "incomplete" else "tools" if calls else "end"
        return seen(response.output_text, calls, stop)


class Gemini:
    name = "google genai"
    home = "gemini"

    def __init__(self, url, key):
        self.wire = shapes.Recording()
        http = httpx2.Client(transport=self.wire, timeout=30)
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url, httpx_client=http))

    def ask(self, model, scenario, streamed):
        contents = [types.Content(role="user", parts=[types.Part.from_text(text="hi")])]
        if scenario == "image-result":
            call = types.Part.from_function_call(name="look", args={})
            answer = types.Part.from_function_response(name="look", response={"output": "see below"})
            image = types.Part.from_bytes(data=__import__("base64").b64decode(PNG), mime_type="image/png")
            contents += [types.Content(role="model", parts=[call]), types.Content(role="user", parts=[answer, image])]
        declared = [
            types.FunctionDeclaration(name=name, description="d", parameters_json_schema=SCHEMA)
            for name in ("get_weather", "look")
        ]
        config = types.GenerateContentConfig(
            tools=[types.Tool(function_declarations=declared)],
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        if scenario == "json":
            config.response_mime_type, config.response_json_schema = "application/json", CLOSED
        wanted = {"model": model, "contents": contents, "config": config}
        if streamed:
            answers = list(self.client.models.generate_content_stream(**wanted))
        else:
            answers = [self.client.models.generate_content(**wanted)]
        text, calls, stop = "", [], None
        for answer in answers:
            for candidate in answer.candidates or []:
                stop = candidate.finish_reason.name if candidate.finish_reason else stop
                for part in (candidate.content and candidate.content.parts) or []:
                    if part.function_call:
                        calls.append((part.function_call.name, part.function_call.args or {}))
                    elif part.text and not part.thought:
                        text += part.text
        if stop is None:
            raise RuntimeError("the stream ended without a reason")
        return seen(text, calls, "cut" if stop == "MAX_TOKENS" else "tools" if calls else "end")


def outcome(sdk, model, scenario, streamed):
    """What a user sees: an answer, or the status of an error, or that the answer broke off."""
    try:
        return sdk.ask(model, scenario, streamed)
    except (anthropic.APIStatusError, openai.APIStatusError) as error:
        return {"status": error.status_code}
    except google_errors.APIError as error:
        return {"status": error.code}
    except Exception as error:  # noqa: BLE001: each client has words of its own for an answer that broke off
        return {"broken": type(error).__name__}


def same(control, found, scenario, streamed):
    if scenario.startswith("error-"):
        return found.get("status") == int(scenario.removeprefix("error-"))
    if scenario == "dies":
        # Straight, some clients take what there was for all of it. Through Impresario no client may.
        return "text" not in found
    if scenario == "truncated":
        return found.get("stop") == "cut" and found["text"] == control["text"]
    return found == control


def said(client, streamed, **wanted):
    if not streamed:
        return client.responses.create(**wanted)
    with client.responses.stream(**wanted) as stream:
        return stream.get_final_response()


def conversation(vendor, streamed):
    """Three turns and a branch by `previous_response_id`, and what is kept of them: what is wrong, if anything is."""
    client = Responses(OURS, OUR_KEY).client
    model, previous, wrong = f"{vendor}/text", None, []
    turns = []
    for word in ("one", "two", "three"):
        more = {"previous_response_id": previous} if previous else {}
        turns.append(said(client, streamed, model=model, input=word, **more))
        if not turns[-1].output_text or turns[-1].previous_response_id != previous or turns[-1].status != "completed":
            wrong.append(turns[-1])
        previous = turns[-1].id
    branch = said(client, streamed, model=model, input="another", previous_response_id=turns[1].id)
    items = list(client.responses.input_items.list(branch.id, order="asc", limit=2))
    words = [item.content for item in items if item.type == "message" and item.role == "user"]
    if words != ["one", "two", "another"] or len(items) < 5:
        wrong.append(items)
    if client.responses.retrieve(branch.id).output_text != branch.output_text:
        wrong.append("what is kept is another answer")
    client.responses.delete(branch.id)
    for ask in (
        lambda: client.responses.retrieve(branch.id),
        lambda: client.responses.create(model=model, input="x", previous_response_id=branch.id),
    ):
        try:
            wrong.append(ask())
        except openai.NotFoundError:
            pass
        except openai.BadRequestError as error:
            if error.code != "previous_response_not_found":
                wrong.append(error)
    return wrong


def besides(ask, vendors):
    """What is no conversation: straight at the stand-in, then of every vendor; what is wrong, if anything is."""
    control = ask(STANDIN, STANDIN_KEY, "text")
    found = {vendor: ask(OURS, OUR_KEY, f"{vendor}/text") for vendor in vendors}
    return [(vendor, control, what) for vendor, what in found.items() if what != control]


def anthropic_counts(url, key, model):
    client = Anthropic(url, key).client
    return client.messages.count_tokens(model=model, messages=[{"role": "user", "content": "hi"}]).input_tokens


def openai_counts(url, key, model):
    return Chat(url, key).client.responses.input_tokens.count(model=model, input="hi").input_tokens


def openai_embeds(url, key, model):
    answer = Chat(url, key).client.embeddings.create(model=model, input=["a", "b"], dimensions=4)
    return [(vector.index, vector.embedding) for vector in answer.data]


def openai_paints(url, key, model):
    return Chat(url, key).client.images.generate(model=model, prompt="a cat").data[0].b64_json


def openai_hears(url, key, model):
    sound = ("a.wav", b"RIFF" + bytes(300_000))
    return Chat(url, key).client.audio.transcriptions.create(model=model, file=sound).text


def openai_speaks(url, key, model):
    return Chat(url, key).client.audio.speech.create(model=model, input="hi", voice="alloy").read()


def gemini_counts(url, key, model):
    return Gemini(url, key).client.models.count_tokens(model=model, contents="hi").total_tokens


def gemini_embeds(url, key, model):
    answer = Gemini(url, key).client.models.embed_content(model=model, contents=["a", "b"])
    return [vector.values for vector in answer.embeddings]


BESIDES = [
    (anthropic_counts, VENDORS),
    (openai_counts, VENDORS),
    (gemini_counts, VENDORS),
    (openai_embeds, ["openai", "gemini"]),
    (gemini_embeds, ["openai", "gemini"]),
    (openai_paints, ["openai"]),
    (openai_hears, ["openai"]),
    (openai_speaks, ["openai"]),
]


def lookups():
    """One model by its name, and one that is not there: what is wrong, if anything is."""
    anthropics, openais, geminis = (kind(OURS, OUR_KEY).client for kind in (Anthropic, Chat, Gemini))
    wrong = []
    for vendor in VENDORS:
        name = f"{vendor}/text"
        found = anthropics.models.retrieve(name).id, openais.models.retrieve(name).id, geminis.models.get(model=name).name
        if found != (name, name, f"models/{name}"):
            wrong.append(found)
    for ask in (
        lambda: anthropics.models.retrieve("never"),
        lambda: openais.models.retrieve("never"),
        lambda: openais.embeddings.create(model="anthropic/text", input="a"),
        lambda: openais.images.generate(model="gemini/text", prompt="a cat"),
        lambda: openais.files.list(),
    ):
        try:
            wrong.append(ask())
        except (anthropic.NotFoundError, openai.NotFoundError):
            pass
    try:
        wrong.append(geminis.models.get(model="never"))
    except google_errors.ClientError as error:
        if error.code != 404:
            wrong.append(error)
    return wrong


def main():
    failures, cells = [], 0
    print(f"{'client':<18}{'vendor':<12}{'':<8}" + "".join(f"{scenario.removesuffix('-paced-1200'):>14}" for scenario in SCENARIOS))
    for kind in (Anthropic, Chat, Responses, Gemini):
        straight, through = kind(STANDIN, STANDIN_KEY), kind(OURS, OUR_KEY)
        for streamed in (False, True):
            form = "stream" if streamed else "plain"
            control = {}
            for scenario in SCENARIOS:
                control[scenario] = outcome(straight, scenario, scenario, streamed)
                misshapen = shapes.complaints(kind.name, straight.wire)
                # What the stand-in breaks off has no shape.
                if misshapen and scenario != "dies":
                    failures.append((kind.name, "control", form, scenario, misshapen))
            print(f"{kind.name:<18}{'(control)':<12}{form:<8}" + "".join(f"{short(control[one]):>14}" for one in SCENARIOS))
            for vendor in VENDORS:
                row = ""
                for scenario in SCENARIOS:
                    found = outcome(through, f"{vendor}/{scenario}", scenario, streamed)
                    misshapen = shapes.complaints(kind.name, through.wire)
                    good = same(control[scenario], found, scenario, streamed) and not misshapen
                    cells += 1
                    row += f"{'ok' if good else 'WRONG':>14}"
                    if not good:
                        failures.append((kind.name, vendor, form, scenario, control[scenario], found, misshapen))
                print(f"{kind.name:<18}{vendor:<12}{form:<8}{row}")
    for streamed in (False, True):
        row = ""
        for vendor in VENDORS:
            wrong = conversation(vendor, streamed)
            row += f"{vendor + (' WRONG' if wrong else ' ok'):>18}"
            if wrong:
                failures.append(("previous_response_id", vendor, "stream" if streamed else "plain", wrong))
        print(f"{'openai responses':<18}{'(kept)':<12}{'stream' if streamed else 'plain':<8}{row}")
    for ask, vendors in BESIDES:
        wrong = besides(ask, vendors)
        print(f"{ask.__name__:<38}" + "".join(f"{vendor + (' WRONG' if vendor in {one[0] for one in wrong} else ' ok'):>18}" for vendor in vendors))
        if wrong:
            failures.append((ask.__name__, wrong))
    wrong = lookups()
    print(f"{'one model, and what is not there':<38}{'WRONG' if wrong else 'ok':>18}")
    if wrong:
        failures.append(("one model, and what is not there", wrong))
    for failure in failures:
        print("WRONG:", *failure, sep="\n  ")
    wrong = sum(len(failure) > 5 for failure in failures)
    print(f"{cells - wrong} of {cells} calls of the vendors' own clients are what their users expect")
    sys.exit(1 if failures else 0)


def short(result):
    return str(result.get("status") or result.get("broken", "answer"))[:13]


main()
