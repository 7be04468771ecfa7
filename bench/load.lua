-- The load of every row: wrk ... -s load.lua URL -- KIND ARGUMENT...
-- A kind makes a function that gives the next request of its thread. When all is done, one line
-- of JSON says what was measured; times in microseconds.

local threads = {}
wrong = 0    -- answers of this thread with a good status that say no

function setup(thread)
   thread:set("number", #threads)
   table.insert(threads, thread)
end

local kinds = {}

-- GETs of random paths: PATTERN has one %d, which is 0 to COUNT - 1, times STRIDE.
function kinds.get(pattern, count, stride)
   local asked = {}
   for at = 0, tonumber(count) - 1 do
      asked[at + 1] = wrk.format("GET", string.format(pattern, at * tonumber(stride or 1)))
   end
   return function() return asked[math.random(#asked)] end
end

-- GETs none of which was made before: PATTERN has two %d, 0 to COUNT - 1 and a running number.
function kinds.fresh(pattern, count)
   local most = tonumber(count) - 1
   local made = math.random(1000000000)
   return function()
      made = made + 1
      return wrk.format("GET", string.format(pattern, math.random(0, most), made))
   end
end

-- A value of SIZE bytes, never twice the same: to write what is there already changes nothing.
local function values(size)
   local rest = string.rep("v", tonumber(size) - 10)
   return function() return string.format("%010d", math.random(0, 2147483646)) .. rest end
end

-- PUTs of SIZE bytes to random keys: PREFIX/0 to COUNT - 1.
function kinds.put(prefix, count, size)
   local most = tonumber(count) - 1
   local head = "PUT /v1/kv/" .. prefix .. "/"
   local tail = " HTTP/1.1\r\nHost: bench\r\nContent-Length: " .. size .. "\r\n\r\n"
   local value = values(size)
   return function() return head .. math.random(0, most) .. tail .. value() end
end

-- One connection a thread takes a lock of its own and gives it back; SESSIONS has one for each.
function kinds.lock(prefix, sessions)
   local mine
   local at = 0
   for session in string.gmatch(sessions, "[^,]+") do
      if at == number then mine = session end
      at = at + 1
   end
   local path = "/v1/kv/" .. prefix .. "/" .. number
   local take = wrk.format("PUT", path .. "?acquire=" .. mine, nil, "held")
   local give = wrk.format("PUT", path .. "?release=" .. mine, nil, "free")
   -- By answers, not by requests: wrk makes a first request that it never sends.
   local held = false
   answered = function(body)
      held = not held
      if body:sub(1, 4) ~= "true" then wrong = wrong + 1 end
   end
   return function() return held and give or take end
end

function kinds.session()
   local asked = wrk.format("PUT", "/v1/session/create", nil, '{"Name": "bench"}')
   return function() return asked end
end

-- New instances, each with a check: of 50 services, on 1,000 nodes.
function kinds.register(prefix)
   local made = 0
   return function()
      made = made + 1
      local id = string.format("%s-%d-%d", prefix, number, made)
      local node = made % 1000
      return wrk.format("PUT", "/v1/catalog/register", nil, string.format(
         '{"Node": "%s-node-%d", "Address": "127.9.%d.%d", "Service": {"ID": "%s", ' ..
         '"Service": "%s-%d", "Port": 8080, "Tags": ["v1", "primary"]}, "Check": ' ..
         '{"CheckID": "service:%s", "Name": "alive", "ServiceID": "%s", "Status": "passing"}}',
         prefix, node, math.floor(node / 256), node % 256, id, prefix, made % 50, id, id))
   end
end

-- Checks of one service's COUNT instances, on nodes of their own, become critical or passing.
function kinds.flip(service, count)
   local most = tonumber(count) - 1
   return function()
      local at = math.random(0, most)
      local name = service .. "-" .. at
      return wrk.format("PUT", "/v1/catalog/register", nil, string.format(
         '{"Node": "node-%s", "SkipNodeUpdate": true, "Check": {"CheckID": "service:%s", ' ..
         '"Name": "alive", "ServiceID": "%s", "Status": "%s", "Output": "round %d"}}',
         name, name, name, math.random(2) == 1 and "critical" or "passing",
         math.random(1000000)))
   end
end

-- Nine reads of some kind, then a write of some kind. COUNT keys PATTERN, which has one %d.
function kinds.mixed(pattern, count, session)
   local most = tonumber(count) - 1
   local reads = {
      pattern, pattern .. "?stale", pattern .. "?consistent", pattern .. "?raw",
      "/v1/health/service/web-10?passing", "/v1/health/service/web-100?passing",
      "/v1/health/service/web-100?passing&stale", "/v1/catalog/service/web-10",
      "/v1/catalog/services", "/v1/session/info/" .. session
   }
   local small, large = values(64), values(1024)
   local function put(value)
      return wrk.format("PUT", string.format(pattern, math.random(0, most)), nil, value())
   end
   local writes = {
      function() return put(small) end,
      function() return put(large) end,
      function()
         local way = math.random(2) == 1 and "?acquire=" or "?release="
         return wrk.format("PUT", "/v1/kv/bench/mixed-lock" .. way .. session, nil, small())
      end,
      kinds.flip("web-10", 10),
   }
   local made = 0
   return function()
      made = made + 1
      if made % 10 == 0 then return writes[math.random(#writes)]() end
      return wrk.format("GET", string.format(reads[math.random(#reads)], math.random(0, most)))
   end
end

function init(args)
   math.randomseed(tonumber(args[1]) + number)
   request = kinds[args[2]](unpack(args, 3))
   if answered then    -- it makes wrk slower, so only where a good status says too little
      response = function(_, _, body) answered(body) end
   end
end

function done(summary, latency)
   local bad = 0
   for _, thread in ipairs(threads) do bad = bad + thread:get("wrong") end
   local failed = summary.errors
   io.write(string.format(
      'RESULT {"requests": %d, "took_us": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, ' ..
      '"refused": %d, "wrong": %d, "broken": %d, "late": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      latency.max, failed.status, bad, failed.connect + failed.read + failed.write,
      failed.timeout))
end
