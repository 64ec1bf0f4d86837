-- ARGV: a moment before everything, State, id of the code.
redis.call('HDEL', key, 's:' .. ARGV[2])
local all = redis.call('HGETALL', key)
for at = 1, #all, 2 do
  local code = string.sub(all[at], 1, 2) == 'c:' and parse_code(all[at + 1])
  if code and code.id == ARGV[3] then redis.call('HDEL', key, all[at]) end
end
return 0
