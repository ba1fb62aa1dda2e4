-- Puts a job in. ARGV: prefix, then the job. Asked twice with the same name, as after a lost answer, it happens once.
if redis.call('EXISTS', P .. 'job:' .. ARGV[2]) == 1 then return ARGV[2] end
local id = put(P, 2, clock(), redis.call)
count_accepted()
return id
