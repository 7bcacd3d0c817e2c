"""A Starlette app that streams: server-sent events and WebSocket messages.

Every event but the first is held until the client has confirmed the one before it (POST
/seen/{name}/{n}), so that an intermediary which holds events back brings the stream to a halt.
"""

import asyncio
import json
from collections import defaultdict

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

EVENTS = 5

confirmed = defaultdict(lambda: defaultdict(asyncio.Event))


async def hello(request):
    return PlainTextResponse("hello from starlette")


async def seen(request):
    name, n = request.path_params["name"], request.path_params["n"]
    confirmed[name][n].set()
    return JSONResponse({"seen": n})


async def event_stream(name):
    for n in range(EVENTS):
        yield f"id: {n}\nevent: tick\ndata: {json.dumps({'name': name, 'n': n})}\n\n"
        await confirmed[name][n].wait()


async def events(request):
    stream = event_stream(request.path_params["name"])
    headers = {"Cache-Control": "no-cache"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def echo(websocket):
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "ticks":
                for n in range(EVENTS):
                    await websocket.send_json({"n": n})
                    assert await websocket.receive_text() == f"seen {n}"
            elif message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        return


app = Starlette(
    routes=[
        Route("/", hello),
        Route("/events/{name}", events),
        Route("/seen/{name}/{n:int}", seen, methods=["POST"]),
        WebSocketRoute("/ws", echo),
    ]
)
