-- ARGV: now, State, whether the answer could be the code ('1').
local field = 's:' .. ARGV[2]
local text = redis.call('HGET', key, field)
if not text then return false end
redis.call('HDEL', key, field)
local state = parse_state(text)
if not state then return false end
if ARGV[3] ~= '1' or state.purpose == '-' then return { state.sealed } end

local place = 'c:' .. state.purpose
local code = parse_code(redis.call('HGET', key, place) or '')
if not code or code.id ~= state.code then return { state.sealed } end
-- Paid before it is handed out; the last try voids the code.
if code.left > 1 then
  redis.call('HSET', key, place, table.concat({ code.head, string.format('%.0f', code.left - 1), code.tail }, ' '))
else
  redis.call('HDEL', key, place)
end
return { state.sealed, code.sealed, state.purpose }
