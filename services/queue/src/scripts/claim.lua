-- Hands jobs to a worker: the due ones are lined up first, then the lanes are read in order. ARGV: prefix, consumer, how
-- many. Returns the time, whether the queue is paused, the jobs; and when there were fewer than asked for, what a wait
-- begins at: the last entry that was handed out of each lane, the bell's, and the time when the next delayed job is due.
local consumer, wanted = ARGV[2], tonumber(ARGV[3])
local now = clock()
local paused = redis.call('EXISTS', P .. 'paused')
local jobs, bytes = {}, 0

local function promote()
  local due = redis.call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, 1000)
  for _, id in ipairs(due) do
    redis.call('ZREM', P .. 'delayed', id)
    local known = redis.call('HMGET', P .. 'job:' .. id, 'user', 'priority')
    if known[2] then let_in(P, id, known[1] or '', known[2]) end
  end
end

local function read(lane, count)
  local ask = {'XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', count, 'STREAMS', P .. lane, '>'}
  local reply = redis.pcall(unpack(ask))
  if reply and reply.err then
    if not reply.err:find('NOGROUP', 1, true) then error(reply) end
    redis.call('XGROUP', 'CREATE', P .. lane, GROUP, '0', 'MKSTREAM')
    reply = redis.call(unpack(ask))
  end
  return reply and reply[1][2] or {}
end

local function start(lane, entry, id)
  local job = P .. 'job:' .. id
  local known = redis.call('HMGET', job, 'kind', 'payload', 'user', 'trace', 'tracestate', 'attempts', 'queued',
    'verdict', 'error')
  if not known[1] then
    -- Somebody removed it by hand.
    redis.call('XACK', P .. lane, GROUP, entry)
    redis.call('XDEL', P .. lane, entry)
    return
  end
  local attempt = tonumber(known[6] or 0)
  if not known[8] then
    attempt = attempt + 1
    redis.call('HSET', job, 'state', 'running', 'started', now, 'attempts', attempt)
  end
  known[6] = attempt
  for index = 1, 9 do known[index] = known[index] or '' end
  bytes = bytes + #known[2]
  jobs[#jobs + 1] = {lane, entry, id, known}
end

-- In small bites, so that large payloads end it early.
local function take(lane)
  while #jobs < wanted and bytes < 8388608 do
    local count = math.min(100, wanted - #jobs)
    local entries = read(lane, count)
    for _, entry in ipairs(entries) do start(lane, entry[1], entry[2][2]) end
    if #entries < count then return end
  end
end

local function last_handed_out(lane)
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', P .. lane)) do
    local fields = {}
    for index = 1, #group, 2 do fields[group[index]] = group[index + 1] end
    if fields.name == GROUP then return fields['last-delivered-id'] end
  end
end

if paused == 0 then
  promote()
  for _, lane in ipairs(LANES) do take(lane) end
end
if #jobs == wanted or bytes >= 8388608 then return {now, paused, jobs} end
local heads = {}
if paused == 0 then
  for _, lane in ipairs(LANES) do heads[#heads + 1] = last_handed_out(lane) end
end
local bell = redis.call('XREVRANGE', P .. 'bell', '+', '-', 'COUNT', 1)[1]
local due = paused == 0 and redis.call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')[2]
return {now, paused, jobs, heads, bell and bell[1] or '0-0', due or ''}
