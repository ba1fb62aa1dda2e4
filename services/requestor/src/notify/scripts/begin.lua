-- Fixes what one job tells: the first time all items that wait, later the same again.
-- KEYS: 1 the channel's state, 2 its items, 3 what this job tells. ARGV: 1 the job's generation, 2 how long (s) it is kept,
-- 3 what stands for items that found no place, with %d for their number.
if redis.call('EXISTS', KEYS[3]) == 0 and tonumber(redis.call('HGET', KEYS[1], 'gen') or 0) == tonumber(ARGV[1]) then
  for _, item in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do redis.call('RPUSH', KEYS[3], item) end
  redis.call('DEL', KEYS[2])
  local dropped = tonumber(redis.call('HGET', KEYS[1], 'dropped') or 0)
  if dropped > 0 then
    redis.call('RPUSH', KEYS[3], string.format(ARGV[3], dropped))
    redis.call('HDEL', KEYS[1], 'dropped')
  end
end
redis.call('EXPIRE', KEYS[3], ARGV[2])
return redis.call('LRANGE', KEYS[3], 0, -1)
