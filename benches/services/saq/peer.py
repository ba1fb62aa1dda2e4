"""SAQ in the form that benches/services/run drives every contestant in: see there."""

import asyncio
import json
import logging
import os
import sys
import time

from saq import Queue, Worker

logging.getLogger("saq").setLevel(logging.CRITICAL)


def say(**words):
    print(json.dumps(words), flush=True)


async def enqueue(queue, kind, count, ms, gap):
    await queue.connect()
    begun = time.time()

    def put():
        # SAQ limits a job to 10 s unless it is told otherwise.
        return queue.enqueue(kind, sent=time.time(), ms=ms, timeout=0, heartbeat=0)

    if gap:
        for _ in range(count):
            await put()
            await asyncio.sleep(gap / 1000)
    else:
        for base in range(0, count, 200):
            await asyncio.gather(*(put() for _ in range(min(200, count - base))))
    say(seconds=time.time() - begun)
    await queue.disconnect()


class Bench:
    def __init__(self, count):
        self.count, self.waits, self.first, self.last_start = count, [], 0, 0
        self.done = self.running = self.most = 0
        self.over = asyncio.Event()

    def start(self, sent):
        start = time.time()
        self.first = self.first or start
        self.last_start = start
        self.waits.append(start - sent)
        self.running += 1
        self.most = max(self.most, self.running)
        return start

    async def noop(self, _context, *, sent, ms):
        self.start(sent)
        self.running -= 1
        return "done"

    async def sleep(self, _context, *, sent, ms):
        start = self.start(sent)
        if self.count == 0:
            say(started=start)
        await asyncio.sleep(ms / 1000)
        self.running -= 1
        return "done"

    async def after(self, _context):
        self.done += 1
        if self.done == self.count:
            self.over.set()


async def work(queue, concurrency, count):
    bench = Bench(count)
    functions = [("noop", bench.noop), ("sleep", bench.sleep)]
    worker = Worker(queue, functions=functions, concurrency=concurrency, after_process=bench.after)
    task = asyncio.create_task(worker.start())
    say(ready=True)
    over = asyncio.create_task(bench.over.wait())
    await asyncio.wait([task, over], return_when=asyncio.FIRST_COMPLETED)
    end = time.time()
    waits = sorted(bench.waits)

    def at(part):
        return waits[min(len(waits) - 1, int(part * len(waits)))] * 1000

    say(done=bench.done, seconds=end - bench.first, all_started=bench.last_start - bench.first, most=bench.most, p50=at(0.5), p99=at(0.99))
    sys.stdout.flush()
    # An orderly end would wait for what SAQ still polls for.
    os._exit(0)


def main():
    mode, address, *rest = sys.argv[1:]
    queue = Queue.from_url(address, name="bench")
    if mode == "enqueue":
        kind, count, ms, gap = rest
        asyncio.run(enqueue(queue, kind, int(count), int(ms), int(gap)))
    else:
        asyncio.run(work(queue, int(rest[0]), int(rest[1])))


main()
