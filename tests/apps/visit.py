"""Visits stream.py through the sidecar with clients that other people wrote: httpx, websockets.

Usage: visit.py HOST:PORT. Ends with status 0 when everything arrived in order and in time.
"""

import asyncio
import json
import sys
import time

import httpx
import websockets

EVENTS = 5
PATIENCE = 15  # seconds until a held-back event counts as lost


async def server_sent_events(base, coding):
    """Confirms each event when it was read; the app sends the next one only then."""
    name = f"visit-{coding}"
    async with httpx.AsyncClient(base_url=base, timeout=PATIENCE) as client:
        headers = {"Accept-Encoding": coding, "Accept": "text/event-stream"}
        async with client.stream("GET", f"/events/{name}", headers=headers) as answer:
            assert answer.status_code == 200, answer.status_code
            assert answer.headers["content-type"].startswith("text/event-stream")
            got = answer.headers.get("content-encoding", "identity")
            assert got in (coding, "identity"), got
            numbers = []
            async for line in answer.aiter_lines():
                if not line.startswith("data:"):
                    continue
                event = json.loads(line.removeprefix("data:"))
                assert event["name"] == name, event
                numbers.append(event["n"])
                confirmed = await client.post(f"/seen/{name}/{event['n']}")
                assert confirmed.status_code == 200, confirmed.status_code
    assert numbers == list(range(EVENTS)), numbers
    return got


async def websocket(base, compression):
    """Echoes texts and bytes, then takes five ticks one by one."""
    url = base.replace("http://", "ws://") + "/ws"
    async with websockets.connect(url, compression=compression, max_size=2**22) as socket:
        for text in ["hello", "", "grün 🌱", "x" * 200_000]:
            await socket.send(text)
            assert await socket.recv() == text
        blob = bytes(range(256)) * 4096
        await socket.send(blob)
        assert await socket.recv() == blob
        await socket.send("ticks")
        for n in range(EVENTS):
            assert json.loads(await socket.recv()) == {"n": n}
            await socket.send(f"seen {n}")
        started = time.monotonic()
        await (await socket.ping())
        assert time.monotonic() - started < PATIENCE
    assert socket.close_code == 1000, socket.close_code
    return compression or "plain"


async def main(base):
    for coding in ["identity", "gzip", "br"]:
        got = await asyncio.wait_for(server_sent_events(base, coding), PATIENCE)
        print(f"events asked as {coding}: each arrived before the next was sent, as {got}")
    for compression in ["deflate", None]:
        got = await asyncio.wait_for(websocket(base, compression), PATIENCE)
        print(f"websocket {got}: echoes, ticks, ping and close")


asyncio.run(main(f"http://{sys.argv[1]}"))
