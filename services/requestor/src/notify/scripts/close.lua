-- Ends a generation of a channel, if it has not ended: the next notice may go out after the pause.
-- KEYS: 1 the channel's state, 2 what the job told. ARGV: 1 the job's generation, 2 the pause in ms, 3 how long (s) a channel
-- is kept, 4 whether what was told is forgotten.
if tonumber(redis.call('HGET', KEYS[1], 'gen') or 0) == tonumber(ARGV[1]) then
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  redis.call('HSET', KEYS[1], 'gen', tonumber(ARGV[1]) + 1, 'next', now + tonumber(ARGV[2]))
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
if ARGV[4] == '1' then redis.call('DEL', KEYS[2]) end
return 0
