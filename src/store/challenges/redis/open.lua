-- ARGV: now, State, its end, what is sealed, how many States may stay;
-- and of a code: purpose, id, end, tries, how old one may be that is joined, what must be equal for that, what is sealed.
local field, ends = 's:' .. ARGV[2], ARGV[3]
local purpose, id = ARGV[6] or '-', ARGV[7] or '-'
local latest, last, states, joined = tonumber(ends), 0, {}, false

local all = redis.call('HGETALL', key)
for at = 1, #all, 2 do
  local name, kept = all[at], nil
  if string.sub(name, 1, 2) == 's:' and name ~= field then
    kept = parse_state(all[at + 1])
    if kept then
      states[#states + 1] = { name = name, order = kept.order }
      last = math.max(last, kept.order)
    end
  elseif string.sub(name, 1, 2) == 'c:' then
    kept = parse_code(all[at + 1])
    if kept and name == 'c:' .. purpose then
      -- The same code again is a call that was repeated on the way: its message is yet to be sent.
      joined = kept.id == id or (kept.binding == ARGV[11] and now < kept.made + tonumber(ARGV[10]))
      if joined then id = kept.id end
    end
  end
  if kept then latest = math.max(latest, kept.ends) else redis.call('HDEL', key, name) end
end

table.sort(states, function(a, b) return a.order < b.order end)
for at = 1, #states - tonumber(ARGV[5]) + 1 do
  redis.call('HDEL', key, states[at].name)
end

redis.call('HSET', key, field, table.concat({ ends, string.format('%.0f', last + 1), purpose, id, ARGV[4] }, ' '))
if purpose ~= '-' and not joined then
  redis.call('HSET', key, 'c:' .. purpose, table.concat({ ARGV[8], ARGV[9], ARGV[1], id, ARGV[11], ARGV[12] }, ' '))
  latest = math.max(latest, tonumber(ARGV[8]))
end
-- The end of a place that nobody comes back to; never what decides. A day is more than anything lives.
redis.call('PEXPIRE', key, string.format('%.0f', math.min(latest - now, 86400000)))
return joined and id ~= ARGV[7] and id or ''
