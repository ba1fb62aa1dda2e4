-- Gives a dead letter a new life. ARGV: prefix, name. Returns whether it was among the dead.
local id = ARGV[2]
local job = P .. 'job:' .. id
local known = redis.call('HMGET', job, 'user', 'priority')
if redis.call('ZREM', P .. 'dead', id) == 0 or not known[2] then return 0 end
redis.call('HDEL', job, 'attempts', 'deaths', 'error', 'verdict', 'ended', 'started')
redis.call('PERSIST', job)
let_in(P, id, known[1] or '', known[2])
return 1
