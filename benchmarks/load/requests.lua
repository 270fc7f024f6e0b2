-- Posts what stands in a file, in turn: blocks of three lines, path, token and body. BATCH_ID in a body becomes an id of
-- its own each time it is sent. wrk counts what is not answered 2xx.
local PLACE = string.rep("0", 36)
local heads, tails, next_one, serial, run = {}, {}, 0, 0, ""

function init(arguments)
  local thread = tonumber(tostring(heads):match("0x(%x+)"), 16) % 2 ^ 32
  run = string.format("%08x-%04x-4%03x-8%03x", os.time() % 2 ^ 32, thread % 2 ^ 16, thread / 2 ^ 16 % 2 ^ 12, thread % 2 ^ 12)
  local file = assert(io.open(arguments[1], "r"))
  while true do
    local path, token, body = file:read("*l"), file:read("*l"), file:read("*l")
    if body == nil then break end
    local headers = { ["Content-Type"] = "application/json" }
    if token ~= "" then headers["Authorization"] = "Bearer " .. token end
    local whole = wrk.format("POST", path, headers, (body:gsub("BATCH_ID", PLACE)))
    local from, to = whole:find(PLACE, 1, true)
    heads[#heads + 1] = from and whole:sub(1, from - 1) or whole
    tails[#heads] = from and whole:sub(to + 1) or false
  end
  file:close()
end

function request()
  next_one = next_one % #heads + 1
  local tail = tails[next_one]
  if not tail then return heads[next_one] end
  serial = serial + 1
  return heads[next_one] .. run .. string.format("-%012x", serial) .. tail
end
