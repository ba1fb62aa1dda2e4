// BullMQ in the form that benches/services/run drives every contestant in: see there.
import { Queue, Worker } from "bullmq";

const [mode, address, ...rest] = process.argv.slice(2);
const { hostname, port } = new URL(address);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
// Seconds since 1970, finer than Date's milliseconds.
const now = () => (performance.timeOrigin + performance.now()) / 1000;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function enqueue(kind, count, ms, gap) {
  const queue = new Queue("bench", { connection });
  await queue.waitUntilReady();
  const job = () => ({ name: kind, data: { sent: now(), ms } });
  const begun = now();
  if (gap > 0) {
    for (let n = 0; n < count; n++) {
      const one = job();
      await queue.add(one.name, one.data);
      await sleep(gap);
    }
  } else {
    for (let left = count; left > 0; left -= 1000) {
      await queue.addBulk(Array.from({ length: Math.min(left, 1000) }, job));
    }
  }
  console.log(JSON.stringify({ seconds: now() - begun }));
  await queue.close();
}

async function work(concurrency, count) {
  const waits = [];
  let first = 0, lastStart = 0, done = 0, running = 0, most = 0;
  const worker = new Worker("bench", async (job) => {
    const start = now();
    first ||= start;
    lastStart = start;
    waits.push(start - job.data.sent);
    most = Math.max(most, ++running);
    if (job.name === "sleep") {
      if (count === 0) console.log(JSON.stringify({ started: start }));
      await sleep(job.data.ms);
    }
    running -= 1;
    return "done";
  }, { connection, concurrency });
  worker.on("completed", () => {
    if (++done !== count) return;
    waits.sort((a, b) => a - b);
    const at = (part) => waits[Math.min(waits.length - 1, Math.floor(part * waits.length))] * 1000;
    const end = now();
    console.log(JSON.stringify({
      done, seconds: end - first, all_started: lastStart - first, most,
      p50: at(0.5), p99: at(0.99),
    }));
    process.exit(0);
  });
  worker.on("error", (error) => console.error(String(error)));
  await worker.waitUntilReady();
  console.log(JSON.stringify({ ready: true }));
}

if (mode === "enqueue") {
  await enqueue(rest[0], Number(rest[1]), Number(rest[2]), Number(rest[3]));
} else {
  await work(Number(rest[0]), Number(rest[1]));
}
