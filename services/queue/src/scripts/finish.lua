-- Ends deliveries. ARGV: prefix, how many, and for each: lane, entry, name, user, how, text, delay in ms, how many jobs
-- follow, and each of these: its queue's prefix and the job. Returns for each whether it counted: the acknowledgement is the
-- gate, and who comes second, after the lease was lost, changes nothing. Who asks again, since the answer was lost, is told
-- that it counted.
local now = clock()
local stopping = redis.call('EXISTS', P .. 'stop') == 1
local counted, ended = {}, {}
local at = 3

-- The job has ended for good.
local function conclude(id, user, how, text)
  local job = P .. 'job:' .. id
  if how == 'dead' then
    redis.call('HSET', job, 'error', text)
    bury(P, id, now)
  else
    redis.call('HSET', job, 'state', how, 'ended', now, how == 'done' and 'result' or 'error', text)
    redis.call('EXPIRE', job, KEPT)
  end
  if stopping then redis.call('SREM', P .. 'stop', id) end
  let_out(P, id, user)
end

-- Whether this delivery ended the job before: the last entry of a job is that of its end.
local function ended_by(id, entry)
  local known = redis.call('HMGET', P .. 'job:' .. id, 'entry', 'state')
  local over = known[2] == 'done' or known[2] == 'dead' or known[2] == 'cancelled'
  return over and known[1] == entry
end

-- The job runs again, unless it was cancelled meanwhile.
local function again(id, how, text, delay)
  local job = P .. 'job:' .. id
  local known = redis.call('HMGET', job, 'user', 'priority', 'verdict')
  local user = known[1] or ''
  if how == 'retry' then redis.call('HSET', job, 'error', text) else redis.call('HINCRBY', job, 'attempts', -1) end
  if known[3] then
    farewell(P, id, user, known[3], now)
  elseif how == 'release' then
    line_up(P, id, 'high')
  else
    let_out(P, id, user)
    if delay > 0 then redis.call('HSET', job, put_off(P, id, now + delay)) else let_in(P, id, user, known[2]) end
  end
end

for index = 1, tonumber(ARGV[2]) do
  local first, lane, entry, follow = at, P .. ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 7])
  local ours = redis.call('XACK', lane, GROUP, entry)
  if ours == 1 then
    ended[lane] = ended[lane] or {}
    table.insert(ended[lane], entry)
    local id, how, text = ARGV[at + 2], ARGV[at + 4], ARGV[at + 5]
    if how == 'done' or how == 'dead' or how == 'cancelled' then
      conclude(id, ARGV[at + 3], how, text)
    else
      again(id, how, text, tonumber(ARGV[at + 6]))
    end
  end
  at = at + 8
  for _ = 1, follow do
    if ours == 1 then put(ARGV[at], at + 1, now, redis.pcall) end
    at = at + 1 + JOB_WORDS
  end
  counted[index] = (ours == 1 or ended_by(ARGV[first + 2], entry)) and 1 or 0
end
-- The caller bounds how many there are.
for lane, entries in pairs(ended) do redis.call('XDEL', lane, unpack(entries)) end
count_accepted()
return counted
