-- What a channel waits for. KEYS: 1 its state, 2 its items. Gives its generation, how many items wait, and in how many
-- milliseconds it may be told again.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local state = redis.call('HMGET', KEYS[1], 'gen', 'next', 'dropped')
local count = redis.call('LLEN', KEYS[2]) + tonumber(state[3] or 0)
return { tonumber(state[1] or 0), count, math.max(0, tonumber(state[2] or 0) - now) }
