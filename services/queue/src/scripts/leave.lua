-- Takes a worker's name out of the group, unless something is held under it. ARGV: prefix, consumer.
for _, lane in ipairs(LANES) do
  local held = redis.pcall('XPENDING', P .. lane, GROUP, '-', '+', 1, ARGV[2])
  if not held.err and #held == 0 then redis.call('XGROUP', 'DELCONSUMER', P .. lane, GROUP, ARGV[2]) end
end
