-- Adds an item to what several channels are to be told, once; and keeps the table of alerts where the item is one.
-- KEYS: 1 whether it was put before, 2 the alerts, 3 when each was last heard of, then for each channel its state and its
-- items. ARGV: 1 how long (s) a repeat is known, 2 how many items a channel holds, 3 how long (s) a channel is kept,
-- 4 the item, 5 the alert's fingerprint or nothing, 6 how long (s) alerts are kept, 7 how many, 8 the channel that is woken.
local now = tonumber(redis.call('TIME')[1])
local fingerprint = ARGV[5]
if fingerprint ~= '' then redis.call('ZADD', KEYS[3], now, fingerprint) end
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  return 0
end
for i = 4, #KEYS, 2 do
  if redis.call('LLEN', KEYS[i + 1]) < tonumber(ARGV[2]) then
    redis.call('RPUSH', KEYS[i + 1], ARGV[4])
    redis.call('EXPIRE', KEYS[i + 1], ARGV[3])
  else
    redis.call('HINCRBY', KEYS[i], 'dropped', 1)
  end
  redis.call('HSETNX', KEYS[i], 'gen', 0)
  redis.call('EXPIRE', KEYS[i], ARGV[3])
end
if fingerprint ~= '' then
  redis.call('HSET', KEYS[2], fingerprint, ARGV[4])
  local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - tonumber(ARGV[6]), 'LIMIT', 0, 100)
  local over = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[7]) - #old
  if over > 0 then
    for _, name in ipairs(redis.call('ZRANGE', KEYS[3], #old, #old + over - 1)) do old[#old + 1] = name end
  end
  for _, name in ipairs(old) do
    redis.call('ZREM', KEYS[3], name)
    redis.call('HDEL', KEYS[2], name)
  end
  redis.call('PUBLISH', ARGV[8], '')
end
return 1
