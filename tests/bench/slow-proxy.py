#!/usr/bin/env python3
"""A TCP proxy that hands everything on after a delay: slow-proxy.py LISTEN-PORT TO-PORT MILLISECONDS (of the way back)."""
import asyncio
import sys

listen, to, delay = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000


async def hand_on(reader, writer, delay):
    # Each piece leaves `delay` after it came, whatever is still waiting before it.
    queue = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def leave():
        while (piece := await queue.get()) is not None:
            due, data = piece
            await asyncio.sleep(max(0, due - loop.time()))
            writer.write(data)
        writer.close()

    leaving = asyncio.create_task(leave())
    while data := await reader.read(65536):
        queue.put_nowait((loop.time() + delay, data))
    queue.put_nowait(None)
    await leaving


async def serve(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", to)
    await asyncio.gather(hand_on(reader, there[1], 0), hand_on(there[0], writer, delay), return_exceptions=True)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", listen)
    await server.serve_forever()


asyncio.run(main())
