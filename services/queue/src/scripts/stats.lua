-- The queue's figures. ARGV: prefix. Returns waiting, parked, delayed, running, dead, dropped, the oldest one's wait in ms,
-- accepted, paused. Waiting is what is in the streams and not handed out: `lag` is not to be trusted after deletions.
local waiting, running, oldest = 0, 0, 0
local now = clock()
for _, lane in ipairs(LANES) do
  local key = P .. lane
  local held, last = 0, '-'
  local groups = redis.pcall('XINFO', 'GROUPS', key)
  for _, group in ipairs(groups.err and {} or groups) do
    local fields = {}
    for index = 1, #group, 2 do fields[group[index]] = group[index + 1] end
    if fields.name == GROUP then held, last = fields.pending, '(' .. fields['last-delivered-id'] end
  end
  local first = redis.call('XRANGE', key, last, '+', 'COUNT', 1)[1]
  if first then oldest = math.max(oldest, now - tonumber(first[1]:match('^%d+'))) end
  waiting = waiting + redis.call('XLEN', key) - held
  running = running + held
end
local number = function(key) return tonumber(redis.call('GET', P .. key) or 0) end
return {waiting, redis.call('ZCARD', P .. 'parked'), redis.call('ZCARD', P .. 'delayed'), running,
  redis.call('ZCARD', P .. 'dead'), number('dropped'), oldest, number('accepted'), redis.call('EXISTS', P .. 'paused')}
