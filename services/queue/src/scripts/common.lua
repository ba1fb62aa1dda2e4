-- What all scripts of the queue share; each is put behind this. A queue lives under its prefix, such as `report:q:reports:`
--   high normal low   streams with the group `workers`; an entry is one delivery, and its only field is the job's name
--   job:ID            hash, what is known of a job
--   delayed           sorted set, names by due time in ms
--   parked            sorted set in order of letters, USER NUL RANK NAME of jobs that wait for another one of their user
--   in:USER           set, the user's jobs that were let in: those that wait in a stream or run
--   of:USER           sorted set in order of letters, the user's last 1,000 jobs
--   dead              sorted set, dead letters by the time of their death
--   key:DIGEST        the job that used an idempotency key
--   stop              set, jobs that run and were cancelled
--   bell              stream of one entry: wakes workers for what the other streams do not show
--   accepted, dropped counters;  per_user  the limit;  paused  is there while jobs are held back
-- A script that fails is not rolled back, so each looks first and writes then. Lists are never unpacked as a whole.
local P = ARGV[1]
local GROUP = 'workers'
local DAY = 86400
local KEPT = tostring(7 * DAY)
local DEAD_KEPT = 90 * DAY
local DEAD_MOST = 10000
local JOBS_OF_USER = 1000
local LOG_MOST = 1000
local LOG_KEPT = 30 * DAY
local LANES = {'high', 'normal', 'low'}
local RANKS = {high = '0', normal = '1', low = '2'}

-- The server's clock, in ms. As text, since numbers are slow to hand over; it can be computed with all the same.
local function clock()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end

local function ring(p)
  redis.call('XADD', p .. 'bell', 'MAXLEN', 1, '*', 'ring', '1')
end

-- Puts a job at the end of a lane, where a worker finds it.
local function line_up(p, id, lane)
  local entry = redis.call('XADD', p .. lane, '*', 'job', id)
  redis.call('HSET', p .. 'job:' .. id, 'state', 'queued', 'lane', lane, 'entry', entry)
end

local function limit_of(p)
  return tonumber(redis.call('GET', p .. 'per_user') or 0)
end

-- Whether jobs are parked in a queue, as far as this script knows. Asked once, and not for each job.
local crowded = {}
local function is_crowded(p)
  if crowded[p] == nil then crowded[p] = redis.call('EXISTS', p .. 'parked') == 1 end
  return crowded[p]
end

-- Finds a job its place: at the end of a lane, or aside when its user has as many jobs inside as the limit says. Returns
-- what its hash says of that.
local function place(p, id, user, priority)
  local limit = user ~= '' and limit_of(p) or 0
  if limit > 0 then
    local inside = p .. 'in:' .. user
    if redis.call('SCARD', inside) >= limit then
      crowded[p] = true
      redis.call('ZADD', p .. 'parked', 0, user .. '\0' .. RANKS[priority] .. id)
      return 'state', 'parked'
    end
    redis.call('SADD', inside, id)
  end
  return 'state', 'queued', 'lane', priority, 'entry', redis.call('XADD', p .. priority, '*', 'job', id)
end

local function let_in(p, id, user, priority)
  redis.call('HSET', p .. 'job:' .. id, place(p, id, user, priority))
end

-- Frees a job's place among those of its user, and lets in the next ones. More than one when the limit was raised.
local function let_out(p, id, user)
  if user == '' or redis.call('SREM', p .. 'in:' .. user, id) == 0 or not is_crowded(p) then return end
  local limit
  for _ = 1, 100 do
    local first = redis.call('ZRANGEBYLEX', p .. 'parked', '[' .. user .. '\0', '(' .. user .. '\1', 'LIMIT', 0, 1)[1]
    if not first then return end
    limit = limit or limit_of(p)
    if limit > 0 and redis.call('SCARD', p .. 'in:' .. user) >= limit then return end
    redis.call('ZREM', p .. 'parked', first)
    redis.call('SADD', p .. 'in:' .. user, first:sub(-26))
    line_up(p, first:sub(-26), LANES[tonumber(first:sub(-27, -27)) + 1])
  end
