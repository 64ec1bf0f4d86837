-- One hash holds all of one person: `s:DIGEST` is a State, `c:PURPOSE` is the code under way for that purpose.
-- What is over, used up or not in this form is as if it were not there.
local key, now = KEYS[1], tonumber(ARGV[1])

local function parse_state(text)
  local ends, order, purpose, code, sealed = string.match(text, '^(%-?%d+) (%d+) (%S+) (%S+) (%S+)$')
  ends, order = tonumber(ends), tonumber(order)
  if ends and ends > now then
    return { ends = ends, order = order, purpose = purpose, code = code, sealed = sealed }
  end
end

local function parse_code(text)
  local head, tries, tail = string.match(text, '^(%-?%d+) (%d+) (.+)$')
  local made, id, binding, sealed = string.match(tail or '', '^(%-?%d+) (%S+) (%S+) (%S+)$')
  local ends, left = tonumber(head), tonumber(tries)
  if made and ends > now and left > 0 then
    return { ends = ends, left = left, head = head, tail = tail,
      made = tonumber(made), id = id, binding = binding, sealed = sealed }
  end
end
