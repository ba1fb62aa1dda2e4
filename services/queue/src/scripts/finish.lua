-- Ends deliveries. ARGV: prefix, how many, and for each: lane, entry, name, how, text, delay in ms, how many jobs follow,
-- and each of these: its queue's prefix and the job. Returns for each whether it counted: the acknowledgement is the gate,
-- and who comes second, after the lease was lost, changes nothing.
local now = clock()
local counted = {}
local at = 3

local function finish(id, how, text, delay)
  local job = P .. 'job:' .. id
  local known = redis.call('HMGET', job, 'user', 'priority', 'verdict')
  local user, verdict = known[1] or '', known[3]
  if how == 'done' or how == 'cancelled' then
    redis.call('HSET', job, 'state', how, 'ended', now, how == 'done' and 'result' or 'error', text)
    redis.call('EXPIRE', job, KEPT)
  elseif how == 'dead' then
    redis.call('HSET', job, 'error', text)
    bury(P, id, now)
  else
    if how == 'retry' then redis.call('HSET', job, 'error', text) else redis.call('HINCRBY', job, 'attempts', -1) end
    if verdict then
      farewell(P, id, user, verdict, now)
    elseif how == 'release' then
      line_up(P, id, 'high')
    else
      let_out(P, id, user)
      if delay > 0 then put_off(P, id, now + delay) else let_in(P, id, user, known[2]) end
    end
    return
  end
  if verdict then redis.call('SREM', P .. 'stop', id) end
  let_out(P, id, user)
end

for index = 1, tonumber(ARGV[2]) do
  local lane, entry, follow = P .. ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 6])
  local ours = redis.call('XACK', lane, GROUP, entry)
  if ours == 1 then
    redis.call('XDEL', lane, entry)
    finish(ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], tonumber(ARGV[at + 5]))
  end
  at = at + 7
  for _ = 1, follow do
    if ours == 1 then put(ARGV[at], at + 1, now, redis.pcall) end
    at = at + 1 + JOB_WORDS
  end
  counted[index] = ours
end
return counted