end

-- Lets a job wait for its time. Returns what its hash says of that.
local function put_off(p, id, due)
  redis.call('ZADD', p .. 'delayed', due, id)
  if redis.call('ZRANGE', p .. 'delayed', 0, 0)[1] == id then ring(p) end
  return 'state', 'delayed'
end

-- Sends a job that will not be run any more to a worker once again, who puts in what follows from its end.
local function farewell(p, id, user, verdict, now)
  redis.call('SREM', p .. 'stop', id)
  let_out(p, id, user)
  line_up(p, id, 'high')
  local job = p .. 'job:' .. id
  redis.call('HSET', job, 'verdict', verdict)
  if verdict == 'cancelled' then redis.call('HSET', job, 'state', 'cancelled', 'ended', now) end
end

local function bury(p, id, now)
  redis.call('HSET', p .. 'job:' .. id, 'state', 'dead', 'ended', now)
  redis.call('EXPIRE', p .. 'job:' .. id, DEAD_KEPT)
  redis.call('ZADD', p .. 'dead', now, id)
  redis.call('ZREMRANGEBYSCORE', p .. 'dead', '-inf', now - DEAD_KEPT * 1000)
  while redis.call('ZCARD', p .. 'dead') > DEAD_MOST do
    redis.call('UNLINK', p .. 'job:' .. redis.call('ZPOPMIN', p .. 'dead')[1])
    redis.call('INCR', p .. 'dropped')
  end
end

-- Adds to a log, with the traceparent of what is told of where there is one, and wakes its readers. The wake-up may be
-- lost without harm.
local function announce(call, stream, channel, event, trace)
  local fields = {'event', event}
  if trace ~= '' then fields = {'event', event, 'trace', trace} end
  local entry = call('XADD', stream, 'MAXLEN', '~', LOG_MOST, '*', unpack(fields))
  if type(entry) ~= 'string' then return end
  call('EXPIRE', stream, LOG_KEPT)
  if channel ~= '' then redis.pcall('PUBLISH', channel, entry) end
end

-- Counts the jobs that were put in, once for all that a script puts in.
local accepted = {}
local function count_accepted()
  for p, count in pairs(accepted) do redis.call('INCRBY', p .. 'accepted', count) end
end

-- Puts in the new job that stands in ARGV from `at` on: id, kind, payload, user, priority, key, delay in ms, traceparent,
-- tracestate, and what to announce: stream, channel, event. Returns its name, or that of the job which used its key.
local JOB_WORDS = 12
local function put(p, at, now, call)
  local id, user, key, delay = ARGV[at], ARGV[at + 3], ARGV[at + 5], tonumber(ARGV[at + 6])
  if key ~= '' then
    local first = redis.call('SET', p .. 'key:' .. key, id, 'NX', 'GET', 'EX', DAY)
    if first and first ~= id then return first end
  end
  if ARGV[at + 9] ~= '' then announce(call, ARGV[at + 9], ARGV[at + 10], ARGV[at + 11], ARGV[at + 7]) end
  local fields
  if delay > 0 then
    fields = {put_off(p, id, now + delay)}
  else
    fields = {place(p, id, user, ARGV[at + 4])}
  end
  local function add(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  add('kind', ARGV[at + 1])
  add('payload', ARGV[at + 2])
  add('priority', ARGV[at + 4])
  add('queued', now)
  if user ~= '' then add('user', user) end
  if ARGV[at + 7] ~= '' then add('trace', ARGV[at + 7]) end
  if ARGV[at + 8] ~= '' then add('tracestate', ARGV[at + 8]) end
  redis.call('HSET', p .. 'job:' .. id, unpack(fields))
  accepted[p] = (accepted[p] or 0) + 1
  if user ~= '' then
    redis.call('ZADD', p .. 'of:' .. user, 0, id)
    redis.call('ZREMRANGEBYRANK', p .. 'of:' .. user, 0, -JOBS_OF_USER - 1)
    redis.call('EXPIRE', p .. 'of:' .. user, DEAD_KEPT)
  end
  return id
end
