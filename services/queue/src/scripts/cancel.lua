-- Cancels a job. ARGV: prefix, name. What runs is marked, and its worker hears of it with its next heartbeat. What waits is
-- cancelled now. Returns whether there was something to cancel.
local id = ARGV[2]
local job = P .. 'job:' .. id
local known = redis.call('HMGET', job, 'state', 'user', 'priority', 'lane', 'entry', 'verdict')
local state, user = known[1], known[2] or ''
if not state or state == 'done' or state == 'dead' or state == 'cancelled' or known[6] == 'dead' then return 0 end
if state == 'running' then
  redis.call('HSET', job, 'verdict', 'cancelled')
  redis.call('SADD', P .. 'stop', id)
  return 1
end
if state == 'delayed' then
  redis.call('ZREM', P .. 'delayed', id)
elseif state == 'parked' then
  redis.call('ZREM', P .. 'parked', user .. '\0' .. RANKS[known[3]] .. id)
else
  redis.call('XDEL', P .. known[4], known[5])
end
farewell(P, id, user, 'cancelled', clock())
return 1
