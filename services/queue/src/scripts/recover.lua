-- Takes back what dead workers held, and lines it up before everything else. ARGV: prefix, lease in ms, from which idle
-- time on a lease is looked at, how many deaths a job may cause, whether to tidy. Returns how many runs were taken back,
-- how many of these jobs are given up, and in how many ms at the earliest a lease can run out.
local lease, late, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local taken, given_up, wait = 0, 0, lease

local function take_back(lane, entry)
  local id = redis.call('XRANGE', P .. lane, entry, entry)[1]
  id = id and id[2][2]
  redis.call('XACK', P .. lane, GROUP, entry)
  redis.call('XDEL', P .. lane, entry)
  local job = P .. 'job:' .. (id or '')
  local known = id and redis.call('HMGET', job, 'user', 'kind', 'verdict') or {}
  if not known[2] then return end
  taken = taken + 1
  local deaths = redis.call('HINCRBY', job, 'deaths', 1)
  if known[3] then
    farewell(P, id, known[1] or '', known[3], clock())
  elseif deaths >= most then
    given_up = given_up + 1
    redis.call('HSET', job, 'error', 'whoever ran it died, ' .. deaths .. ' times')
    farewell(P, id, known[1] or '', 'dead', clock())
  else
    redis.call('HSET', job, 'error', 'the worker that ran it died')
    line_up(P, id, 'high')
  end
end

-- Names of workers that are gone stay in the group until somebody removes them; with them would go what they hold.
local function tidy(lane)
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', P .. lane, GROUP)) do
    local fields = {}
    for index = 1, #consumer, 2 do fields[consumer[index]] = consumer[index + 1] end
    if fields.pending == 0 and fields.idle > 3600000 then
      redis.call('XGROUP', 'DELCONSUMER', P .. lane, GROUP, fields.name)
    end
  end
end

for _, lane in ipairs(LANES) do
  local summary = redis.pcall('XPENDING', P .. lane, GROUP)
  local found = {}
  -- What is handed out from now on cannot run out within a lease.
  if not summary.err and summary[1] > 0 then
    wait = math.min(wait, lease - late)
    found = redis.call('XPENDING', P .. lane, GROUP, 'IDLE', late, '-', '+', 100)
  end
  for _, pending in ipairs(found) do
    if pending[3] >= lease then
      take_back(lane, pending[1])
    else
      wait = math.min(wait, lease - pending[3])
    end
  end
  if #found == 100 then wait = 0 end
  if ARGV[5] == '1' and not summary.err then tidy(lane) end
end
return {taken, given_up, wait}
